"""Lines to the processors: connections that are used again, and whose answers have a deadline.

A request is written in one piece, and its answer is parsed by the parser of Node.js
(`httptools`). A line is given back only after an answer that was read to its end; one that the
other side hung up on is not used again.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import httptools

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_IDLE = 256  # Every thread of a busy worker keeps a line of its own to each processor.
PORTS = {"http": 80, "https": 443}
MOST_ANSWER_BYTES = 1_000_000  # The objects of an API take two kilobytes.
MOST_HEAD_BYTES = 65_536
PIECE_BYTES = 65_536
INTERIM = range(100, 200)  # Statuses that announce an answer and are none.
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class Unreadable(OSError):
    """What came back is no answer, or not a whole one."""


class Place(NamedTuple):
    """Where a line leads."""

    scheme: str
    host: str
    port: int

    @property
    def name(self) -> str:
        """Return what the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host.encode("idna").decode()
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class Response(NamedTuple):
    """An answer: its status, its headers by their names in lower case, and its body.

    `complaint` says why the body is not to be used; empty where it is.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    complaint: str = ""


class Lines:
    """The lines that are free, for any number of places and threads."""

    def __init__(
        self,
        *,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        made: type[Line] | None = None,
    ) -> None:
        """Open nothing yet. Certificates are verified; proxies of the environment are not asked.

        Lines are made of `made` (default: Line).
        """
        self._made = made or Line
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
        return self._made(
            place,
            trusted=self._trusted if place.scheme == "https" else None,
            connect_timeout_seconds=self._connect_timeout_seconds,
            read_timeout_seconds=self._read_timeout_seconds,
        )

    def give_back(self, line: Line) -> None:
        """Keep a line for the next call, if it can be used again."""
        idle = self._idle[line.place]
        if not line.stays_open or len(idle) >= MOST_IDLE:
            line.close()
        else:
            idle.append(line)

    def hang_up(self) -> None:
        """Close the lines that are free."""
        _close(self._idle)

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context()


class Line:
    """A connection that notes whether a byte of the request was written."""

    def __init__(
        self,
        place: Place,
        *,
        trusted: ssl.SSLContext | None,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
    ) -> None:
        """Open nothing yet. Where `trusted` is given the line is one of TLS.

        `read_timeout_seconds` are for the whole answer, head and body.
        """
        self.place = place
        self.written = False
        self.stays_open = False
        self._host = place.name
        self._trusted = trusted
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._socket: socket.socket | None = None

    @property
    def hung_up(self) -> bool:
        """Return whether the other side has closed it, or says what nobody asked for."""
        poll = select.poll()
        poll.register(self._open, select.POLLIN)
        return bool(poll.poll(0))

    def call(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        """Send a request and return its answer.

        Raises OSError where the line fails, Unreadable for what is no answer (no bytes of another
        answer are ever taken for one), ValueError for a request that cannot be written.
        """
        self.written = self.stays_open = False
        request = _head(method, path, host=self._host, headers=headers, body=body)
        if self._socket is None:
            self._socket = self._connected()
        self.send(request + body if body else request)
        return self.receive()

    def send(self, data: bytes) -> None:
        """Write a request, or a part of one."""
        self._open.settimeout(self._read_timeout_seconds)
        self.written = True
        self._open.sendall(data)

    def receive(self) -> Response:
        """Read an answer until its end, the end of the line, or the limit of size or time."""
        ends = time.monotonic() + self._read_timeout_seconds
        reading = _Reading()
        while not reading.ended:
            data = self._open.recv(PIECE_BYTES)  # The first, mostly the only one, has all the time.
            if not data:
                break
            reading.feed(data)
            if not reading.ended:
                left_seconds = ends - time.monotonic()
                if left_seconds <= 0:
                    raise TimeoutError
                self._open.settimeout(left_seconds)
        self.stays_open = reading.stays_open
        return reading.response()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def _open(self) -> socket.socket:
        assert self._socket is not None  # noqa: S101  # A call connects first.
        return self._socket

    def _connected(self) -> socket.socket:
        found = socket.create_connection(self.place[1:], self._connect_timeout_seconds)
        try:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._trusted is None:
                return found
            return self._trusted.wrap_socket(found, server_hostname=self.place.host)
        except BaseException:
            found.close()
            raise


class _Reading:
    """What has come of an answer so far. The methods named `on_…` are called by the parser."""

    def __init__(self) -> None:
        self.ended = False
        self.stays_open = False
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._head_bytes = self._body_bytes = 0
        self._complaint = ""

    def feed(self, data: bytes) -> None:
        """Go on with more of it; raises Unreadable for what is no answer."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise Unreadable(str(error)) from error
        if not self._status:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                message = "its head has no end"
                raise Unreadable(message)

    def response(self) -> Response:
        """Return it; raises Unreadable where not even its head is whole."""
        if not self._status:
            message = "it ends before its head does"
            raise Unreadable(message)
        # Where neither is given, the end of the line is the answer's.
        if not self.ended and {"content-length", "transfer-encoding"} & self._headers.keys():
            self._complaint = "it ends before its end"
        return Response(self._status, self._headers, b"".join(self._body), self._complaint)

    def on_message_begin(self) -> None:
        if self.ended:  # Another answer, which nobody asked for: nothing is taken from it.
            self.stays_open = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.ended:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        if self.ended:
            return
        status = self._parser.get_status_code()
        if status in INTERIM:
            self._headers.clear()
        else:
            self._status = status

    def on_body(self, body: bytes) -> None:
        if self.ended:
            return
        self._body_bytes += len(body)
        if self._body_bytes <= MOST_ANSWER_BYTES:
            self._body.append(body)
        else:
            self._complaint = f"it is longer than {MOST_ANSWER_BYTES} bytes"
            self.ended = True  # What is left is not waited for.

    def on_message_complete(self) -> None:
        if self._status and not self.ended:
            self.stays_open = self._parser.should_keep_alive()
            self.ended = True


def _head(
    method: str, path: str, *, host: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """Return the head of a request; raises ValueError for what would end a line of it."""
    told = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    told += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        told.append(f"Content-Length: {len(body)}")
    if " " in path or not path.isascii() or CONTROLS.search("".join(told)):
        message = "a request is lines of printable characters"
        raise ValueError(message)
    return ("\r\n".join(told) + "\r\n\r\n").encode("latin-1")


def _close(idle: Mapping[Place, list[Line]]) -> None:
    for lines in idle.values():
        while lines:
            lines.pop().close()


def _place_of(url: str) -> tuple[Place, str]:
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        message = "the processor's url is not one of http or https"
        raise ValueError(message)
    place = Place(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])
    _ = place.name  # A name that can be no name: UnicodeError, which is a ValueError.
    return place, parts.path.rstrip("/")
