"""Text that others wrote, made fit to be kept: reasons of processors, errors of merchants' code.

It is not refused, since it tells people what went wrong; but a database, a log and the rules about
card numbers must not break on it.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from core.cards import contains_card_number

REASON_LIMIT: Final = 500  # Characters. Whoever needs more looks where the text came from.

_LEFT_OUT: Final = "(left out: it may hold the number of a payment card)"
_BREAKS: Final = frozenset({"Cc", "Zl", "Zp"})  # Control characters, and breaks of lines.
_SURROGATES: Final = "Cs"


def kept(text: str, *, limit: int = REASON_LIMIT) -> str:
    """Return the text as one line of at most `limit` characters, without card numbers.

    Control characters become blanks, and halves of surrogate pairs the sign for broken text.
    """
    if not text:
        return text
    plain = text if text.isascii() and text.isprintable() else "".join(map(_plain, text))
    return _LEFT_OUT if contains_card_number(plain) else plain[:limit].strip()


def told(error: BaseException, *, limit: int = REASON_LIMIT) -> str:
    """Return the kind of an error and its own words, even if it cannot say them."""
    kind = type(error).__name__
    try:
        words = str(error)
    except Exception:  # noqa: BLE001  # An error of foreign code may be broken itself.
        words = ""
    return kept(f"{kind}: {words}" if words else kind, limit=limit)


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category in _BREAKS:
        return " "
    return "\ufffd" if category == _SURROGATES else character
