"""How a line of the log looks: one line for each event, in UTC, without secrets and card numbers.

What others sent may be in it: a line feed would forge a second line, and the address that a
processor calls is a secret.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from billy.web import naming
from core.cards import contains_card_number

CALLBACK = re.compile(r"(/callbacks/)[^/\s\"'?]+")
# Keys of callbacks and of the API look alike: see core.ids.api_key. None else is as long.
KEY = re.compile(r"(?<![0-9A-Za-z])[1-9A-HJ-NP-Za-km-z]{43,44}(?![0-9A-Za-z])")
DIGIT = re.compile(r"\d")
# What a line may say besides its message: which event, attempt or company it is about.
ABOUT = ("company", "event", "attempt")


class WithoutSecrets(logging.Filter):
    """Cut the key out of every callback's address, wherever a line mentions it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the line; none is held back."""
        message = record.getMessage()
        cut = told(message)
        if cut != message:
            record.msg, record.args = cut, ()
        return True


class Line(logging.Formatter):
    """Text: instant, level, who says it, the request's name, and what, its trace included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        parts = [
            _instant(record),
            record.levelname,
            record.name,
            f"[{naming.current()}]:",
            one_line(record.getMessage()),
        ]
        parts += [f"{name}={one_line(value)}" for name, value in _about(record).items()]
        trace = _trace(self, record)
        return " ".join([*parts, one_line(trace)] if trace else parts)


class Json(logging.Formatter):
    """The same as one JSON object, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told_of = {
            "at": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "request": naming.current(),
            "message": told(record.getMessage()),
            **{name: told(value) for name, value in _about(record).items()},
        }
        trace = _trace(self, record)
        return json.dumps(told_of | {"trace": told(trace)} if trace else told_of)


def told(text: str) -> str:
    """Return text as a log may hold it."""
    cut = KEY.sub("…", CALLBACK.sub(r"\1…", text))
    # An address may write the digits, or what is between them, with a percent sign.
    is_card = contains_card_number(cut) or ("%" in cut and contains_card_number(unquote_plus(cut)))
    return DIGIT.sub("#", cut) if is_card else cut


def one_line(text: str) -> str:
    """Return the same with everything escaped that does not print, line feeds first."""
    cut = told(text)
    if cut.isprintable():
        return cut
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut
    )


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _about(record: logging.LogRecord) -> dict[str, str]:
    found: dict[str, Any] = {name: getattr(record, name, None) for name in ABOUT}
    return {name: str(value) for name, value in found.items() if value is not None}


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""
