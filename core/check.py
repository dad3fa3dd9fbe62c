"""Checks of single values, for doors and verbs: each returns the value or raises Invalid.

    amount = check.whole("amount", amount, minimum=1, maximum=LARGEST_AMOUNT)

The first argument is the field as the caller knows it. Nothing is converted: text that looks
like a number is no number.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, TypeVar

from core.cards import contains_card_number
from core.currencies import EXPONENTS
from core.invalid import CardNumber, Invalid
from core.walltime import zone_named

if TYPE_CHECKING:
    from collections.abc import Collection

STATEMENT_LIMIT: Final = 18  # What is left of a card statement's line behind the processor's name.

# What the processor takes; neither slash, comma and asterisk nor anything beyond ASCII.
_STATEMENT: Final = re.compile(r"[A-Za-z0-9 .<>(){}\[\]+&!$;%_?:#@~='\"^\\|`-]*")

# Control characters and lone halves of a surrogate pair: databases and logs break on them.
_FORBIDDEN: Final = frozenset({"Cc", "Cs"})

_Choice = TypeVar("_Choice", bound=str)


def whole(field: str, value: object, *, minimum: int, maximum: int) -> int:
    """Return an int within both bounds; a bool, a float and text are none. Raises Invalid."""
    if type(value) is not int or not minimum <= value <= maximum:
        unit = "minor units " if field == "amount" else ""
        of = "of " if unit else ""
        raise Invalid({field: f"must be a whole number {of}{unit}from {minimum} to {maximum}"})
    return value


def currency(field: str, value: object) -> str:
    """Return the ISO 4217 code of a currency, in capitals; raises Invalid."""
    if not isinstance(value, str) or value not in EXPONENTS:
        raise Invalid({field: "must be an ISO 4217 code in capitals, such as USD"})
    return value


def zone(field: str, value: object) -> str:
    """Return the name of an IANA time zone; raises Invalid."""
    if not isinstance(value, str):
        raise Invalid({field: "must be the name of an IANA time zone"})
    try:
        zone_named(value)
    except Invalid as problem:
        raise problem.renamed(field) from None
    return value


def text(field: str, value: object, *, limit: int, is_required: bool = False) -> str:
    """Return text of one line and at most `limit` characters; empty only where not required.

    Raises Invalid for control characters (a line feed too), NUL and lone surrogates, and
    CardNumber where it may hold the number of a payment card.
    """
    if not isinstance(value, str) or len(value) > limit:
        raise Invalid({field: f"must be text of at most {limit} characters"})
    if is_required and not value.strip():
        raise Invalid({field: "must not be empty"})
    if any(unicodedata.category(character) in _FORBIDDEN for character in value):
        raise Invalid({field: "must not hold control characters or broken Unicode"})
    if contains_card_number(value):
        raise CardNumber({field: "must not hold the number of a payment card"})
    return value


def statement_text(field: str, value: object) -> str:
    """Return what may appear on a card statement: at most 18 of certain ASCII characters.

    Empty text means that nothing is said. Raises Invalid.
    """
    checked = text(field, value, limit=STATEMENT_LIMIT)
    if not _STATEMENT.fullmatch(checked):
        raise Invalid({field: "must be ASCII letters, digits, blanks and signs but / , and *"})
    return checked


def one_of(field: str, value: object, allowed: Collection[_Choice]) -> _Choice:
    """Return the one of `allowed` that equals `value`; raises Invalid naming all of them."""
    if isinstance(value, str):
        for choice in allowed:
            if choice == value:
                return choice
    raise Invalid({field: f"must be one of {', '.join(allowed)}"})
