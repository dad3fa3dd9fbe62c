"""Where the fence's mark is kept outside the database: in a file, in Redis, or in both.

A store is best effort: one that cannot be read knows nothing, and one that cannot be written says
so in the log. None ever goes back: whichever of many workers writes last, the highest mark stays.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.locked import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

logger = logging.getLogger(__name__)

REDIS_SECONDS = 1.0  # A worker must not wait longer for what is best effort.
REDIS_PREFIX = "billy:fence:"
# Write only what is higher than what is there: one step, so no two workers can cross.
RAISE = """
local there = redis.call('GET', KEYS[1])
if there and cjson.decode(there)['number'] >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""
MOST_INSTALLATIONS = 100  # A file of a developer's machine sees many come and go.


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A mark as it is kept outside: its number, and the token that tells it from any other."""

    number: int
    token: str


class Store(Protocol):
    """A place that outlives the database."""

    def read(self, instance_id: UUID) -> Kept | None:
        """Return the highest mark of an installation, None where none is known."""
        ...

    def keep(self, instance_id: UUID, mark: Kept) -> None:
        """Keep a mark, unless a higher one is kept already."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """Marks in a file, one for each installation that this machine has seen."""

    path: Path

    def read(self, instance_id: UUID) -> Kept | None:
        """Return what the file has of an installation."""
        return _kept(self._marks().get(str(instance_id)))

    def keep(self, instance_id: UUID, mark: Kept) -> None:
        """Write the file anew, under a lock, where the mark is higher."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_suffix(".lock")):
                marks = self._marks()
                there = _kept(marks.pop(str(instance_id), None))
                if there is not None and there.number >= mark.number:
                    return
                marks[str(instance_id)] = {"number": mark.number, "token": mark.token}
                self._write(dict(list(marks.items())[-MOST_INSTALLATIONS:]))
        except OSError as error:
            logger.warning("the fence's mark cannot be kept in %s: %s", self.path, error)

    def _marks(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            logger.warning("the fence's file %s cannot be read: %s", self.path, error)
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, marks: dict[str, Any]) -> None:
        """Put a whole new file in the place of the old one: it is never half written."""
        unfinished = self.path.with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(marks, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.path)


@dataclass(frozen=True, slots=True)
class Redis:
    """Marks in Redis, which all workers of an installation share."""

    url: str

    def read(self, instance_id: UUID) -> Kept | None:
        """Return what Redis has of an installation."""
        try:
            with _connected(self.url) as client:
                found = client.get(f"{REDIS_PREFIX}{instance_id}")
            return _kept(json.loads(found)) if found else None
        except Exception as error:  # noqa: BLE001  # Away, flushed, another's value: it knows nothing.
            logger.warning("the fence's mark cannot be read from Redis: %s", type(error).__name__)
            return None

    def keep(self, instance_id: UUID, mark: Kept) -> None:
        """Raise the mark in one step."""
        text = json.dumps({"number": mark.number, "token": mark.token})
        try:
            with _connected(self.url) as client:
                client.eval(RAISE, 1, f"{REDIS_PREFIX}{instance_id}", text, str(mark.number))
        except Exception as error:  # noqa: BLE001  # The file may know it, and the next minute tries again.
            logger.warning("the fence's mark cannot be kept in Redis: %s", type(error).__name__)


def highest(stores: Sequence[Store], instance_id: UUID) -> Kept | None:
    """Return the highest mark that any store knows."""
    found = [mark for store in stores if (mark := store.read(instance_id)) is not None]
    return max(found, key=lambda mark: mark.number, default=None)


def _kept(value: object) -> Kept | None:
    """Read a mark; anything of another form is none."""
    if not isinstance(value, dict):
        return None
    number, token = value.get("number"), value.get("token")
    if type(number) is not int or not isinstance(token, str):
        return None
    return Kept(number=number, token=token)


@contextlib.contextmanager
def _connected(url: str) -> Iterator[Any]:
    import redis

    client = redis.Redis.from_url(
        url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    try:
        yield client
    finally:
        client.close()
