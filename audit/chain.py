"""How events are chained: pure functions that anyone can repeat without our code.

    hash = sha256(prev + canonical JSON of every other column)

Canonical JSON (RFC 8785): keys sorted, no blanks, UTF-8, whole numbers only. Ids are written as
UUID text, `at` as whole microseconds since 1970 UTC. The first event of a trail has an empty
`prev`.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import TYPE_CHECKING, Any, NoReturn

from core.ids import text_of
from core.light import light

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@light(frozen=True, slots=True)
class Head:
    """Where a chain stands: how many events it has, and the hash of the last."""

    seq: int
    hash: bytes


@light(frozen=True, slots=True, kw_only=True)
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


def digest(*, prev: bytes, seq: int, at: datetime, fact: Fact, body: str | None = None) -> bytes:
    """Return the hash of an event: 32 bytes that cover every column before it.

    `body` is the canonical JSON of the fact's body, where the caller has it already.
    """
    return hashlib.sha256(prev + content(seq=seq, at=at, fact=fact, body=body)).digest()


def content(*, seq: int, at: datetime, fact: Fact, body: str | None = None) -> bytes:
    """Return the canonical JSON that is hashed after `prev`.

    It is put together here rather than by the encoder, since it is made twice for each cycle; a
    test holds the two against each other.
    """
    text, whole = _text, _whole
    told = canonical(fact.body) if body is None else body
    return (
        f'{{"actor":{text(fact.actor)},"amount":{whole(fact.amount)}'
        f',"at":{(at - EPOCH) // MICROSECOND},"body":{told}'
        f',"company":"{text_of(fact.company_id)}","currency":{text(fact.currency)}'
        f',"dedupe":{text(fact.dedupe)},"feed":{_identity(fact.feed_id)},"kind":{text(fact.kind)}'
        f',"moved":{whole(fact.moved)},"seq":{seq},"trail":"{text_of(fact.trail_id)}"'
        f',"transaction":{_identity(fact.transaction_id)}}}'
    ).encode()


def canonical(value: Any) -> str:  # Any JSON value.
    """Return the canonical JSON of a value without fractions.

    It is written here, since the library's encoder takes half as long again for what is as small as
    this; a test holds the two against each other. Raises ValueError for a fraction, which has no
    one way to be written, and TypeError for a name that is no text.
    """
    return _WRITERS.get(type(value), _other)(value)


def _identity(value: UUID | None) -> str:
    return "null" if value is None else f'"{text_of(value)}"'


def _whole(value: int | None) -> str:
    if value is None:
        return "null"
    if type(value) is not int:
        _refuse(value)
    return str(value)


def _object(value: Mapping[str, Any]) -> str:
    told = [f"{_text(name)}:{canonical(value[name])}" for name in sorted(value)]
    return "{" + ",".join(told) + "}"


def _array(value: Sequence[Any]) -> str:
    return "[" + ",".join([canonical(each) for each in value]) + "]"


def _other(value: object) -> str:
    """Write what is a kind of one of the kinds, such as a member of an enumeration."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list | tuple):
        return _array(value)
    return _refuse(value)


def _refuse(value: object) -> NoReturn:
    message = f"{type(value).__name__} has no canonical form"
    raise ValueError(message)


_text = json.encoder.encode_basestring  # A string with its quotes and escapes.
_WRITERS: dict[type, Callable[[Any], str]] = {
    str: _text,
    int: str,
    bool: lambda value: "true" if value else "false",
    NoneType: lambda _: "null",
    dict: _object,
    list: _array,
    tuple: _array,
}
