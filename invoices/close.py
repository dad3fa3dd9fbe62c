"""Close an attempt that is parked: a person found out what became of it, and says why.

The caller holds the trail locked and settles the outcome as any other. Only "voided" is written
here: that nothing moved, and that nothing more is to be tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.chain import Fact
from audit.sets import fetch
from invoices.payments import FEED, TRANSACTION
from tasks.outcome import Outcome, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from invoices.attempts import Held

VERDICTS = {"succeeded": Verdict.SUCCEEDED, "declined": Verdict.DECLINED}
WORDS = ("succeeded", "declined", "voided")
CHARGES = frozenset({"debit", "credit"})  # A refund that is called off leaves nothing owed.


def outcome(held: Held, word: str, *, uri: str, reason: str) -> Outcome:
    """Return what a person says of an attempt, as the processor would have said it."""
    return Outcome(
        transaction_id=held.transaction_id,
        verdict=VERDICTS[word],
        uri=uri or held.processor_uri,
        reason=reason,
    )


def closed(held: Held, word: str, *, uri: str, reason: str, actor: str) -> Fact:
    """Return the fact that a person closed it, and by which word."""
    body = {"as": word, "reason": reason, "attempt": held.attempt, "amount": held.amount}
    if uri:
        body["uri"] = uri
    return _fact(held, f"{held.kind}.closed", body, actor=actor)


def void(held: Held, *, reason: str, actor: str, now: datetime) -> list[Fact]:
    """Call the attempt off; its invoice is given up. Returns the facts, none if it was closed."""
    rows = fetch(
        f"UPDATE {TRANSACTION} SET state = 'voided', updated_at = %s"
        " WHERE id = %s AND state = 'parked' RETURNING id",
        [now, held.transaction_id],
    )
    if not rows:
        return []
    facts = [_fact(held, f"{held.kind}.voided", {"reason": reason}, actor=actor)]
    if held.kind in CHARGES:
        fetch(
            f"UPDATE {FEED} SET live = live - %s,"
            " state = CASE WHEN state = 'open' THEN 'uncollected' ELSE state END"
            " WHERE id = %s RETURNING state",
            [held.amount, held.feed_id],
        )
        told: dict[str, object] = {"attempts": held.attempt}
        facts.append(_fact(held, "invoice.uncollected", told, actor=actor))
    return facts


def _fact(held: Held, kind: str, body: dict[str, object], *, actor: str) -> Fact:
    return Fact(
        trail_id=held.trail_id,
        company_id=held.company_id,
        kind=kind,
        currency=held.currency,
        feed_id=held.feed_id,
        transaction_id=held.transaction_id,
        body=body,
        actor=actor,
        dedupe=f"{kind}/{held.label}",
    )
