"""Call off what was never sent: planned attempts, when their scheduler ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.chain import Fact
from audit.record import record
from audit.sets import fetch
from invoices.payments import FEED, TRANSACTION

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from audit.record import Heads


def void_queued(trail: UUID, *, heads: Heads, now: datetime, actor: str) -> int:
    """Void the queued attempts of a trail's feeds; returns how many.

    The trail must be locked. An attempt that is leased, sent or unknown is left alone: it
    finishes and is recorded.
    """
    rows = fetch(
        f"UPDATE {TRANSACTION} AS a SET state = 'voided', updated_at = %s FROM {FEED} f"
        " WHERE f.id = a.feed_id AND f.trail_id = %s AND a.state = 'queued'"
        " RETURNING a.id, a.feed_id, a.company_id, a.kind, a.attempt, a.amount, a.currency,"
        " f.occurrence",
        [now, trail],
    )
    facts = []
    for identity, feed, company, kind, attempt, amount, currency, occurrence in rows:
        place = feed.hex if occurrence is None else occurrence
        fetch(
            f"UPDATE {FEED} SET live = live - %s, state = 'uncollected' WHERE id = %s RETURNING id",
            [amount, feed],
        )
        facts.append(
            Fact(
                trail_id=trail,
                company_id=company,
                kind=f"{kind}.voided",
                currency=currency,
                feed_id=feed,
                transaction_id=identity,
                body={"amount": amount, "attempt": attempt},
                actor=actor,
                dedupe=f"{kind}.voided/{kind}/{place}/{attempt}",
            )
        )
        body = {"attempts": attempt}
        facts.append(
            Fact(
                trail_id=trail,
                company_id=company,
                kind="invoice.uncollected",
                currency=currency,
                feed_id=feed,
                body=body,
                actor=actor,
                dedupe=f"invoice.uncollected/{kind}/{place}/{attempt}",
            )
        )
    record(facts, heads=heads, now=now)
    return len(rows)
