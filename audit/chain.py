"""How events are chained: pure functions that anyone can repeat without our code.

    hash = sha256(prev + canonical JSON of every other column)

Canonical JSON (RFC 8785): keys sorted, no blanks, UTF-8, whole numbers only. Ids are written as
UUID text, `at` as whole microseconds since 1970 UTC. The first event of a trail has an empty
`prev`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: how many events it has, and the hash of the last."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What an event will say; the chain adds number, hash and time.

    `dedupe` names the fact within its trail: the same fact told twice is refused by the database.
    """

    trail_id: UUID
    company_id: UUID
    kind: str
    currency: str
    dedupe: str
    amount: int = 0
    moved: int | None = None
    feed_id: UUID | None = None
    transaction_id: UUID | None = None
    body: dict[str, Any]
    actor: str = "billy"


def digest(*, prev: bytes, seq: int, at: datetime, fact: Fact) -> bytes:
    """Return the hash of an event: 32 bytes that cover every column before it."""
    return hashlib.sha256(prev + content(seq=seq, at=at, fact=fact)).digest()


def content(*, seq: int, at: datetime, fact: Fact) -> bytes:
    """Return the canonical JSON that is hashed after `prev`."""
    return canonical(
        {
            "actor": fact.actor,
            "amount": fact.amount,
            "at": (at - EPOCH) // MICROSECOND,
            "body": fact.body,
            "company": str(fact.company_id),
            "currency": fact.currency,
            "dedupe": fact.dedupe,
            "feed": fact.feed_id and str(fact.feed_id),
            "kind": fact.kind,
            "moved": fact.moved,
            "seq": seq,
            "trail": str(fact.trail_id),
            "transaction": fact.transaction_id and str(fact.transaction_id),
        }
    ).encode()


def canonical(value: Any) -> str:  # Any JSON value.
    """Return the canonical JSON of a value without fractions.

    Raises ValueError for a fraction: it has no one way to be written.
    """
    _check_whole(value)
    return _ENCODER.encode(value)


def _check_whole(value: object) -> None:
    """Raise ValueError for a fraction at any depth; the encoder has no hook for those."""
    if isinstance(value, float):
        _refuse(value)
    elif isinstance(value, dict):
        for inner in value.values():
            _check_whole(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_whole(inner)


def _refuse(value: object) -> None:
    message = f"{type(value).__name__} has no canonical form"
    raise ValueError(message)


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_refuse
)
