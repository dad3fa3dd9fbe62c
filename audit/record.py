"""Facts become events: chained, numbered, and written in one go.

The caller holds the trails' rows locked (it read their heads `FOR NO KEY UPDATE`), which makes
the chain of a trail grow by one writer at a time without any lock of its own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from audit.chain import Fact, Head, canonical, digest
from audit.kinds import KINDS
from audit.models import AuditEvent, AuditTrail, Outbox
from audit.sets import array, fetch, insert, update
from core.ids import derived, named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    Heads = dict[UUID, Head]

__all__ = ["Fact", "begin", "heads", "record"]


def begin(trails: Sequence[tuple[UUID, UUID, str]], *, now: datetime) -> Heads:
    """Start trails, given as (id, company id, subject); returns their empty heads."""
    insert(
        AuditTrail._meta.db_table,
        {
            "id": "uuid",
            "company_id": "uuid",
            "subject": "text",
            "began_at": "timestamptz",
            "head_seq": "bigint",
            "head_hash": "bytea",
        },
        [(trail, company, subject, now, 0, b"") for trail, company, subject in trails],
    )
    return {trail: Head(0, b"") for trail, _, _ in trails}


def heads(trails: Collection[UUID]) -> Heads:
    """Lock the trails, in the order of their ids, and return where each stands."""
    wanted = sorted(trails)
    rows = fetch(
        "SELECT w.place, t.head_seq, t.head_hash"
        " FROM unnest(%s::uuid[]) WITH ORDINALITY AS w (id, place)"
        f' JOIN "{AuditTrail._meta.db_table}" t ON t.id = w.id'
        " ORDER BY t.id FOR NO KEY UPDATE OF t",
        [array("uuid", wanted)],
    )
    return {wanted[place - 1]: Head(seq, bytes(head)) for place, seq, head in rows}


def record(
    facts: Iterable[Fact],
    *,
    heads: Heads,
    now: datetime,
    listeners: Collection[UUID] = (),
) -> None:
    """Write the facts, in their order, and move the heads (the given ones are brought forward).

    `listeners` are the companies that want to hear of it; only they cost a row in the outbox.
    Raises KeyError for a kind that is not on the list, or a trail that is not locked.
    """
    events, messages = [], []
    touched: dict[UUID, Head] = {}
    for fact in facts:
        _ = KINDS[fact.kind]
        row = event_of(fact, after=heads[fact.trail_id], at=now)
        events.append(row)
        event_id, seq, hashed = row[0], row[1], row[4]
        heads[fact.trail_id] = touched[fact.trail_id] = Head(seq, hashed)
        if fact.company_id in listeners:
            messages.append(_message(event_id, fact, seq=seq, now=now))
    insert(EVENT, EVENT_COLUMNS, events)
    update(
        AuditTrail._meta.db_table,
        {"id": "uuid", "head_seq": "bigint", "head_hash": "bytea"},
        [(trail, head.seq, head.hash) for trail, head in touched.items()],
        key="id",
    )
    insert(Outbox._meta.db_table, OUTBOX_COLUMNS, messages)


def event_of(fact: Fact, *, after: Head, at: datetime) -> tuple[Any, ...]:
    """Return the row of the event that follows a head, in the order of EVENT_COLUMNS."""
    seq, body = after.seq + 1, canonical(fact.body)
    hashed = digest(prev=after.hash, seq=seq, at=at, fact=fact, body=body)
    return (
        named(at=at, digest=hashed),
        seq,
        body,
        after.hash,
        hashed,
        at,
        fact.company_id,
        fact.trail_id,
        fact.kind,
        fact.feed_id,
        fact.transaction_id,
        fact.amount,
        fact.moved,
        fact.currency,
        fact.actor,
        fact.dedupe,
    )


def by_feed(feeds: Collection[UUID]) -> dict[UUID, list[AuditEvent]]:
    """Return the events of each feed, oldest first."""
    found: dict[UUID, list[AuditEvent]] = defaultdict(list)
    for event in AuditEvent.objects.filter(feed_id__in=feeds).order_by("trail_id", "seq"):
        if event.feed_id is not None:
            found[event.feed_id].append(event)
    return found


def _message(event_id: UUID, fact: Fact, *, seq: int, now: datetime) -> tuple[Any, ...]:
    body = {"event": str(event_id), "trail": str(fact.trail_id), "seq": seq, "kind": fact.kind}
    return (
        derived(at=now, parts=("outbox", str(fact.trail_id), seq)),
        fact.company_id,
        fact.kind,
        canonical(body),
        f"{fact.trail_id}/{seq}",
        now,
        0,
    )


EVENT = AuditEvent._meta.db_table
EVENT_COLUMNS = {
    "id": "uuid",
    "seq": "bigint",
    "body": "jsonb",
    "prev": "bytea",
    "hash": "bytea",
    "at": "timestamptz",
    "company_id": "uuid",
    "trail_id": "uuid",
    "kind": "text",
    "feed_id": "uuid",
    "transaction_id": "uuid",
    "amount": "bigint",
    "moved": "bigint",
    "currency": "text",
    "actor": "text",
    "dedupe": "text",
}
OUTBOX_COLUMNS = {
    "id": "uuid",
    "company_id": "uuid",
    "topic": "text",
    "body": "jsonb",
    "dedupe": "text",
    "next_try_at": "timestamptz",
    "tries": "integer",
}
