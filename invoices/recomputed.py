"""Names and fingerprints, made again by the functions that made them and compared with the rows.

A rewound database must ask the processor the same thing under the same key: that is only so while
every id, key and fingerprint in the tables is what today's code derives.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from accounts.models import Installation
from audit.findings import Finding, Scope, shown
from audit.sets import fetch
from audit.stream import pages
from invoices.attempts import Held
from invoices.naming import charge_key, feed_id, give_back_key, instance_id, transaction_id
from invoices.payments import FEED, HELD_COLUMNS, INSTRUMENT, TRANSACTION

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = {**HELD_COLUMNS, "feed_due_at": "f.due_at", "feed_kind": "f.kind"}
STATEMENT = (
    f"SELECT {', '.join(COLUMNS.values())}, a.request_hash FROM {TRANSACTION} a"
    f" JOIN {FEED} f ON f.id = a.feed_id LEFT JOIN {INSTRUMENT} i ON i.id = a.instrument_id"
    f" LEFT JOIN {TRANSACTION} r ON r.id = a.reference_to_id"
)


def requests(scope: Scope) -> Iterator[Finding]:
    """Yield attempts, and the invoices that they are for, whose names are not what they must be."""
    ((current,),) = fetch(f'SELECT instance_id FROM "{Installation._meta.db_table}"') or ((None,),)
    if current is not None and str(current) != instance_id():
        yield Finding("installation", "has another id than the one that this process began with")
    for rows in pages(STATEMENT, step=scope.step):
        for *row, request_hash in rows:
            values = dict(zip(COLUMNS, row, strict=True))
            due_at, kind = values.pop("feed_due_at"), values.pop("feed_kind")
            values["terms"] = json.loads(values["terms"])
            held = Held(**values)
            why = _wrong(held, request_hash)
            if why:
                yield Finding(shown("transaction", held.transaction_id), why)
            if kind == "period" and held.attempt == 1 and not _is_named(held, due_at):
                yield Finding(shown("feed", held.feed_id), "its id is not the one derived for it")


def _wrong(held: Held, request_hash: str) -> str:
    """Return which of an attempt's names is not what its invoice and number make it."""
    identity = transaction_id(feed=held.feed_id, kind=held.kind, attempt=held.attempt)
    if identity != held.transaction_id:
        return "its id is not the one derived for it"
    if held.key != _key(held):
        return "its key is not the one derived for it"
    if request_hash != held.request_hash:
        return "its fingerprint is not that of what is asked for"
    return ""


def _key(held: Held) -> str:
    if held.kind in {"refund", "reversal"}:
        return give_back_key(company=held.company_id, request=held.transaction_id, kind=held.kind)
    return charge_key(
        company=held.company_id,
        trail=held.trail_id,
        feed=held.feed_id,
        occurrence=held.occurrence,
        attempt=held.attempt,
    )


def _is_named(held: Held, due_at: Any) -> bool:
    if held.occurrence is None:
        return False
    named = feed_id(trail=held.trail_id, due_at=due_at, occurrence=held.occurrence)
    return named == held.feed_id
