"""How often one source may call: a bucket of tokens for each, refilled as time goes by.

They live in the process, not in the database: a flood must cost less than what it asks for. Where
there is a Redis, the processes share one bucket there beside their own, so that the limit holds for
all of them together. While it is away, it holds for each by itself. See docs/decisions/0033.
"""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

logger = logging.getLogger(__name__)

REDIS_SECONDS = 0.5  # No request waits longer for it.
AWAY_SECONDS = 5.0  # How long it is not asked again after it did not answer.
PREFIX = "billy:bucket:"
# One step, by the clock of Redis: no two processes can take the same token.
TAKE = """
local said = redis.call('TIME')
local now = tonumber(said[1]) + tonumber(said[2]) / 1000000
local rate, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local there = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = tonumber(there[1]) or most
left = math.min(most, left + math.max(0, now - (tonumber(there[2]) or now)) * rate)
local wait = 0
if left >= 1 then left = left - 1 else wait = (1 - left) / rate end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((most - left) / rate * 1000) + 1000)
return tostring(wait)
"""
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


class Shared:
    """The same for all processes that ask one Redis; each one's own where it does not answer."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        per_second: float,
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Name the buckets; without a URL they are those of this process alone."""
        self._own = Buckets(per_second=per_second, at_once=at_once, clock=clock)
        self._name, self._url, self._clock = name, url, clock
        self._sizes = (repr(per_second), str(at_once))
        self._away_until = -math.inf

    def wait_seconds(self, source: Hashable) -> int:
        """Take a token of this source: returns 0, or in how many seconds there will be one.

        Whoever asked this process too much asked all of them too much, so Redis need not be asked.
        """
        waits = self._own.wait_seconds(source)
        if waits or not self._url or self._clock() < self._away_until:
            return waits
        try:
            said = self._take(keys=[f"{PREFIX}{self._name}:{source}"], args=self._sizes)
        except Exception as error:  # noqa: BLE001  # Whatever it is, billing goes on without it.
            self._away_until = self._clock() + AWAY_SECONDS
            logger.warning("limits hold for each process alone: %s", type(error).__name__)
            return waits
        seconds = float(said)
        return max(1, math.ceil(seconds)) if seconds else 0

    @cached_property
    def _take(self) -> Any:
        import redis

        client = redis.Redis.from_url(
            self._url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        )
        return client.register_script(TAKE)
