"""Whether this process may dispatch, and by which time: for the doors on the real clock.

The fence is asked on each new connection, since another database may be behind it, and once a
minute. The clocks are compared in every pass. Doors that are told another time (`tick --now`, the
demo, tests) have their own.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

from accounts import fence
from accounts.clock import ClocksApart, shared_now
from accounts.outside import File, Redis
from invoices import naming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from accounts.outside import Store

logger = logging.getLogger(__name__)

LOOK_SECONDS = 60.0


class Watch(threading.local):
    """What a thread last heard of the fence; each has a database connection of its own."""

    def __init__(self) -> None:
        """Have heard nothing yet."""
        self.reason = ""
        self._seen: object = None
        self._next = 0.0
        self._said_again = 0.0

    def now(self, *, clock: Callable[[], datetime]) -> datetime | None:
        """Return the time to dispatch by, or None where this worker must send nothing.

        A frozen dispatch is no reason for None: the statements themselves find nothing to send.
        """
        try:
            now = shared_now(clock=clock, most_seconds=settings.BILLY_CLOCK_SKEW_SECONDS)
        except ClocksApart as apart:
            self._say(str(apart))
            return None
        self.look()
        return now

    def look(self, *, at_once: bool = False) -> str:
        """Ask the fence if it is time to; returns why dispatch is frozen, or nothing."""
        if not settings.BILLY_FENCE:
            return ""
        due = time.monotonic() >= self._next or connection.connection is not self._seen
        if at_once or due or connection.connection is None:
            self._next = time.monotonic() + LOOK_SECONDS
            self._say(fence.look(stores()))
            naming.forget()  # Another installation may have been made of this database.
            self._seen = connection.connection
        return self.reason

    def _say(self, reason: str) -> None:
        """Remember why nothing is sent, and say it: at once, and then once a minute."""
        if reason and (not self.reason or time.monotonic() >= self._said_again):
            self._said_again = time.monotonic() + LOOK_SECONDS
            logger.error("nothing is sent: %s", reason)
        self.reason = reason


def stores() -> Sequence[Store]:
    """Return where the fence's marks are kept outside, as the settings say."""
    found: list[Store] = []
    if settings.BILLY_FENCE_FILE:
        found.append(File(Path(settings.BILLY_FENCE_FILE)))
    if settings.REDIS_URL:
        found.append(Redis(settings.REDIS_URL))
    return found


watch = Watch()
