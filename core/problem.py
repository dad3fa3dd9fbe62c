"""The body of an error as the API tells it: the original's two keys, and those of RFC 9457.

{"error_class": "InvalidParameters", "error_message": "amount: must be a whole number",
 "type": "urn:billy:error:InvalidParameters", "title": "Bad Request", "status": 400,
 "detail": "amount: must be a whole number", "instance": "urn:billy:request:4f1c…",
 "request_id": "4f1c…", "errors": [{"pointer": "#/amount", "detail": "must be a whole number"}]}
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE: Final = "application/problem+json"
NOBODY: Final = "-"
WHOLE: Final = "body"
request_name: Final = ContextVar("request", default=NOBODY)  # Of what this thread works on.

_PLACE: Final = re.compile(r"\[(\d+)\]")


def problem(
    status: int,
    kind: str,
    message: str,
    *,
    request_id: str = "",
    errors: Mapping[str, str] | None = None,
    where: str = "pointer",
) -> dict[str, Any]:
    """Return the body of an error. `errors` maps what was sent to what is wrong with it.

    `where` says what they are: `pointer` into the body, `parameter` of the query, or `header`.
    Without a `request_id` it is the name of the request that this thread works on.
    """
    request_id = request_id or request_name.get()
    return {
        "error_class": kind,
        "error_message": message,
        "type": f"urn:billy:error:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "instance": f"urn:billy:request:{request_id}",
        "request_id": request_id,
        "errors": [
            {where: pointer(name) if where == "pointer" else name, "detail": words}
            for name, words in (errors or {}).items()
        ],
    }


def pointer(field: str) -> str:
    """Return the JSON pointer (RFC 6901, as a fragment) of a field such as `items[0].name`.

    The body as a whole is called `body`.
    """
    if field == WHOLE:
        return "#"
    escaped = field.replace("~", "~0").replace("/", "~1")
    return "#/" + _PLACE.sub(r"/\1", escaped).replace(".", "/")
