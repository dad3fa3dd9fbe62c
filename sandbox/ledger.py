"""The file that holds everything: JSON lines, only ever appended to.

Lines that belong together are written with one call and reach the operating system before the
answer is sent; they are not forced to the disk. All lines of such a group but the last say `more`,
so that a group cut off by a crash is dropped as a whole.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import JSONDecodeError, loads
from pathlib import Path

from sandbox.kinds import kind_of
from sandbox.records import Record
from sandbox.wire import Json, encode


class LedgerError(Exception):
    """The ledger cannot be used: another process has it, or its middle is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a line lies, in bytes from the start of the file, its line feed not counted."""

    offset: int
    length: int


class Ledger:
    """Appends lines and reads them back. Without a path the lines live in a nameless file."""

    def __init__(self, path: Path | None) -> None:
        if path is None:
            with tempfile.TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            message = f"another process uses the ledger {path}"
            raise LedgerError(message) from error
        self._size = os.fstat(self._file).st_size

    def lines(self) -> Iterator[tuple[Place, dict[str, Json]]]:
        """Every complete group from the start; an incomplete one at the end is cut off.

        Raises LedgerError for a damaged line that others follow.
        """
        offset = good = 0
        group: list[tuple[Place, dict[str, Json]]] = []
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for raw in file:
                line = _parse(raw)
                if line is None:
                    if offset + len(raw) < self._size:
                        message = f"the ledger is damaged at byte {offset}"
                        raise LedgerError(message)
                    break
                group.append((Place(offset=offset, length=len(raw) - 1), line))
                offset += len(raw)
                if not line.get("more"):
                    good = offset
                    yield from group
                    group.clear()
        os.ftruncate(self._file, good)
        self._size = good

    def append(self, lines: Sequence[str]) -> list[Place]:
        """Write a group of lines. Raises OSError, and then none of them is there."""
        places = []
        offset = self._size
        chunks = []
        for line in lines:
            data = line.encode() + b"\n"
            places.append(Place(offset=offset, length=len(data) - 1))
            offset += len(data)
            chunks.append(data)
        self._write(b"".join(chunks))
        self._size = offset
        return places

    def read(self, place: Place) -> dict[str, Json]:
        """The line at a place."""
        line: dict[str, Json] = loads(os.pread(self._file, place.length, place.offset))
        return line

    def close(self) -> None:
        """Give the file free. Closing twice does nothing."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise


def write_line(
    record: Record,
    shown: Json,
    *,
    answer: dict[str, Json] | None = None,
    more: bool = False,
) -> str:
    """The line of a record; `shown` is the resource as it is served."""
    kind = kind_of(record)
    line = {
        "type": kind.name,
        "id": record.id,
        "status": "deleted" if record.deleted else getattr(record, "status", None),
        "amount": getattr(record, "amount", None),
        "currency": getattr(record, "currency", None),
        "key": record.key,
        "meta": record.meta,
        "at": record.updated_at,
        "marketplace": record.marketplace,
        "sequence": record.sequence,
        "private": kind.keep(record),
        "object": shown,
    }
    if answer is not None:
        line["answer"] = answer
    if more:
        line["more"] = True
    return encode(line)


def _parse(raw: bytes) -> dict[str, Json] | None:
    if not raw.endswith(b"\n"):
        return None
    try:
        line = loads(raw)
    except (JSONDecodeError, UnicodeDecodeError):
        return None
    return line if isinstance(line, dict) else None
