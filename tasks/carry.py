"""Carry one order to a processor and tell what it came to. Writes nothing, raises nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

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
    from processors.base import Order, Processor

CODE_LIMIT = 80  # Processors' codes are words.

VERDICTS = {
    Status.SUCCEEDED: Verdict.SUCCEEDED,
    Status.PENDING: Verdict.PENDING,
    Status.FAILED: Verdict.DECLINED,
}


def carry_out(job: Job, *, processor: Processor, deadline: float) -> Outcome:
    """Make the calls of one job and return what it came to. Raises nothing."""
    if job.order is None:
        return _outcome(job, Verdict.MISCONFIGURED, reason="the company has no processor key")
    if time.monotonic() >= deadline:
        return given_back(job)
    try:
        receipt = _receipt(job, job.order, processor=processor)
    except ProcessorError as error:
        return _failure(job, error)
    except BaseException as error:  # noqa: BLE001  # A processor's own bug: nothing is known, so look it up later.
        return _outcome(job, Verdict.UNKNOWN, reason=told(error))
    if receipt is None:
        return _outcome(job, Verdict.ABSENT, reason="the processor does not know it")
    return evidence(job, receipt)


def given_back(job: Job) -> Outcome:
    """Return the outcome of a job whose call was never begun."""
    return _outcome(job, Verdict.NOT_SENT, code=DEADLINE, reason="its call was not begun in time")


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
