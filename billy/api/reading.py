"""Read a request's body: strictly, within limits, and before anything else looks at it.

Forms and JSON become the same thing, an object of names and values. A form's values are texts, or
lists of texts where a name comes more than once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from billy.api.problems import Problem
from core.invalid import Invalid
from webhooks.api import LARGEST_BODY, BrokenBody, body_within

if TYPE_CHECKING:
    from django.http import HttpRequest

DEEPEST = 32  # More levels than any resource has.
LONGEST_INTEGER = 19  # Digits: all that a column of 64 bits can hold.
MOST_FIELDS = 1_000
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TOO_LARGE = f"The body may have at most {LARGEST_BODY} bytes."
PLAIN = "The body must come as it is, without a Content-Encoding."
NEITHER = f"The body must be {JSON} or {FORM}, in UTF-8."


def body_of(request: HttpRequest) -> tuple[dict[str, Any], bool]:
    """Return what a body says, and whether it is a form; raises Invalid and Problem (413, 415)."""
    raw = _raw(request)
    if not raw:
        return {}, True
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Problem(415, "UnsupportedMediaType", PLAIN)
    media, charset = request.content_type or "", (request.content_params or {}).get("charset")
    if charset is not None and charset.strip("\"'").lower() not in {"utf-8", "utf8"}:
        raise Problem(415, "UnsupportedMediaType", NEITHER)
    if media == JSON or media.endswith("+json"):
        return _object(raw), False
    if media == FORM:
        return _form(_text(raw)), True
    raise Problem(415, "UnsupportedMediaType", NEITHER)


def query_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the query says; a name that comes twice has a list. Raises Invalid."""
    return _gathered(_pairs(request.META.get("QUERY_STRING", ""), "the query"))


def _gathered(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the values by name: a text, or the list of them where the name comes twice."""
    values: dict[str, Any] = dict(pairs)
    if len(values) < len(pairs):
        several: dict[str, list[str]] = {}
        for name, value in pairs:
            several.setdefault(name, []).append(value)
        values |= {name: some for name, some in several.items() if len(some) > 1}
    return values


def _raw(request: HttpRequest) -> bytes:
    try:
        raw = body_within(request, LARGEST_BODY)
    except BrokenBody:
        raise Invalid(body="ended before its time") from None
    if len(raw) > LARGEST_BODY:
        raise Problem(413, "PayloadTooLarge", TOO_LARGE)
    return raw


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid(body="must be UTF-8") from None


def _form(text: str) -> dict[str, Any]:
    return _gathered(_pairs(text, "body"))


def _pairs(text: str, where: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            text,
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:  # Broken UTF-8, or too many fields.
        told = f"must be at most {MOST_FIELDS} fields, in UTF-8"
        raise Invalid({where: told}) from None


def _object(raw: bytes) -> dict[str, Any]:
    text = _text(raw)
    if _is_deep(text):
        raise Invalid(body=f"must not be nested deeper than {DEEPEST} levels")
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_int=_integer, parse_constant=_constant
        )
    except Invalid:
        raise
    except ValueError:
        raise Invalid(body="must be JSON") from None
    if not isinstance(value, dict):
        raise Invalid(body="must be an object of names and values")
    return value


def _is_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth, is_text, is_escaped = 0, False, False
    for each in text:
        if is_text:
            is_text = is_escaped or each != '"'
            is_escaped = each == "\\" and not is_escaped
        elif each == '"':
            is_text = True
        else:
            depth += (each in "[{") - (each in "]}")
        if depth > DEEPEST:
            return True
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise Invalid(body="must not name a field twice")
    return values


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER + 1:
        raise Invalid(body=f"must hold no whole number of more than {LONGEST_INTEGER} digits")
    return int(digits)


def _constant(name: str) -> Any:
    del name
    raise Invalid(body="must be JSON, which has neither NaN nor Infinity")
