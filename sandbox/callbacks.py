"""Telling registered addresses of events, in the background, and again until they listen."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from sandbox.events import Event, show
from sandbox.faults import Faults
from sandbox.happenings import NUMBER_OF_TYPE
from sandbox.posting import Poster
from sandbox.records import Callback, Record
from sandbox.store import Store
from sandbox.wire import encode

AT_ONCE = 16
MOST_TRIES = 11  # The first, and ten more.
GROWTH = 2  # From 10 minutes ten retries then take seven days.
DONE = range(200, 210)


@dataclass(slots=True, kw_only=True)
class Telling:
    """One event on its way to one address."""

    callback: Callback
    body: bytes
    tries: int = 0


class Callbacks:
    """Queues and sends. Without a running loop nothing is sent; nothing here delays an answer."""

    def __init__(self, *, store: Store, faults: Faults, retry_seconds: float) -> None:
        self.counts: Counter[str] = Counter()
        self._store = store
        self._faults = faults
        self._retry_seconds = retry_seconds
        self._poster = Poster()
        self._heap: list[tuple[float, int, Telling]] = []
        self._numbers = count()
        self._wake = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._early = False

    def heard(self, record: Record, types: tuple[str, ...]) -> None:
        """Queue the events of a record for all who are registered."""
        callbacks = self._store.callbacks.get(record.marketplace or "")
        if not callbacks or not types:
            return
        for type_ in types:
            event = Event.of(record, NUMBER_OF_TYPE[type_])
            body = encode({"events": [show(event)], "links": {}}).encode()
            for callback in callbacks:
                self._announce(Telling(callback=callback, body=body))

    def take_early(self) -> bool:
        """Whether the answer to the last request is to wait until its callback was heard."""
        early, self._early = self._early, False
        return early

    def waiting(self) -> int:
        """How many are queued or on their way."""
        return len(self._heap) + len(self._sending)

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._wake.clear()
                while self._heap and self._heap[0][0] <= loop.time():
                    if len(self._sending) >= AT_ONCE:
                        break
                    task = loop.create_task(self._send(heappop(self._heap)[2]))
                    self._sending.add(task)
                    task.add_done_callback(self._sent)
                await self._sleep(loop)
        finally:
            for task in self._sending:
                task.cancel()
            await self._poster.close()

    def _announce(self, telling: Telling) -> None:
        told = self._faults.callbacks()
        random = self._faults.random
        copies = random.randint(1, max(int(told.get("duplicate", 1)), 1))
        is_early = random.random() < float(told.get("early", 0))
        for _ in range(copies):
            shuffle = 0.0 if is_early else float(told.get("shuffle_seconds", 0))
            self._push(telling, random.uniform(0, shuffle) if shuffle else 0.0)
        if copies > 1:
            self._faults.happened["callbacks.duplicate"] += copies - 1
        if is_early:
            self._faults.happened["callbacks.early"] += 1
            self._early = True

    def _push(self, telling: Telling, seconds: float) -> None:
        at = asyncio.get_running_loop().time() + seconds
        heappush(self._heap, (at, next(self._numbers), telling))
        self._wake.set()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._wake.set()

    async def _sleep(self, loop: asyncio.AbstractEventLoop) -> None:
        timeout = None
        if self._heap and len(self._sending) < AT_ONCE:
            timeout = max(self._heap[0][0] - loop.time(), 0)
        try:
            await asyncio.wait_for(self._wake.wait(), timeout)
        except TimeoutError:
            return

    async def _send(self, telling: Telling) -> None:
        callback = telling.callback
        if callback.deleted:
            return
        telling.tries += 1
        status = await self._poster.send(callback.method, callback.url, telling.body)
        if status in DONE:
            self.counts["succeeded"] += 1
        elif telling.tries < MOST_TRIES:
            self.counts["retrying"] += 1
            self._push(telling, self._retry_seconds * GROWTH ** (telling.tries - 1))
        else:
            self.counts["failed"] += 1
