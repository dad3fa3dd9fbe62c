"""Condition (d): every event chained and numbered, every attempt told; hashed by our own code.

The rules are those of `docs/audit.md`, written down once more.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE = 5_000
EVENTS = (
    "SELECT trail_id, seq, prev, hash, actor, amount, at, body, company_id, currency, dedupe,"
    " feed_id, kind, moved, transaction_id FROM billy_audit_auditevent ORDER BY trail_id, seq"
)
HEADS = "SELECT id, head_seq, head_hash FROM billy_audit_audittrail"


def complaints(books, connection):
    """Yield what is wrong with the chains, and attempts whose events do not fit them."""
    yield from chains(connection)
    told = {each.transaction_id: each for each in books.told}
    planned = {(each.feed_id, each.attempt) for each in books.planned}
    for attempt in books.attempts:
        said = told.get(attempt.id)
        if said is None and (attempt.feed_id, attempt.attempt) in planned:
            continue  # Not yet tried: its plan is a fact of the attempt before it.
        if said is None:
            yield f"d: attempt {attempt.id} ({attempt.state}) has no event"
        elif bool(said.succeeded) != (attempt.state in {"succeeded", "returned"}):
            yield f"d: attempt {attempt.id} is {attempt.state}; {said.succeeded} events say success"


def chains(connection):
    """Yield every place where a chain is broken."""
    cursor = connection.cursor()
    cursor.execute(HEADS)
    heads = {trail: (seq, bytes(head)) for trail, seq, head in cursor.fetchall()}
    last = {}
    connection.autocommit = False
    with connection.cursor(name="events") as events:
        events.itersize = PAGE
        events.execute(EVENTS)
        for row in events:
            trail, seq, prev, hashed = row[0], row[1], bytes(row[2]), bytes(row[3])
            before = last.get(trail, (0, b""))
            if (seq, prev) != (before[0] + 1, before[1]):
                yield f"d: event {seq} of {trail} does not follow event {before[0]}"
            if hashlib.sha256(prev + content(row)).digest() != hashed:
                yield f"d: event {seq} of {trail} does not hash to what it says"
            last[trail] = (seq, hashed)
    connection.rollback()
    connection.autocommit = True
    for trail, head in heads.items():
        if last.get(trail, (0, b"")) != head:
            yield f"d: the head of {trail} is not its last event"


def content(row):
    """Return the canonical JSON of an event."""
    trail, seq, _, __, actor, amount, at, body, company, *rest = row
    currency, dedupe, feed, kind, moved, transaction = rest
    told = {
        "actor": actor,
        "amount": amount,
        "at": (at - EPOCH) // timedelta(microseconds=1),
        "body": body,
        "company": str(company),
        "currency": currency,
        "dedupe": dedupe,
        "feed": feed and str(feed),
        "kind": kind,
        "moved": moved,
        "seq": seq,
        "trail": str(trail),
        "transaction": transaction and str(transaction),
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
