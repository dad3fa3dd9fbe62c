"""Call off what was never sent: planned attempts, when their scheduler ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.chain import Fact
from audit.sets import array, fetch
from invoices.payments import FEED, TRANSACTION

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID


def void_queued(trails: Collection[UUID], *, now: datetime, actor: str = "billy") -> list[Fact]:
    """Void the queued charges of these trails' feeds; returns the facts, for the caller to record.

    The trails must be locked. An attempt that is leased, sent or unknown is left alone: it
    finishes and is recorded. So is money that is to be given back: that is owed either way.
    """
    rows = fetch(
        f"WITH voided AS (UPDATE {TRANSACTION} AS a SET state = 'voided', updated_at = %s"
        f" FROM {FEED} f WHERE f.id = a.feed_id AND f.trail_id = ANY(%s::uuid[])"
        " AND a.state = 'queued' AND a.kind IN ('debit', 'credit')"
        " RETURNING a.id, a.feed_id, a.kind, a.attempt, a.amount)"
        f" UPDATE {FEED} AS f SET live = f.live - v.amount, state = 'uncollected' FROM voided v"
        " WHERE f.id = v.feed_id RETURNING f.trail_id, f.company_id, f.currency, f.occurrence,"
        " v.id, v.feed_id, v.kind, v.attempt, v.amount",
        [now, array("uuid", sorted(trails))],
    )
    return [fact for row in sorted(rows, key=str) for fact in _facts(row, actor=actor)]


def _facts(row: tuple[Any, ...], *, actor: str) -> list[Fact]:
    trail, company, currency, occurrence, identity, feed, kind, attempt, amount = row
    place = feed.hex if occurrence is None else occurrence
    told = (
        (f"{kind}.voided", identity, {"amount": amount, "attempt": attempt}),
        ("invoice.uncollected", None, {"attempts": attempt}),
    )
    return [
        Fact(
            trail_id=trail,
            company_id=company,
            kind=name,
            currency=currency,
            feed_id=feed,
            transaction_id=about,
            body=body,
            actor=actor,
            dedupe=f"{name}/{kind}/{place}/{attempt}",
        )
        for name, about, body in told
    ]
