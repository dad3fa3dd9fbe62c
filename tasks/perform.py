"""Carry orders to a processor, many at once, and yield what they came to. Writes nothing.

The calls run in threads that never touch the database. No call begins after the deadline: what is
left over is given back as not sent, so a slow processor makes batches shorter rather than leases
broken.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from django.db import connection

from tasks.carry import carry_out, given_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from processors.base import Processor
    from tasks.outcome import Job, Outcome

    Sent = tuple[Job, float] | None  # With its deadline; None ends a thread.

# An answer waits no longer than this to be written down, and a crash loses no more than came in
# that time; those are looked up again. The size is for a processor that answers at once.
FLUSH_SECONDS = 0.25
FLUSH_SIZE = 250
# While the next batch is claimed, the threads go on with what is left: several calls for each.
ROUNDS_AHEAD = 4


class WireInTransaction(RuntimeError):
    """A processor was to be called inside a database transaction: commit first."""


def perform(
    jobs: Sequence[Job], *, processor: Processor, calls_at_once: int, budget_seconds: float
) -> Iterator[list[Outcome]]:
    """Yield outcomes as they come, in groups of at most a flush's size or of what came in 250 ms.

    Raises WireInTransaction where a transaction is open.
    """
    with Wire(processor=processor, calls_at_once=calls_at_once) as wire:
        wire.send(jobs, deadline=time.monotonic() + budget_seconds)
        while wire.busy:
            if group := wire.outcomes():
                yield group


class Wire:
    """The threads that call, as long as a block lasts, and the queues to them and from them.

    Further jobs may be sent while others are out: that is how one batch follows the other without
    a pause on the wire.
    """

    def __init__(self, *, processor: Processor, calls_at_once: int) -> None:
        self.calls_at_once = max(1, calls_at_once)
        self._processor = processor
        self._threads: list[threading.Thread] = []
        self._jobs: SimpleQueue[Sent] = SimpleQueue()
        self._done: SimpleQueue[Outcome] = SimpleQueue()
        self._out = 0  # Sent and not yet told of; only the caller's thread counts.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads; what was not begun is dropped.

        Whoever cannot write outcomes down must not let more of them happen.
        """
        self._unbegun()
        for _thread in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def busy(self) -> bool:
        """Return whether an outcome is still to be told."""
        return self._out > 0

    @property
    def hungry(self) -> bool:
        """Return whether the threads will soon have nothing to do."""
        return self._jobs.qsize() < ROUNDS_AHEAD * self.calls_at_once

    def send(self, jobs: Iterable[Job], *, deadline: float) -> None:
        """Carry out jobs; none begins after the deadline, in seconds of the monotonic clock.

        Raises WireInTransaction where a transaction is open: a lock must never wait for a network.
        """
        if connection.in_atomic_block:
            raise WireInTransaction(WireInTransaction.__doc__)
        for job in jobs:
            self._jobs.put((job, deadline))
            self._out += 1
        for _ in range(len(self._threads), min(self.calls_at_once, self._out)):
            thread = threading.Thread(target=self._work, name="billy-wire")
            self._threads.append(thread)
            thread.start()

    def outcomes(self) -> list[Outcome]:
        """Return what has come: at most a flush's size, waiting a quarter of a second at most."""
        found: list[Outcome] = []
        until = time.monotonic() + FLUSH_SECONDS
        while len(found) < min(FLUSH_SIZE, self._out):
            try:
                found.append(self._done.get(timeout=max(0.0, until - time.monotonic())))
            except Empty:
                break
        self._out -= len(found)
        return found

    def recall(self) -> list[Outcome]:
        """Take back what was not begun; it was not sent, and may go out again at once."""
        back = [given_back(job) for job in self._unbegun()]
        self._out -= len(back)
        return back

    def _work(self) -> None:
        while (sent := self._jobs.get()) is not None:
            job, deadline = sent
            self._done.put(carry_out(job, processor=self._processor, deadline=deadline))

    def _unbegun(self) -> list[Job]:
        found: list[Job] = []
        while True:
            try:
                sent = self._jobs.get_nowait()
            except Empty:
                return found
            if sent is not None:
                found.append(sent[0])
