"""A request and an answer, as values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeAlias

Json: TypeAlias = Any  # What JSON holds has no narrower type that a checker could follow.

CONTENT_TYPE = "application/json"  # Exactly so: the original client refuses anything after it.

encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came from the wire. Header names are lower case; `peer` is an address."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back. `body` None sends neither a body nor a content type."""

    status: int
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = CONTENT_TYPE

    def head(self, *, keep_alive: bool) -> bytes:
        """The status line and the headers."""
        lines = [_status_line(self.status), f"Content-Length: {len(self.body or b'')}"]
        if self.body is None and self.status == HTTPStatus.NO_CONTENT:
            lines.pop()  # A 204 has no length.
        if self.body is not None:
            lines.append(f"Content-Type: {self.content_type}")
        lines.extend(f"{name}: {value}" for name, value in self.headers.items())
        if not keep_alive:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer_json(
    value: Json, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """An answer whose body is a value."""
    return Answer(status=status, body=encode(value).encode(), headers=headers or {})


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
