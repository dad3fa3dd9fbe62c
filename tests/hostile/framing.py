"""Bytes on a socket: a request in full, requests whose frame is broken, and what comes back."""

import socket
import time
from dataclasses import dataclass

BUFFERED = 128 * 1024  # More than the server reads before it answers may be cut off by a reset.
PATIENCE_SECONDS = 60  # A machine may be busy; an answer that takes so long is none.
MOST_READ = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: a status, or 0 where the connection was closed without one."""

    status: int
    raw: bytes
    seconds: float
    is_late: bool = False


def request(method, target, headers, body):
    """Return a request with the length of its body."""
    lines = [method + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers]
    if body and not any(name.lower() == b"content-length" for name, _ in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def broken(target, *, authorization=b""):
    """Yield requests whose frame is wrong in every way that is known."""
    head = b"POST " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    head += b"Content-Type: application/json\r\n"  # Nothing reads the body of an unknown kind.
    if authorization:
        head += b"Authorization: " + authorization + b"\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from (
        head + b"Content-Length: 100\r\n\r\nshort",
        head + b"Content-Length: 3\r\n\r\nlonger than three",
        head + b"Content-Length: -1\r\n\r\nx",
        head + b"Content-Length: 1e3\r\n\r\nx",
        head + b"Content-Length: " + b"9" * 400 + b"\r\n\r\nx",
        head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        chunked + b"zz\r\nx\r\n0\r\n\r\n",
        chunked + b"-5\r\nhello\r\n0\r\n\r\n",
        chunked + b"5\r\nhel",
        chunked + b"ffffffffffffffffff\r\nx",
        chunked + b"5;" + b"e" * 9_000 + b"\r\nhello\r\n0\r\n\r\n",
        chunked + b"2\r\n{}\r\n0\r\nX: y\r\n\r\n",
        chunked + b"2\r\n{}XX0\r\n\r\n",
        b"GET " + target + b"\r\n\r\n",
        b"GET " + target + b" HTTP/9.9\r\n\r\n",
        b"GET  " + target + b" HTTP/1.1 extra\r\nHost: x\r\n\r\n",
        b"GET " + target + b" HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"GET " + target + b" HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET " + target + b" HTTP/1.1\r\n X: folded\r\nNo colon\r\n\r\n",
        b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nHost: b\r\nX\x00: \x00\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00" * 50,
        b"",
    )


def send(port, raw):
    """Send bytes and nothing after them; return the reply."""
    begun = time.monotonic()
    received = bytearray()
    is_late = False
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as wire:
        try:
            wire.sendall(raw)
            wire.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It was answered and closed before all of it was sent.
        try:
            while len(received) < MOST_READ and (some := wire.recv(65_536)):
                received += some
        except TimeoutError:
            is_late = True
        except OSError:
            pass  # Reset, since what was sent was not read to its end.
    seconds = time.monotonic() - begun
    return Reply(status=status_of(received), raw=bytes(received), seconds=seconds, is_late=is_late)


def status_of(received):
    """Return the status of an answer, 0 where there is none."""
    line = bytes(received[:40]).split(b"\r\n")[0].split(b" ")
    is_answer = len(line) > 1 and line[0].startswith(b"HTTP/") and line[1].isdigit()
    return int(line[1]) if is_answer else 0
