"""Whether every trail is still what was written: the chains, computed anew from the rows.

Nothing is locked and little is held: trails are read in groups and their events page by page, so
that it may run beside a busy worker. The heads of a group are read before its events, and an event
is written together with its head, so a trail that grows meanwhile raises no false alarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from audit import checkpoints, rehash
from audit.findings import Check, Finding, Scope, asked
from audit.kinds import KINDS
from audit.models import AuditTrail, Outbox
from audit.rehash import COLUMNS, EVENT, TRAIL, digest_of
from audit.sets import array, fetch
from core.currencies import EXPONENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

TRAILS_AT_ONCE = 500
EVENTS_AT_ONCE = 2_000  # About 2 MB of rows: enough to be fast, too little to be felt.


class Broken(NamedTuple):
    """A place where a trail is not what was written: the trail, the event's number, and why."""

    trail: UUID
    seq: int
    why: str


def broken(
    *,
    trails_at_once: int = TRAILS_AT_ONCE,
    events_at_once: int = EVENTS_AT_ONCE,
    step: Callable[[int], None] = lambda _rows: None,
) -> Iterator[Broken]:
    """Yield every fault of every trail, in the order of the trails; nothing where all is well.

    A fault is an event that is missing, that was changed, that is not chained to the one before,
    or that lies beyond the head of its trail; and a head that is not the last event's. `step` is
    told how many events were read.
    """
    after: UUID | None = None
    while True:
        trails = _trails(after, limit=trails_at_once)
        if not trails:
            return
        yield from _broken(trails, events_at_once=events_at_once)
        step(sum(seq for _, seq, _ in trails))
        after = trails[-1][0]


def _broken(trails: Sequence[Head], *, events_at_once: int) -> Iterator[Broken]:
    """Walk through the events of these trails, which come in the order of the trails."""
    rows = _events(trails, limit=events_at_once)
    row = next(rows, None)
    for trail, head_seq, head_hash in trails:
        seq, last = 0, b""
        while row is not None and row["trail_id"] == trail:
            yield from _faults(row, after_seq=seq, after_hash=last)
            seq, last = row["seq"], bytes(row["hash"])
            row = next(rows, None)
        if (seq, last) != (head_seq, head_hash):
            why = f"the head says {head_seq} events, and the last one that is there does not fit it"
            yield Broken(trail, head_seq, why)
    for trail, seq in _beyond([trail for trail, _, _ in trails]):
        yield Broken(trail, seq, "lies beyond the head of its trail")


def _faults(row: Row, *, after_seq: int, after_hash: bytes) -> Iterator[Broken]:
    """Yield what is wrong with one event, given the one that stands before it."""
    trail, seq = row["trail_id"], row["seq"]
    if seq != after_seq + 1:
        yield Broken(trail, seq, f"events {after_seq + 1} to {seq - 1} are missing before it")
    elif bytes(row["prev"]) != after_hash:
        yield Broken(trail, seq, "is not chained to the event before it")
    if bytes(row["hash"]) != digest_of(row):
        yield Broken(trail, seq, "was changed after it was written")


def _trails(after: UUID | None, *, limit: int) -> list[Head]:
    found = AuditTrail.objects.order_by("pk").values_list("pk", "head_seq", "head_hash")
    if after is not None:
        found = found.filter(pk__gt=after)
    return [(trail, seq, bytes(hashed)) for trail, seq, hashed in found[:limit]]


def _events(trails: Sequence[Head], *, limit: int) -> Iterator[Row]:
    """Yield the events up to the heads, in the order of trail and number, page by page.

    A page is a range of the index. What was written after the heads were read, be it further
    events or whole trails among these, is passed over: it had no part in what is being compared.
    """
    heads = {trail: seq for trail, seq, _ in trails}
    place: list[Any] = [trails[0][0], 0]
    while True:
        rows = fetch(
            f"SELECT {', '.join(COLUMNS)} FROM {EVENT}"
            " WHERE (trail_id, seq) > (%s, %s) AND trail_id <= %s"
            " ORDER BY trail_id, seq LIMIT %s",
            [*place, trails[-1][0], limit],
        )
        for values in rows:
            row = dict(zip(COLUMNS, values, strict=True))
            if row["seq"] <= heads.get(row["trail_id"], 0):
                yield row
        if len(rows) < limit:
            return
        place = list(rows[-1][:2])


def _beyond(trails: Sequence[UUID]) -> list[tuple[UUID, int]]:
    """Return events beyond their heads; one statement sees both as they were at one instant."""
    return [
        (trail, seq)
        for trail, seq in fetch(
            f"SELECT t.id, e.seq FROM {TRAIL} t JOIN {EVENT} e"
            " ON e.trail_id = t.id AND e.seq > t.head_seq"
            " WHERE t.id = ANY(%s::uuid[]) ORDER BY t.id, e.seq",
            [array("uuid", trails)],
        )
    ]


if TYPE_CHECKING:
    Head = tuple[UUID, int, bytes]
    from audit.rehash import Row

OUTBOX = f'"{Outbox._meta.db_table}"'

HEADS = f"""
SELECT t.subject, t.id, 'the head is not the hash of event ' || t.head_seq
  FROM {TRAIL} t LEFT JOIN {EVENT} e ON e.trail_id = t.id AND e.seq = t.head_seq
 WHERE coalesce(e.hash, ''::bytea) <> t.head_hash
"""

# Every event belongs to a trail of the same company; its columns are words and units we know.
UNKNOWN_WORDS = f"""
SELECT 'event', e.id, CASE WHEN e.kind <> ALL ('{array("text", KINDS)}'::text[])
       THEN 'no fact is called ' || e.kind ELSE 'no currency is called ' || e.currency END
  FROM {EVENT} e WHERE e.kind <> ALL ('{array("text", KINDS)}'::text[])
    OR e.currency <> ALL ('{array("text", EXPONENTS)}'::text[])
"""

# A message tells of one event. All events of an invoice that were written at once are told, or
# none: a company listens, or it does not.
MESSAGES = f"""
SELECT 'outbox', o.dedupe, 'tells of no event, or not what the event says'
  FROM {OUTBOX} o LEFT JOIN {EVENT} e
    ON e.trail_id = (o.body ->> 'trail')::uuid AND e.seq = (o.body ->> 'seq')::bigint
 WHERE e.id IS NULL OR o.topic <> e.kind OR o.company_id <> e.company_id
    OR o.dedupe <> e.trail_id || '/' || e.seq OR o.body ->> 'event' <> e.id::text
UNION ALL
SELECT DISTINCT 'event', e.id::text, 'was not told, and another one of the same moment was'
  FROM {OUTBOX} o JOIN {EVENT} told
    ON told.trail_id = (o.body ->> 'trail')::uuid AND told.seq = (o.body ->> 'seq')::bigint
  JOIN {EVENT} e ON e.feed_id = told.feed_id AND e.at = told.at
 WHERE NOT EXISTS (SELECT 1 FROM {OUTBOX} p WHERE p.dedupe = e.trail_id || '/' || e.seq)
"""


def signed(_: Scope) -> Iterator[Finding]:
    """Yield what is wrong with the checkpoints: their order, signatures, roots and heads."""
    for problem in checkpoints.problems():
        yield Finding("", problem)


CHECKS = (
    Check(id="I9", title="heads are the last events' hashes", depth="fast", find=asked(HEADS)),
    Check(id="I9", title="every chain, computed anew", depth="full", find=rehash.chains),
    Check(id="I11", title="checkpoints, computed anew", depth="full", find=signed),
    Check(id="I12", title="events' words and units", depth="full", find=asked(UNKNOWN_WORDS)),
    Check(id="I18", title="messages tell of events", depth="full", find=asked(MESSAGES)),
)
