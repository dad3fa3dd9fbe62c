"""Identifiers: sortable UUIDs, the guids that people see, API keys, and keys of payments.

The functions run several times for each scheduler of a batch, so they do integer arithmetic
with tables that are made once.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import UUID, SafeUUID

from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIXES: Final[Mapping[str, str]] = {
    "company": "CP",
    "customer": "CU",
    "plan": "PL",  # Payouts too: both are offers of one table.
    "scheduler": "SU",  # The API's word for it is subscription.
    "feed": "IV",
    "transaction": "TX",
    "failure": "TF",
    "event": "EV",
    "instrument": "FI",
    "key": "AK",
    "endpoint": "WE",
    "delivery": "WD",
    "usage": "US",
}

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
GUID_DIGITS: Final = 22  # 58 ** 22 is the first power of 58 above 2 ** 128.
SHORTEST_GUID_DIGITS: Final = 21  # Guids of the first Billy were not padded.
API_KEY_DIGITS: Final = 43  # 32 random bytes need 43 or 44; shorter ones are padded.

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_KNOWN: Final = frozenset(PREFIXES.values())

# Two digits at a time halve the divisions; three would need 200,000 entries.
_PAIRS: Final = tuple(high + low for high in ALPHABET for low in ALPHABET)
_VALUES: Final = {pair: value for value, pair in enumerate(_PAIRS)}
_TWO: Final = 58**2
_TEN: Final = 58**10  # Below 2 ** 60: what is left of it is divided as a small integer.

_LOW_62: Final = (1 << 62) - 1
_VARIANT: Final = 0b10 << 62
_VERSION_7: Final = 7 << 76
_VERSION_8: Final = 8 << 76
_new: Final = object.__new__
_set_int: Final = vars(UUID)["int"].__set__  # UUIDs refuse to be set as others are.
_set_safe: Final = vars(UUID)["is_safe"].__set__
_UNKNOWN: Final = SafeUUID.unknown  # To look a member up costs as much as all the rest.


def uuid7(*, now: datetime) -> UUID:
    """Return a new UUID version 7 (RFC 9562) that sorts by `now`, to the microsecond.

    The 12 bits after the milliseconds carry the fraction of the millisecond (RFC 9562, 6.2,
    method 3); 62 bits are random. Raises Invalid for an instant that is naive or before 1970.
    """
    milliseconds, rest = divmod(_microseconds(now), 1000)
    fraction = (rest << 12) // 1000
    return _uuid(milliseconds << 80 | _VERSION_7 | fraction << 64 | _VARIANT | secrets.randbits(62))


def derived(*, at: datetime, parts: tuple[str | int, ...]) -> UUID:
    """Return the UUID version 8 that belongs to `parts` at the instant `at`.

    48 bits are the milliseconds of `at` since 1970, 74 bits come from SHA-256 of the parts, each
    with its length in front so that no two lists of parts read the same. The same arguments give
    the same id on every machine and in every release: a database that was set back makes the same
    ids again. An integer counts as its decimal text. Raises Invalid as `uuid7` does.
    """
    return _named(_microseconds(at) // 1000, _digest(parts))


def derived_beside(other: UUID, parts: tuple[str | int, ...]) -> UUID:
    """Return what `derived` does at the instant of another id, to the millisecond."""
    return _named(other.int >> 80, _digest(parts))


def named(*, at: datetime, digest: bytes) -> UUID:
    """Return the UUID version 8 of an instant and a digest, of which it takes the first 16 bytes.

    Raises Invalid as `uuid7` does.
    """
    return _named(_microseconds(at) // 1000, digest)


def uuid_from(text: str) -> UUID:
    """Return the UUID that PostgreSQL wrote: 32 hexadecimal digits with hyphens between.

    Raises ValueError where it is no number.
    """
    return _uuid(int(text.replace("-", ""), 16))


@lru_cache(maxsize=8192)
def text_of(uuid: UUID) -> str:
    """Return the UUID as text, with hyphens. What a batch names is named several times."""
    return str(uuid)


def lowest(*, at: datetime) -> UUID:
    """Return the id that is not above any that was made at `at` or later."""
    return UUID(int=_microseconds(at) // 1000 << 80)


def guid(prefix: str, uuid: UUID) -> str:
    """Return the guid that people and the API see: the prefix and 22 base-58 characters.

    Raises Invalid for a prefix that is none of PREFIXES.
    """
    if prefix not in _KNOWN:
        raise Invalid(prefix=f"must be one of {', '.join(PREFIXES.values())}")
    rest, low = divmod(uuid.int, _TEN)
    high, middle = divmod(rest, _TEN)
    return prefix + _PAIRS[high] + _ten_digits(middle) + _ten_digits(low)


def parse_guid(text: str, prefix: str, *, field: str = "guid") -> UUID:
    """Return the UUID of a guid; raises Invalid unless it is `prefix` and 21 or 22 digits."""
    digits = text[len(prefix) :].rjust(GUID_DIGITS, ALPHABET[0]) if isinstance(text, str) else ""
    shortest = len(prefix) + SHORTEST_GUID_DIGITS
    if len(digits) == GUID_DIGITS and text.startswith(prefix) and len(text) >= shortest:
        number = _number(digits)
        if number is not None and number < 1 << 128:
            return UUID(int=number)
    raise Invalid({field: f"must be {prefix} and 22 characters of base 58"})


def api_key() -> str:
    """Return a new API key: 32 random bytes as 43 or 44 base-58 characters."""
    number = int.from_bytes(secrets.token_bytes(32), "big")
    digits = ""
    while number:
        number, pair = divmod(number, _TWO)
        digits = _PAIRS[pair] + digits
    return digits.lstrip(ALPHABET[0]).rjust(API_KEY_DIGITS, ALPHABET[0])


def payment_key(
    *,
    instance_id: str,
    company: str,
    subject: str,
    occurrence: int,
    attempt: int,
    kind: str = "",
) -> str:
    """Return the idempotency key of one attempt to move money: `b1-` and 40 base-32 characters.

    `company` and `subject` are guids: the subject is the scheduler, the feed of a one-off invoice,
    or the request for a refund. `kind` tells a refund or reversal from the first movement.
    It is the same on every send and in a restored copy of this installation (`instance_id`), so
    that a processor repeats its answer and not the payment. Raises Invalid when a text holds `|`.
    """
    parts = [instance_id, company, subject, str(occurrence), str(attempt)]
    if kind:
        parts.append(kind)
    text = "billy/1|" + "|".join(parts)
    if text.count("|") != len(parts):
        raise Invalid(payment_key="no part of the key may hold a vertical bar")
    # 25 bytes are 40 characters; the other seven would be cut off again.
    return "b1-" + b32encode(sha256(text.encode()).digest()[:25]).decode()


def _digest(parts: tuple[str | int, ...]) -> bytes:
    text = "".join([f"{len(part)}:{part}" for part in map(str, parts)])
    return sha256(text.encode()).digest()


def _named(milliseconds: int, digest: bytes) -> UUID:
    number = int.from_bytes(digest[:16], "big")
    return _uuid(
        milliseconds << 80 | _VERSION_8 | (number >> 116) << 64 | _VARIANT | number & _LOW_62
    )


def _uuid(number: int) -> UUID:
    """Return UUID(int=number), without its checks of what is known here: a fifth of the time."""
    made = _new(UUID)
    _set_int(made, number)
    _set_safe(made, _UNKNOWN)
    return made


def _microseconds(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise Invalid(instant="must have a time zone")
    # The epoch is in UTC, so an instant of another zone is converted, not read off the wall.
    microseconds = (instant - _EPOCH) // _MICROSECOND
    if microseconds < 0:
        raise Invalid(instant="must not be before 1970")
    return microseconds


def _ten_digits(number: int) -> str:
    number, fifth = divmod(number, _TWO)
    number, fourth = divmod(number, _TWO)
    number, third = divmod(number, _TWO)
    first, second = divmod(number, _TWO)
    return _PAIRS[first] + _PAIRS[second] + _PAIRS[third] + _PAIRS[fourth] + _PAIRS[fifth]


def _number(digits: str) -> int | None:
    number = 0
    for start in range(0, GUID_DIGITS, 2):
        value = _VALUES.get(digits[start : start + 2])
        if value is None:
            return None
        number = number * _TWO + value
    return number
