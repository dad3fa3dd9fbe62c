"""Lines to the processors: connections that are used again, and whose answers have a deadline.

They are those of the standard library, kept open between calls. A line is given back only after an
answer that was read to its end; one that the other side hung up on is not used again.
"""

from __future__ import annotations

import io
import select
import socket
import ssl
import time
import weakref
from functools import cached_property
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_IDLE = 256  # Every thread of a busy worker keeps a line of its own to each processor.
PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where a line leads."""

    scheme: str
    host: str
    port: int


class Lines:
    """The lines that are free, for any number of places and threads."""

    def __init__(
        self,
        *,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        plain: type[Line] | None = None,
    ) -> None:
        """Open nothing yet. Certificates are verified; proxies of the environment are not asked.

        Lines without TLS are made of `plain` (default: Line).
        """
        self._plain = plain or Line
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._idle: dict[Place, list[Line]] = {}
        self._places: dict[str, tuple[Place, str]] = {}
        weakref.finalize(self, _close, self._idle)

    def place_of(self, url: str) -> tuple[Place, str]:
        """Return where a url leads, and the path that goes before all others there.

        Raises ValueError where it leads nowhere.
        """
        found = self._places.get(url)
        if found is None:
            found = self._places[url] = _place_of(url)
        return found

    def take(self, place: Place) -> Line:
        """Return a line that is free, or a new one, which connects when something is sent."""
        idle = self._idle.setdefault(place, [])
        while idle:
            try:
                line = idle.pop()
            except IndexError:  # Another thread was faster.
                break
            if not line.hung_up:
                return line
            line.close()
        line = (
            SecureLine(*place[1:], timeout=self._connect_timeout_seconds, context=self._trusted)
            if place.scheme == "https"
            else self._plain(*place[1:], timeout=self._connect_timeout_seconds)
        )
        line.read_timeout_seconds = self._read_timeout_seconds
        return line

    def give_back(self, place: Place, line: Line) -> None:
        """Keep a line for the next call."""
        idle = self._idle[place]
        if line.sock is None or len(idle) >= MOST_IDLE:
            line.close()
        else:
            idle.append(line)

    def hang_up(self) -> None:
        """Close the lines that are free."""
        _close(self._idle)

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context()


class DeadlineResponse(HTTPResponse):
    """An answer, head and body, that must be there within the time-out of its socket."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_DeadlineReader(cast("socket.SocketIO", raw), sock=sock))


class _DeadlineReader(io.RawIOBase):
    """The reading side of a socket that ends at one instant, not so long after each byte."""

    def __init__(self, raw: socket.SocketIO, *, sock: socket.socket) -> None:
        """Start the count: the time-out of the socket becomes the time for the whole answer."""
        self._raw = raw
        self._socket = sock
        self._left_seconds = sock.gettimeout()
        self._ends = time.monotonic() + (self._left_seconds or 0)
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        # The first piece, mostly the only one, may take all of the time: nothing to set.
        if self._begun and self._left_seconds is not None:
            left_seconds = self._ends - time.monotonic()
            if left_seconds <= 0:
                raise TimeoutError
            self._socket.settimeout(left_seconds)
        self._begun = True
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class Line(HTTPConnection):
    """A connection that notes whether a byte of the request was written.

    `read_timeout_seconds` are for the whole answer, head and body.
    """

    response_class = DeadlineResponse
    written = False
    read_timeout_seconds = 0.0

    @property
    def hung_up(self) -> bool:
        """Return whether the other side has closed it, or says what nobody asked for."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def send(self, data: Any) -> None:
        """Write a part of a request, over a new connection if need be."""
        if self.sock is None:
            self.connect()
        self.sock.settimeout(self.read_timeout_seconds)
        self.written = True
        super().send(data)

    def call(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str]
    ) -> HTTPResponse:
        """Send a request and return the head of its answer."""
        self.written = False
        self.request(method, path, body=body, headers=headers)
        return self.getresponse()


class SecureLine(HTTPSConnection, Line):
    """The same over TLS, whose handshake carries nothing of the request."""


def _close(idle: Mapping[Place, list[Line]]) -> None:
    for lines in idle.values():
        while lines:
            lines.pop().close()


def _place_of(url: str) -> tuple[Place, str]:
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        message = "the processor's url is not one of http or https"
        raise ValueError(message)
    parts.hostname.encode("idna")  # A name that can be no name: UnicodeError, which is one.
    place = Place(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])
    return place, parts.path.rstrip("/")
