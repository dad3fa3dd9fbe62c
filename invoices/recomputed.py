"""Names and fingerprints, made again by the functions that made them and compared with the rows.

A rewound database must ask the processor the same thing under the same key: that is only so while
every id, key and fingerprint in the tables is what today's code derives.
"""

from __future__ import annotations

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

# What an attempt's names are made of; the rest of what is known of it is left out.
NAMING = {
    "transaction_id": "a.id",
    "company_id": "a.company_id",
    "trail_id": "f.trail_id",
    "feed_id": "a.feed_id",
    "occurrence": "f.occurrence",
    "kind": "a.kind",
    "attempt": "a.attempt",
    "amount": "a.amount",
    "currency": "a.currency",
    "key": "a.key",
    "target_uri": HELD_COLUMNS["target_uri"],
    "statement_text": "a.statement_text",
}
STATEMENT = (
    f"SELECT {', '.join(NAMING.values())}, f.terms ->> 'description',"
    f" CASE WHEN f.kind = 'period' AND a.attempt = 1 THEN f.due_at END, a.request_hash"
    f" FROM {TRANSACTION} a JOIN {FEED} f ON f.id = a.feed_id"
    f" LEFT JOIN {INSTRUMENT} i ON i.id = a.instrument_id"
    f" LEFT JOIN {TRANSACTION} r ON r.id = a.reference_to_id"
)


def requests(scope: Scope) -> Iterator[Finding]:
    """Yield attempts, and the invoices that they are for, whose names are not what they must be."""
    ((current,),) = fetch(f'SELECT instance_id FROM "{Installation._meta.db_table}"') or ((None,),)
    if current is not None and str(current) != instance_id():
        yield Finding("installation", "has another id than the one that this process began with")
    for rows in pages(STATEMENT, step=scope.step):
        for *row, description, due_at, request_hash in rows:
            held = Held(
                **dict(zip(NAMING, row, strict=True)),
                **UNNAMED,
                terms={"description": description or ""},
            )
            if why := _wrong(held, request_hash):
                yield Finding(shown("transaction", held.transaction_id), why)
            if due_at is not None and not _is_named(held, due_at):
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


# What has no part in the names.
UNNAMED: dict[str, Any] = {
    "direction": "",
    "customer_id": None,
    "step": None,
    "state": "",
    "lease_token": None,
    "instrument_id": None,
    "instrument_kind": "",
    "opened_at": None,
    "processor_account": "",
}
