"""Change a company's limits of money: what one payment, a day's payouts and an hour may come to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.db import transaction

from accounts.models import LARGEST_ALARM, LONGEST_HOLD_HOURS, Company
from audit.record import heads, record
from core import check
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

# Each limit's least and most; what the units are says the model.
BOUNDS = {
    "amount_limit": (1, LARGEST_AMOUNT),
    "payout_cap": (1, LARGEST_AMOUNT),
    "payout_hold_hours": (0, LONGEST_HOLD_HOURS),
    "payments_alarm": (1, LARGEST_ALARM),
}
NO_HOLD = 0  # What takes the hold away; None takes the others.


def change(
    company: Company,
    limits: Mapping[str, int | None],
    *,
    now: datetime,
    actor: str = "billy",
    seen: Callable[[Company], None] = lambda _: None,
) -> Company:
    """Give a company other limits: those that are named, of BOUNDS; None takes one away.

    `seen` is told the row as it is under the lock, and may refuse. Each change is an event with
    the values before and after; what is the same already is none. Raises Invalid.
    """
    values = _checked(limits)
    with transaction.atomic():
        chain = heads([company.pk])
        locked = Company.objects.select_for_update(of=("self",), no_key=True).get(pk=company.pk)
        seen(locked)
        before = {name: getattr(locked, name) for name in sorted(values)}
        changed = [name for name, value in before.items() if value != values[name]]
        if not changed:
            return locked
        for name in changed:
            setattr(locked, name, values[name])
        locked.updated_at = now
        locked.save(update_fields=[*changed, "updated_at"])
        body = {
            "before": {name: before[name] for name in changed},
            "after": {name: values[name] for name in changed},
        }
        dedupe = f"company.changed/{chain[company.pk].seq}"
        fact = replace(locked.fact("company.changed", body, dedupe=dedupe), actor=actor)
        listens = [locked.pk] if locked.listens else []
        record([fact], heads=chain, now=now, listeners=listens)
    return locked


def _checked(limits: Mapping[str, int | None]) -> dict[str, int | None]:
    unknown = set(limits) - set(BOUNDS)
    if unknown:
        raise Invalid(dict.fromkeys(sorted(unknown), "is not a limit of a company"))
    values: dict[str, int | None] = {}
    problems: list[Invalid] = []
    for name, value in limits.items():
        if value is None:
            values[name] = NO_HOLD if name == "payout_hold_hours" else None
            continue
        least, most = BOUNDS[name]
        try:
            values[name] = check.whole(name, value, minimum=least, maximum=most)
        except Invalid as problem:
            problems.append(problem)
    if problems:
        raise Invalid.combined(problems)
    return values
