"""What is said in the end: do both sides agree, and is every event still what was written?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.models import AuditEvent, AuditTrail
from audit.verify import broken
from billy.demo.agreement import COLLECTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billy.demo.agreement import Agreement
    from billy.demo.screen import Screen

MOST_FAULTS = 20  # Shown of what is wrong; the count tells the rest.


def sides(screen: Screen, found: Agreement) -> bool:
    """Say what was compared, and whether Billy and Balanced agree; returns the latter."""
    for kind, (count, money) in found.sums.items():
        screen.line(f"  {COLLECTIONS[kind]:10} {count:5}   {money.display():>12} moved")
    screen.line()
    if found.differences:
        count = len(found.differences)
        screen.line(f"Billy and Balanced disagree in {count} places:", style="red")
        _faults(screen, found.differences)
        return False
    sums = f"{found.count} transactions, {found.moved.display()}"
    screen.line(f"Billy and Balanced agree: {sums}", style="green")
    return True


def trails(screen: Screen) -> bool:
    """Compute every chain anew, and say whether all are intact; returns that."""
    faults = [f"trail {trail}, event {seq}: {why}" for trail, seq, why in broken()]
    if faults:
        screen.line(f"audit trails are broken in {len(faults)} places:", style="red")
        _faults(screen, faults)
        return False
    counted = f"{AuditTrail.objects.count()} trails, {AuditEvent.objects.count():,} events"
    screen.line(f"audit trails intact: {counted}, every hash computed anew", style="green")
    return True


def _faults(screen: Screen, faults: Sequence[str]) -> None:
    for each in faults[:MOST_FAULTS]:
        screen.words(each, style="red")
