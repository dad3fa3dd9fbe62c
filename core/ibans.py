"""Finds international bank account numbers (IBAN, ISO 13616) in text, so that none is ever kept.

Billy knows bank accounts as the processor names them, and by the last digits that people see.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# How long an IBAN is in each country: without it, one in 97 of all such words would be taken for
# one.
_CODES_BY_LENGTH: Final[Mapping[int, str]] = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH CR HR LI LV",
    22: "BG BH DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
LENGTHS: Final[Mapping[str, int]] = {
    code: length for length, codes in _CODES_BY_LENGTH.items() for code in codes.split()
}

# As one word, or in groups of four with blanks between, as it is printed.
_CANDIDATE: Final = re.compile(
    r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,4})?)"
    r"(?![0-9A-Za-z])"
)
_MODULUS: Final = 97
_REMAINDER: Final = 1


def contains_iban(text: str) -> bool:
    """Say whether `text` holds an IBAN: of a country that has them, as long, and with its check."""
    return any(_is_iban(match[0]) for match in _CANDIDATE.finditer(text))


def _is_iban(found: str) -> bool:
    """Look at the whole of it; at the beginning only where it is in groups: words may follow."""
    word = found.replace(" ", "")
    length = LENGTHS.get(word[:2], len(word) + 1)
    fits = length == len(word) or (" " in found and length < len(word))
    return fits and _checks(word[:length])


def _checks(iban: str) -> bool:
    turned = iban[4:] + iban[:4]
    digits = "".join(str(int(character, 36)) for character in turned)
    return int(digits) % _MODULUS == _REMAINDER
