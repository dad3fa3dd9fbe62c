"""Checkpoints: what the trails of a company had come to, signed with a key outside the database.

A chain shows that an event was changed. It does not show that its end was cut off, or that all of
it was written anew. So once an hour the heads that have moved are put under a Merkle root (as in
RFC 6962), the root is signed together with the digest of the checkpoint before, and what was signed
goes to the log. Whoever keeps one of these lines can prove what the trails were at that hour.

Only heads that moved since the checkpoint before are written, so that a million idle trails cost
one look and no rows.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction

from audit.chain import EPOCH, MICROSECOND, canonical
from audit.models import AuditEvent, AuditTrail, Checkpoint, CheckpointHead
from audit.sets import array, execute, fetch, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    Head = tuple[UUID, int, bytes]

logger = logging.getLogger(__name__)

TRAIL = f'"{AuditTrail._meta.db_table}"'
EVENT = f'"{AuditEvent._meta.db_table}"'
HEAD = f'"{CheckpointHead._meta.db_table}"'
CHECKPOINT = f'"{Checkpoint._meta.db_table}"'

HOUR_SECONDS = 3600
HEADS_AT_ONCE = 100_000  # A job has a minute; what is left over is covered by the next one.
BUDGET_SECONDS = 20.0
STATEMENT_SECONDS = 55  # Longer than others may: it looks at every trail, and nobody waits for it.
HEADS_A_PAGE = 5_000
LOCK = 0x42494C43  # "BILC", as the number of an advisory lock: one takes them at a time.
PURPOSE = b"billy/checkpoint/1|"  # One secret serves several ends, each with a key of its own.
LEAF, NODE = b"\x00", b"\x01"  # So that no node can pass for a leaf.


def take(
    *, now: datetime, older_than_seconds: float = 0, heads_at_once: int = HEADS_AT_ONCE
) -> list[Checkpoint]:
    """Take a checkpoint of each company whose trails moved; returns them, none where none did.

    With `older_than_seconds`, only of companies whose last one is older than that by `now`. The
    first ones of a large installation come in several steps, and perhaps in several calls.
    """
    ends = time.monotonic() + BUDGET_SECONDS
    taken: list[Checkpoint] = []
    companies = _companies(now=now, older_than_seconds=older_than_seconds)
    while companies:
        some = _take(companies, now=now, limit=heads_at_once)
        taken += some
        if sum(each.heads for each in some) < heads_at_once or time.monotonic() > ends:
            break
    for each in taken:
        logger.info("checkpoint %s", canonical(told(each)))
    return taken


def problems() -> Iterator[str]:
    """Yield what is wrong: numbers, order, signatures, roots, and heads below their checkpoint."""
    keys = {public(key): key.public_key() for key in _keys()}
    before: Checkpoint | None = None
    for each in Checkpoint.objects.order_by("company_id", "number").iterator(HEADS_A_PAGE):
        if before is not None and before.company_id != each.company_id:
            before = None
        name = f"checkpoint {each.number} of company {each.company_id}"
        yield from (f"{name} {why}" for why in _out_of_order(each, before))
        try:
            keys[each.signer].verify(bytes(each.signature), _content(each))
        except KeyError:
            yield f"{name} is signed by no key of BILLY_ENCRYPTION_KEYS"
        except InvalidSignature:
            yield f"{name} was changed after it was signed"
        yield from (f"{name} {why}" for why in _uncovered(each))
        before = each
    yield from _set_back()


def missing(kept: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which checkpoints, kept elsewhere as `told` tells them, the database does not have."""
    for each in kept:
        there = Checkpoint.objects.filter(company_id=each["company"], number=each["number"]).first()
        name = f"checkpoint {each['number']} of company {each['company']}"
        if there is None:
            yield f"{name} is not in the database: its history was set back"
        elif told(there) != dict(each):
            yield f"{name} is another one in the database: its history was replaced"


def told(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint as it is logged and handed out: what was signed, by whom, and how."""
    return _signed(checkpoint) | {
        "signature": bytes(checkpoint.signature).hex(),
        "signer": checkpoint.signer,
    }


def public(key: Ed25519PrivateKey) -> str:
    """Return the public key in hexadecimal: what others need to check a signature."""
    return key.public_key().public_bytes_raw().hex()


def merkle(leaves: Iterable[bytes]) -> bytes:
    """Return the Merkle root of RFC 6962 over leaves, holding one node for each level only."""
    stack: list[tuple[int, bytes]] = []  # Whole trees from the left, each smaller than the last.
    for leaf in leaves:
        size, node = 1, hashlib.sha256(LEAF + leaf).digest()
        while stack and stack[-1][0] == size:
            size, node = size * 2, hashlib.sha256(NODE + stack.pop()[1] + node).digest()
        stack.append((size, node))
    if not stack:
        return hashlib.sha256(b"").digest()
    _, root = stack.pop()
    while stack:
        root = hashlib.sha256(NODE + stack.pop()[1] + root).digest()
    return root


def leaf(head: Head) -> bytes:
    """Return what stands for a trail: its id, the number of its events, the hash of the last."""
    trail, seq, hashed = head
    return trail.bytes + seq.to_bytes(8, "big") + hashed


def _keys() -> list[Ed25519PrivateKey]:
    """Return the signing keys, the one in use first; each is derived from an encryption key."""
    return [
        Ed25519PrivateKey.from_private_bytes(hashlib.sha256(PURPOSE + secret.encode()).digest())
        for secret in settings.BILLY_ENCRYPTION_KEYS
    ]


def _companies(*, now: datetime, older_than_seconds: float) -> list[UUID]:
    rows = fetch(
        f"SELECT t.id FROM {TRAIL} t WHERE t.subject = 'company' AND NOT EXISTS (SELECT 1"
        f" FROM {CHECKPOINT} c WHERE c.company_id = t.id"
        " AND c.at > %s - make_interval(secs => %s)) ORDER BY t.id",
        [now, older_than_seconds],
    )
    return [row[0] for row in rows]


def _take(companies: Sequence[UUID], *, now: datetime, limit: int) -> list[Checkpoint]:
    """Cover heads that moved, at most so many at once, and sign what they come to."""
    with transaction.atomic(durable=True):
        if not fetch("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])[0][0]:
            return []  # Somebody is at it.
        execute(f"SET LOCAL statement_timeout = {STATEMENT_SECONDS * 1000}")
        ids = _ids(len(companies))
        given = table_of(COMPANY_COLUMNS, list(zip(companies, ids, strict=True)))
        execute(
            f"INSERT INTO {HEAD} (checkpoint_id, trail_id, seq)"
            f" SELECT v.id, t.id, t.head_seq FROM {TRAIL} t"
            f" JOIN {given.sql} ON v.company_id = t.company_id"
            f" WHERE t.head_seq > 0 AND NOT EXISTS (SELECT 1 FROM {HEAD} h"
            " WHERE h.trail_id = t.id AND h.seq = t.head_seq) LIMIT %s",
            [*given.parameters, limit],
        )
        covered = {
            identity
            for (identity,) in fetch(
                f"SELECT DISTINCT checkpoint_id FROM {HEAD}"
                " WHERE checkpoint_id = ANY(%s::bigint[])",
                [array("bigint", ids)],
            )
        }
        key = _keys()[0]
        made = [
            _made(identity, company, key=key, now=now)
            for company, identity in zip(companies, ids, strict=True)
            if identity in covered
        ]
        Checkpoint.objects.bulk_create(made)
    return made


def _ids(count: int) -> list[int]:
    rows = fetch(
        "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
        [Checkpoint._meta.db_table, count],
    )
    return [row[0] for row in rows]


def _made(identity: int, company: UUID, *, key: Ed25519PrivateKey, now: datetime) -> Checkpoint:
    before = Checkpoint.objects.filter(company_id=company).order_by("-number").first()
    count, root = _counted(identity)
    made = Checkpoint(
        pk=identity,
        company_id=company,
        number=before.number + 1 if before else 1,
        at=max(now, before.at) if before else now,
        previous=_digest(before) if before else b"",
        heads=count,
        root=root,
        signer=public(key),
    )
    made.signature = key.sign(_content(made))
    return made


def _counted(identity: int) -> tuple[int, bytes]:
    """Return how many heads a checkpoint covers, and their root."""
    count = 0

    def leaves() -> Iterator[bytes]:
        nonlocal count
        for head in _heads(identity):
            count += 1
            yield leaf(head)

    root = merkle(leaves())
    return count, root


def _heads(identity: int) -> Iterator[Head]:
    """Yield the heads that a checkpoint covers as the events tell them now, in their order.

    One statement through a cursor of the server's: page by page, a planner that has no statistics
    of rows just written would sort all of them for each page.
    """
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"SELECT h.trail_id, h.seq, e.hash FROM {HEAD} h LEFT JOIN {EVENT} e"
            " ON e.trail_id = h.trail_id AND e.seq = h.seq"
            " WHERE h.checkpoint_id = %s ORDER BY h.trail_id",
            [identity],
        )
        while rows := cursor.fetchmany(HEADS_A_PAGE):
            for trail, seq, hashed in rows:
                yield trail, seq, bytes(hashed or b"")


def _signed(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "at": (checkpoint.at - EPOCH) // MICROSECOND,
        "company": str(checkpoint.company_id),
        "heads": checkpoint.heads,
        "number": checkpoint.number,
        "previous": bytes(checkpoint.previous).hex(),
        "root": bytes(checkpoint.root).hex(),
    }


def _content(checkpoint: Checkpoint) -> bytes:
    return canonical(_signed(checkpoint)).encode()


def _digest(checkpoint: Checkpoint) -> bytes:
    return hashlib.sha256(_content(checkpoint)).digest()


def _out_of_order(each: Checkpoint, before: Checkpoint | None) -> Iterator[str]:
    if each.number != (before.number + 1 if before else 1):
        yield f"follows {before.number if before else 'none'}: some are missing"
    elif bytes(each.previous) != (_digest(before) if before else b""):
        yield "is not chained to the one before"
    if before is not None and each.at < before.at:
        yield "is older than the one before"


def _uncovered(each: Checkpoint) -> Iterator[str]:
    count, root = _counted(each.pk)
    if count != each.heads:
        yield f"covers {each.heads} heads, and {count} are there"
    elif root != bytes(each.root):
        yield "has another root than its events come to: history was written anew"


def _set_back() -> Iterator[str]:
    """Yield trails that are shorter than a checkpoint says, or gone, or of another company."""
    rows = fetch(
        f"SELECT h.trail_id, h.seq, t.head_seq, c.number FROM {HEAD} h"
        f" LEFT JOIN {CHECKPOINT} c ON c.id = h.checkpoint_id"
        f" LEFT JOIN {TRAIL} t ON t.id = h.trail_id AND t.company_id = c.company_id"
        " WHERE t.id IS NULL OR t.head_seq < h.seq ORDER BY h.trail_id, h.seq"
    )
    for trail, seq, head_seq, number in rows:
        there = "is not there" if head_seq is None else f"has {head_seq} events"
        yield f"trail {trail} {there}, and checkpoint {number} says {seq}"


COMPANY_COLUMNS = {"company_id": "uuid", "id": "bigint"}
