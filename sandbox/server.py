"""The wire: connections that parse requests, keep their order, and can be cut as faults demand."""

import asyncio
import sys
import traceback
from collections import deque
from collections.abc import Coroutine
from typing import Any

import httptools

from sandbox.conductor import Conductor, Delivery
from sandbox.errors import Refusal
from sandbox.wire import Answer, Request

BODY_LIMIT = 1_048_576
HEAD_LIMIT = 65_536
PIPELINE_LIMIT = 64
KEPT_HEADERS = frozenset(
    {"authorization", "content-type", "content-encoding", "expect", "idempotency-key"}
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client. Requests are answered one after the other, however they arrive."""

    def __init__(self, conductor: Conductor, connections: set["Connection"]) -> None:
        self._conductor = conductor
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._ended = False
        self._said_all = False
        self._transport: asyncio.Transport
        self._peer = ""
        self._begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self._transport = transport
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Called by the loop. What was begun for this client goes on without it."""
        self._ended = True
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Called by the loop with whatever came."""
        if self._ended:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            refusal = error.__context__  # What one of the methods below raised, if one did.
            if not isinstance(refusal, Refusal):
                refusal = Refusal("request", "This is not HTTP.")
            self._refuse(refusal)

    def eof_received(self) -> bool:
        """Called by the loop when the client has said all; it may still be listening."""
        self._said_all = True
        return self._busy

    def close(self) -> None:
        """End it, whatever is going on."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._begin()

    def on_url(self, url: bytes) -> None:
        """Called by the parser, perhaps with a part."""
        self._url += url
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._grow(len(name) + len(value))
        word = name.decode("latin-1").lower()
        if word in KEPT_HEADERS:
            self._headers[word] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self._parser.should_upgrade():
            raise Refusal("request", "This server does not switch protocols.")
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Called by the parser, perhaps with a part."""
        self._length += len(body)
        if self._length > BODY_LIMIT:
            raise Refusal("request-too-large")
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser: a request is there."""
        if self._ended:
            return
        path, _, query = self._url.decode("latin-1").partition("?")
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            path=path,
            query=query,
            headers=self._headers,
            body=b"".join(self._body),
            peer=self._peer,
        )
        self._waiting.append((request, self._parser.should_keep_alive()))
        if len(self._waiting) > PIPELINE_LIMIT:
            self._transport.pause_reading()
        if not self._busy:
            self._go_on()

    # What happens to requests.

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._length = 0
        self._head_bytes = 0

    def _grow(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_LIMIT:
            raise Refusal("request-too-large")

    def _go_on(self) -> None:
        """Answer what waits, until one takes its time."""
        while self._waiting and not self._ended:
            request, keep_alive = self._waiting.popleft()
            served = self._serve(request)
            if isinstance(served, Delivery):
                self._deliver(request, served, keep_alive=keep_alive)
            else:
                self._busy = True
                loop = asyncio.get_running_loop()
                self._task = loop.create_task(self._wait(request, served, keep_alive=keep_alive))
                return
            if self._busy:
                return
        if not self._ended and not self._transport.is_reading():
            self._transport.resume_reading()

    def _serve(self, request: Request) -> Delivery | Coroutine[Any, Any, Delivery]:
        try:
            return self._conductor.serve(request)
        except Exception:  # noqa: BLE001 - whatever is wrong with us, the client gets an answer.
            return self._broken()

    async def _wait(
        self, request: Request, served: Coroutine[Any, Any, Delivery], *, keep_alive: bool
    ) -> None:
        try:
            delivery = await served
        except Exception:  # noqa: BLE001 - as above.
            delivery = self._broken()
        self._busy = False
        if not self._ended:
            self._deliver(request, delivery, keep_alive=keep_alive)
            if not self._busy:
                self._go_on()

    def _broken(self) -> Delivery:
        traceback.print_exc(file=sys.stderr)
        return Delivery(answer=self._conductor.refuse(Refusal("internal-error")))

    def _deliver(self, request: Request, delivery: Delivery, *, keep_alive: bool) -> None:
        if delivery.hang:
            self._busy = True  # For ever: the client will tire of it.
        elif delivery.answer is None:
            self._ended = True
            self._transport.abort()
        elif delivery.cut:
            self._send_half(delivery.answer)
        else:
            keep_alive = keep_alive and not self._said_all
            self._send(delivery.answer, keep_alive=keep_alive, is_head=request.method == "HEAD")

    def _send(self, answer: Answer, *, keep_alive: bool, is_head: bool = False) -> None:
        body = b"" if is_head else answer.body or b""
        self._transport.write(answer.head(keep_alive=keep_alive) + body)
        if not keep_alive:
            self._ended = True
            self._transport.close()

    def _send_half(self, answer: Answer) -> None:
        body = answer.body or b""
        self._transport.write(answer.head(keep_alive=True) + body[: len(body) // 2])
        self._ended = True
        self._transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, and end: nobody knows where the next one would begin."""
        if self._busy or self._waiting:
            self._ended = True
            self._transport.abort()
        else:
            self._send(self._conductor.refuse(refusal), keep_alive=False)
