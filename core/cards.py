"""Finds card numbers in text, so that none is ever kept.

PCI DSS counts a system that stores one in. Billy stores none: whatever text comes in is looked
at here, and refused when it may hold one.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST: Final = 13
LONGEST: Final = 19

# Numbers that begin with 1 are 15 digits long (air travel). Without this limit one in ten
# instants written in milliseconds since 1970 would be taken for a card.
_AIR_TRAVEL_LENGTH: Final = 15

# In text of several groups each has so many digits, but the last: dates and times have fewer.
_SHORTEST_GROUP: Final = 3

_GROUP: Final = re.compile(r"[0-9]+")
_BETWEEN: Final = re.compile(r"[\s.-]{1,3}")
# People who hide a number write anything between its groups. Then the groups must be a card's, or
# every list of numbers would be one.
_ANYTHING: Final = re.compile(r"[\W_]{1,2}|[\s.-]{1,3}")
_FOUR: Final = 4
_DOUBLED: Final = dict(zip("0123456789", (0, 2, 4, 6, 8, 1, 3, 5, 7, 9), strict=True))
_LONGEST_FIRST: Final = 6
_LONGEST_LAST: Final = 7  # Nineteen digits, less three times four.
_FIRST_OF_AMEX: Final = [4, 6]

# Both may consist of digits alone, and neither is a card number.
_UUID: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])",
)
_DATE: Final = re.compile(r"(?<![0-9A-Za-z-])[0-9]{4}-[01][0-9]-[0-3][0-9](?![0-9-])")

_DASHES: Final = frozenset({"Pd", "Sm"})  # A minus sign stands for a dash as well.


def contains_card_number(text: str) -> bool:
    """Say whether `text` holds 13 to 19 digits that pass the Luhn check and may be a card's.

    The digits may be of any script. They may stand in groups with blanks, dashes or dots between,
    and with any one or two signs between if the groups are those of a card. Digits that touch a
    letter are part of a name (a guid, an idempotency key) and are passed over, as are UUIDs and
    ISO 8601 dates. No card number begins with 0.
    """
    plain = text if text.isascii() else _normalised(text)
    if len(plain) < SHORTEST:
        return False
    plain = _DATE.sub("#", _UUID.sub("#", plain))
    return any(_holds_card(groups, _is_grouped) for groups in _runs(plain, _BETWEEN)) or any(
        _holds_card(groups, _is_written) for groups in _runs(plain, _ANYTHING)
    )


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


def _runs(text: str, between: re.Pattern[str]) -> list[list[str]]:
    """Return the groups of digits that stand together, none of which touches a letter."""
    runs: list[list[str]] = []
    end_of_last = -1
    for match in _GROUP.finditer(text):
        start, end = match.span()
        if text[start - 1 : start].isalpha() or text[end : end + 1].isalpha():
            continue
        if end_of_last >= 0 and between.fullmatch(text, end_of_last, start):
            runs[-1].append(match[0])
        else:
            runs.append([match[0]])
        end_of_last = end
    return runs


def _holds_card(groups: list[str], is_grouped: Callable[[list[int]], bool]) -> bool:
    """Look at every row of neighbouring groups that is as long as a card number."""
    sizes = [len(group) for group in groups]
    ends = list(accumulate(sizes, initial=0))
    digits = "".join(groups)
    for start, begins in enumerate(ends[:-1]):
        # As few as may be long enough, then one more each time until it is too long.
        for end in range(
            bisect_left(ends, begins + SHORTEST), bisect_right(ends, begins + LONGEST)
        ):
            if (
                _is_luhn(digits[begins : ends[end]])
                and is_grouped(sizes[start:end])
                and _is_card(digits[begins : ends[end]], first=sizes[start])
            ):
                return True
    return False


def _is_grouped(sizes: list[int]) -> bool:
    """Say whether people group a card number like this: digit by digit, or by three and more."""
    return min(sizes[:-1], default=_SHORTEST_GROUP) >= _SHORTEST_GROUP or max(sizes) == 1


def _is_written(sizes: list[int]) -> bool:
    """Say whether a card shows its number like this: in fours, or as 4-6-5; or digit by digit."""
    if max(sizes) == 1:
        return True
    if sizes[:2] == _FIRST_OF_AMEX:
        return len(sizes) == len(_FIRST_OF_AMEX) + 1
    return set(sizes[:-1]) <= {_FOUR} and (len(sizes) == 1 or sizes[-1] <= _LONGEST_LAST)


def _is_card(digits: str, *, first: int) -> bool:
    """Say whether some network's numbers look so; `first` is the size of the first group."""
    if digits[0] == "1":
        # A long first group with more behind it is an instant with fractions of a second.
        is_written = first <= _LONGEST_FIRST or first == _AIR_TRAVEL_LENGTH
        return len(digits) == _AIR_TRAVEL_LENGTH and is_written
    return digits[0] != "0"


def _is_luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))
    return total % 10 == 0
