"""How often one source may call: a bucket of tokens for each, refilled as time goes by.

They live in the process, not in the database: a flood must cost less than what it asks for. So the
limit holds for each web process by itself. See docs/decisions/0024.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MOST_SOURCES = 10_000  # Whoever has more addresses than this pushes out the one unused longest.


class Buckets:
    """One bucket for each source; safe for many threads."""

    def __init__(
        self,
        *,
        per_second: float,
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fill a bucket with `at_once` tokens, and `per_second` more each second."""
        self._per_second, self._at_once, self._clock = per_second, at_once, clock
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def wait_seconds(self, source: Hashable) -> int:
        """Take a token of this source: returns 0, or in how many seconds there will be one."""
        with self._lock:
            now = self._clock()
            tokens, since = self._left.pop(source, (float(self._at_once), now))
            tokens = min(tokens + (now - since) * self._per_second, float(self._at_once))
            is_free = tokens >= 1
            self._left[source] = (tokens - 1 if is_free else tokens, now)
            if len(self._left) > MOST_SOURCES:
                self._left.popitem(last=False)
            return 0 if is_free else max(1, math.ceil((1 - tokens) / self._per_second))
