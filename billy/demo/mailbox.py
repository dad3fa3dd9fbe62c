"""An address for Balanced's callbacks, as the web server's is, for a story with its own clock.

It takes what comes and answers at once; the story opens the letters when its own time has come.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

LARGEST_BODY = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One callback as it came: the path it came to, and its body."""

    path: str
    body: bytes

    @property
    def about(self) -> str:
        """Return the uri of the object that it is about, as it says; empty where it says none.

        It is a hint and no more: whoever acts on the letter asks the processor.
        """
        try:
            (event,) = json.loads(self.body)["events"]
            entity: dict[str, Any] = event["entity"]
            (item,) = next(value for value in entity.values() if isinstance(value, list))
            return str(item["href"])
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
            return ""


class Mailbox:
    """A server on this machine that keeps letters until they are asked for."""

    def __init__(self) -> None:
        """Listen on a free port at once."""
        self._letters: SimpleQueue[Letter] = SimpleQueue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._letters))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next(self, *, seconds: float) -> Letter | None:
        """Return the next letter, waiting at most so long; None where none came."""
        try:
            return self._letters.get(timeout=max(seconds, 0.0))
        except Empty:
            return None


def _handler(letters: SimpleQueue[Letter]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Take a letter in, and say thanks."""

        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_POST(self) -> None:  # The name that the library calls.
            """Keep the letter; answer as the web server does."""
            length = min(int(self.headers.get("Content-Length") or 0), LARGEST_BODY)
            letters.put(Letter(path=self.path, body=self.rfile.read(length)))
            thanks = b'{"code":"ok"}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(thanks)))
            self.end_headers()
            self.wfile.write(thanks)

        def log_message(self, *_: object) -> None:
            """Say nothing: the story does."""

    return Handler
