"""Carry orders to a processor and yield what they came to. Writes nothing.

Many calls run at once, in threads that never touch the database. No call begins after the
deadline: what is left over is given back as not sent, so a slow processor makes batches shorter
rather than leases broken.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from django.db import connection

from core.foreign import kept, told
from processors.base import (
    Busy,
    KeyConflict,
    Misconfigured,
    NotFound,
    NotSent,
    ProcessorError,
    Receipt,
    Rejected,
    Status,
    Unknown,
)
from tasks.outcome import DEADLINE, Job, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processors.base import Order, Processor

FLUSH_SIZE = 50  # A crash loses at most this many answers, and those are looked up again.
CODE_LIMIT = 80  # Processors' codes are words.
FLUSH_SECONDS = 0.25  # Nor does an answer wait longer than this to be written down.

VERDICTS = {
    Status.SUCCEEDED: Verdict.SUCCEEDED,
    Status.PENDING: Verdict.PENDING,
    Status.FAILED: Verdict.DECLINED,
}


class WireInTransaction(RuntimeError):
    """A processor was to be called inside a database transaction: commit first."""


def perform(
    jobs: Sequence[Job], *, processor: Processor, calls_at_once: int, budget_seconds: float
) -> Iterator[list[Outcome]]:
    """Yield outcomes as they come, in groups of at most 50 or of what came in 250 ms.

    Raises WireInTransaction where a transaction is open: a lock must never wait for a network.
    """
    if connection.in_atomic_block:
        raise WireInTransaction(WireInTransaction.__doc__)
    deadline = time.monotonic() + budget_seconds
    done: SimpleQueue[Outcome] = SimpleQueue()

    def carry(job: Job) -> None:
        done.put(carry_out(job, processor=processor, deadline=deadline))

    threads = ThreadPoolExecutor(max_workers=max(1, min(calls_at_once, len(jobs))))
    try:
        for job in jobs:
            threads.submit(carry, job)
        waiting = len(jobs)
        while waiting:
            group = _group(done, waiting)
            waiting -= len(group)
            if group:
                yield group
    finally:
        # Whoever cannot write outcomes down must not let more of them happen.
        threads.shutdown(wait=True, cancel_futures=True)


def carry_out(job: Job, *, processor: Processor, deadline: float) -> Outcome:
    """Make the calls of one job and return what it came to. Raises nothing."""
    if job.order is None:
        return _outcome(job, Verdict.MISCONFIGURED, reason="the company has no processor key")
    if time.monotonic() >= deadline:
        return _outcome(job, Verdict.NOT_SENT, code=DEADLINE, reason="the batch ran out of time")
    try:
        receipt = _receipt(job, job.order, processor=processor)
    except ProcessorError as error:
        return _failure(job, error)
    except BaseException as error:  # noqa: BLE001  # A processor's own bug: nothing is known, so look it up later.
        return _outcome(job, Verdict.UNKNOWN, reason=told(error))
    if receipt is None:
        return _outcome(job, Verdict.ABSENT, reason="the processor does not know it")
    return evidence(job, receipt)


def evidence(job: Job, receipt: Receipt) -> Outcome:
    """Return what a processor's own word of an object says about a job."""
    return Outcome(
        transaction_id=job.transaction_id,
        verdict=VERDICTS[receipt.status],
        uri=receipt.uri,
        code=kept(receipt.code, limit=CODE_LIMIT),
        reason=kept(receipt.reason),
        hard=receipt.hard,
    )


def _receipt(job: Job, order: Order, *, processor: Processor) -> Receipt | None:
    """Look before sending where it may have been sent; None is "not there, not sent"."""
    if not job.look:
        return processor.submit(order)
    found = _looked_up(job, order, processor=processor)
    if found is None and job.resend and not job.uri:
        return processor.submit(order)
    return found


def _looked_up(job: Job, order: Order, *, processor: Processor) -> Receipt | None:
    """Return what the processor has; a refused question proves nothing about the payment."""
    try:
        if job.uri:
            return _as_ordered(order, processor.fetch(account=order.account, uri=job.uri))
        found = processor.find(order)
        return None if found is None else _as_ordered(order, found)
    except NotFound:
        return None
    except (Rejected, KeyConflict) as error:
        raise Unknown(error.reason, error.code) from error


def _as_ordered(order: Order, receipt: Receipt) -> Receipt:
    """Return what the processor has if it is what was ordered; anything else proves nothing."""
    asked = (order.kind, order.amount, order.currency)
    if asked != (receipt.kind, receipt.amount, receipt.currency):
        raise Unknown("the processor's object is not what was ordered")
    if receipt.key not in {None, order.key}:
        raise Unknown("the processor's object has another key")
    return receipt


def _failure(job: Job, error: ProcessorError) -> Outcome:
    """Translate an error into what it leaves us knowing."""
    verdict = next(
        (verdict for kind, verdict in FAILURES if isinstance(error, kind)), Verdict.UNKNOWN
    )
    return _outcome(
        job,
        verdict,
        code=error.code,
        reason=error.reason,
        retry_after_seconds=error.retry_after_seconds if isinstance(error, Busy) else 0.0,
    )


FAILURES: tuple[tuple[type[ProcessorError], Verdict], ...] = (
    (NotSent, Verdict.NOT_SENT),
    (Busy, Verdict.BUSY),
    (Misconfigured, Verdict.MISCONFIGURED),
    (Rejected, Verdict.REJECTED),
    (NotFound, Verdict.REJECTED),
    (KeyConflict, Verdict.CONFLICT),
)


def _outcome(
    job: Job,
    verdict: Verdict,
    *,
    reason: str = "",
    code: str = "",
    retry_after_seconds: float = 0.0,
) -> Outcome:
    return Outcome(
        transaction_id=job.transaction_id,
        verdict=verdict,
        reason=kept(reason),
        code=kept(code, limit=CODE_LIMIT),
        retry_after_seconds=retry_after_seconds,
    )


def _group(done: SimpleQueue[Outcome], waiting: int) -> list[Outcome]:
    """Return what has come, at most a flush's size, waiting a quarter of a second at most."""
    group: list[Outcome] = []
    until = time.monotonic() + FLUSH_SECONDS
    while len(group) < min(FLUSH_SIZE, waiting):
        try:
            group.append(done.get(timeout=max(0.0, until - time.monotonic())))
        except Empty:
            break
    return group
