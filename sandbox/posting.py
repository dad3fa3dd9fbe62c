"""A small HTTP client for callbacks: plain HTTP, connections kept, one time-out for all."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 10
USER_AGENT = "balanced/hooker/1.0"
MOST_IDLE = 8  # Connections kept for each address.
LONGEST_BODY = 1_000_000
FAILED = 0  # Stands for a status where there was no answer.

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection to an address."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Poster:
    """Sends one request at a time over each connection."""

    def __init__(self) -> None:
        self._idle: dict[Address, list[Connection]] = {}

    async def send(self, method: str, url: str, body: bytes) -> int:
        """The status of the answer, or 0 if there is none within the time-out."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            return FAILED
        address = (parts.hostname, parts.port or 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = (
            f"{method.upper()} {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
            f"User-Agent: {USER_AGENT}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._exchange(address, head.encode() + body)
        except (OSError, TimeoutError, ValueError, EOFError, asyncio.LimitOverrunError):
            return FAILED

    async def close(self) -> None:
        """Close every idle connection."""
        for connections in self._idle.values():
            for connection in connections:
                connection.writer.close()
        self._idle.clear()

    async def _exchange(self, address: Address, request: bytes) -> int:
        idle = self._idle.setdefault(address, [])
        if idle:
            connection = idle.pop()
            try:
                return await self._over(connection, address, request)
            except (OSError, EOFError):
                pass  # It was closed while it lay idle: a fresh one decides.
        reader, writer = await asyncio.open_connection(*address)
        return await self._over(Connection(reader, writer), address, request)

    async def _over(self, connection: Connection, address: Address, request: bytes) -> int:
        keep = False
        try:
            connection.writer.write(request)
            head = (await connection.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(head.split(" ", 2)[1])
            length = _length(head)
            if length is not None:
                await connection.reader.readexactly(length)
            keep = length is not None and "connection: close" not in head.lower()
            return status
        finally:
            idle = self._idle.setdefault(address, [])
            if keep and len(idle) < MOST_IDLE:
                idle.append(connection)
            else:
                connection.writer.close()


def _length(head: str) -> int | None:
    """The length of the body, or None if only the end of the connection tells."""
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return min(int(value), LONGEST_BODY)
    return 0 if head.split(" ", 2)[1] == "204" else None
