"""Reading a request's body, whatever form it comes in."""

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from sandbox.errors import Refusal
from sandbox.kinds import BY_PLURAL
from sandbox.wire import Json, Request

FORM = "application/x-www-form-urlencoded"
SEGMENT = re.compile(r"\[([^\[\]]*)\]")
MAXIMUM_DEPTH = 8
MAXIMUM_PAIRS = 1000


def read(request: Request) -> Json:
    """The body: JSON, or a form with brackets. An empty one, or null, is an empty object.

    Only PATCH may carry an array. Raises Refusal `request`.
    """
    if request.method in {"GET", "HEAD", "DELETE"} or not request.body.strip():
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
        return unwrap(_form(request.body))
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refusal("request", "The body is not JSON.") from None
    if body is None:
        return {}
    if request.method == "PATCH" and isinstance(body, list):
        return body
    if not isinstance(body, dict):
        raise Refusal("request", "The body must be an object.")
    return unwrap(body)


def unwrap(body: Mapping[str, Json]) -> Json:
    """The first resource of an enveloped body, or the body itself."""
    for plural in body:
        inner = body[plural]
        if plural in BY_PLURAL and isinstance(inner, list) and inner:
            if isinstance(inner[0], dict):
                return inner[0]
            raise Refusal("request", f"[{plural}] must hold objects.")
    return body


def _form(data: bytes) -> dict[str, Json]:
    try:
        pairs = parse_qsl(
            data.decode("utf-8"), keep_blank_values=True, max_num_fields=MAXIMUM_PAIRS
        )
    except ValueError:
        raise Refusal("request", "The form cannot be read.") from None
    body: dict[str, Json] = {}
    for name, value in pairs:
        first = name.partition("[")[0]
        _store(body, [first, *SEGMENT.findall(name)][:MAXIMUM_DEPTH], value)
    return body


def _store(body: dict[str, Json], path: list[str], value: str) -> None:
    for name in path[:-1]:
        inner = body.setdefault(name, {})
        if not isinstance(inner, dict):
            raise Refusal("request", f"[{name}] is given twice.")
        body = inner
    body[path[-1]] = value
