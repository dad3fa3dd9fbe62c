"""Finds card numbers in text, so that none is ever kept.

PCI DSS counts a system that stores one in. Billy stores none: whatever text comes in is looked
at here, and refused when it may hold one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

SHORTEST: Final = 13
LONGEST: Final = 19

# Numbers that begin with 1 are 15 digits long (air travel). Without this limit one in ten
# instants written in milliseconds since 1970 would be taken for a card.
_AIR_TRAVEL_LENGTH: Final = 15

# In text of several groups each has so many digits, but the last: dates and times have fewer.
_SHORTEST_GROUP: Final = 3

_GROUP: Final = re.compile(r"[0-9]+")
_BETWEEN: Final = re.compile(r"[\s.-]{1,3}")

# Both may consist of digits alone, and neither is a card number.
_UUID: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])",
)
_DATE: Final = re.compile(r"(?<![0-9A-Za-z-])[0-9]{4}-[01][0-9]-[0-3][0-9](?![0-9-])")

_DASHES: Final = frozenset({"Pd", "Sm"})  # A minus sign stands for a dash as well.


def contains_card_number(text: str) -> bool:
    """Say whether `text` holds 13 to 19 digits that pass the Luhn check and may be a card's.

    The digits may stand in groups with blanks, dashes or dots between, in any script. Digits that
    touch a letter are part of a name (a guid, an idempotency key) and are passed over, as are
    UUIDs and ISO 8601 dates. No card number begins with 0.
    """
    plain = text if text.isascii() else _normalised(text)
    if len(plain) < SHORTEST:
        return False
    plain = _DATE.sub("#", _UUID.sub("#", plain))
    return any(_holds_card(groups) for groups in _runs(plain))


def _normalised(text: str) -> str:
    """Return the text with all digits, blanks and dashes of Unicode as ASCII has them."""
    return "".join(map(_plain, text))


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":  # Invisible: a zero-width space hides nothing.
        return ""
    if category in _DASHES:
        return "-"
    digit = unicodedata.digit(character, None)
    return character if digit is None else str(digit)


def _runs(text: str) -> list[list[str]]:
    """Return the groups of digits that stand together, none of which touches a letter."""
    runs: list[list[str]] = []
    end_of_last = -1
    for match in _GROUP.finditer(text):
        start, end = match.span()
        if text[start - 1 : start].isalpha() or text[end : end + 1].isalpha():
            continue
        if end_of_last >= 0 and _BETWEEN.fullmatch(text, end_of_last, start):
            runs[-1].append(match[0])
        else:
            runs.append([match[0]])
        end_of_last = end
    return runs


def _holds_card(groups: list[str]) -> bool:
    """Look at every row of neighbouring groups that is as long as a card number."""
    for start in range(len(groups)):
        digits = ""
        for end in range(start, len(groups)):
            digits += groups[end]
            if len(digits) > LONGEST:
                break
            if (
                len(digits) >= SHORTEST
                and _is_grouped(groups[start : end + 1])
                and _is_card(digits)
            ):
                return True
    return False


def _is_grouped(groups: list[str]) -> bool:
    """Say whether people group a card number like this: digit by digit, or by three and more."""
    sizes = [len(group) for group in groups]
    return min(sizes[:-1], default=_SHORTEST_GROUP) >= _SHORTEST_GROUP or max(sizes) == 1


def _is_card(digits: str) -> bool:
    if digits[0] == "0":
        return False
    if digits[0] == "1" and len(digits) != _AIR_TRAVEL_LENGTH:
        return False
    return _is_luhn(digits)


def _is_luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
