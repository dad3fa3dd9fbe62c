"""A server that says whatever a test tells it to, to see what a client makes of it."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

DEBIT_ID = "WD0123456789abcdef"
DEBIT_URI = f"/debits/{DEBIT_ID}"
CARD_URI = "/cards/CC0123456789abcdef"


@dataclass(frozen=True)
class Say:
    """Send these bytes; then go on with the connection, or close it."""

    data: bytes
    close: bool = False


@dataclass(frozen=True)
class Drip:
    """Send these bytes one at a time, with a pause before each."""

    data: bytes
    pause_seconds: float


class Reset:
    """Break the connection off after the request was read."""


class ResetUnread:
    """Break the connection off before the request is read."""


class Babble:
    """Answer the first bytes, whatever they are, with what is neither TLS nor HTTP."""


class Silence:
    """Read the request, and never answer."""


@dataclass
class WireServer:
    """Answers one script item for each request, over any number of connections."""

    script: deque[object] = field(default_factory=deque)
    requests: list[object] = field(default_factory=list)
    certificate: Path | None = None

    def __enter__(self):
        self._ended = threading.Event()
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        scheme = "https" if self.certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                connection.settimeout(0.05)
                self._start(self._serve, connection)

    def _serve(self, accepted):
        with contextlib.suppress(OSError), self._wrapped(accepted) as connection:
            if self.script and isinstance(self.script[0], ResetUnread):
                self.script.popleft()
                connection.settimeout(5)
                connection.recv(1, socket.MSG_PEEK)  # Not before the client has written anything.
                _reset(connection)
                return
            if self.script and isinstance(self.script[0], Babble):
                self.script.popleft()
                connection.settimeout(5)
                connection.recv(65_536)
                connection.sendall(b"who is there?")
                return
            while request := self._request(connection):
                self.requests.append(request)
                if not self._answer(connection, self.script.popleft()):
                    return

    def _wrapped(self, connection):
        """Shake hands where there is a certificate."""
        if self.certificate is None:
            return connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        connection.settimeout(5)
        return context.wrap_socket(connection, server_side=True)

    def _request(self, connection):
        """Read one request; b"" once the client has gone or the test is over."""
        data = b""
        while not _is_whole(data):
            try:
                chunk = connection.recv(65_536)
            except TimeoutError:
                if self._ended.is_set():
                    return b""
                continue
            if not chunk:
                return b""
            data += chunk
        return data

    def _answer(self, connection, item):
        """Follow the script; False ends the connection."""
        if isinstance(item, Silence):
            self._ended.wait()
        elif isinstance(item, Reset):
            _reset(connection)
        elif isinstance(item, Drip):
            for byte in item.data:
                self._ended.wait(item.pause_seconds)
                connection.sendall(bytes([byte]))
            return True
        else:
            connection.settimeout(5)
            connection.sendall(item.data)
            connection.settimeout(0.05)
            return not item.close
        return False


def answer(status, document, *, headers=""):
    """Write a whole answer of JSON."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def say(status, document, *, headers=""):
    return Say(answer(status, document, headers=headers))


def error(status, code, **more):
    """Write a refusal in Balanced's envelope."""
    entry = {
        "status": "X",
        "status_code": status,
        "category_code": code,
        "category_type": "request",
        "description": f"{code}. Your request id is OHM0.",
        "request_id": "OHM0",
    }
    return {"errors": [entry], **more}


def debit_item(**changes):
    """Write a debit as Balanced would answer the order of these tests."""
    return {
        "id": DEBIT_ID,
        "href": DEBIT_URI,
        "amount": 1_000,
        "currency": "USD",
        "status": "succeeded",
        "failure_reason": None,
        "failure_reason_code": None,
        "meta": {"billy.key": "b1-key"},
        "links": {"source": "CC0123456789abcdef"},
        **changes,
    }


def page(items, *, total=None):
    """Write a page of a list of debits."""
    meta = {"total": len(items) if total is None else total}
    return {"debits": items, "links": {}, "meta": meta}


def _is_whole(data):
    head, separator, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return bool(separator) and len(body) >= sum(lengths)


def _reset(connection):
    """Close with a RST rather than an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
