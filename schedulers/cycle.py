"""The story: how a due scheduler becomes money that moved, and a trail that explains it.

    tick ─► quotes    custom tasks are priced, outside any transaction
         ─► begin     T1: claim what is due, open its feeds, intend its attempts, move next_run_at
         ─► perform   the wire: many calls at once, no transaction open
         ─► settle    T3: outcomes in bulk: attempts, feeds, events, schedulers, follow-ups
    flow              tick after tick, the next one begun while calls of the last are still out
    sweep             whatever was cut off between T1 and T3: look it up by its key, then settle it

Money moves only between the two transactions. A crash anywhere leaves either nothing, or an
intent whose lease ends; the sweep asks the processor by the intent's key, and only a key that the
processor has never seen is sent again, under that same key.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from django.db import (
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)

from accounts import calls
from accounts.reach import reach
from audit.record import heads
from core.foreign import kept
from invoices import payments
from invoices import settle as writing
from invoices.states import TRANSACTION_MOVES
from processors.base import KeyClass
from schedulers import reactions
from schedulers.begin import begin, listeners_among
from tasks.carry import evidence
from tasks.outcome import DEADLINE, Outcome, Verdict
from tasks.perform import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from accounts.reach import Reach
    from invoices.attempts import Held
    from invoices.settle import Settled
    from processors.base import Account, Processor, Receipt
    from schedulers.limits import Limits

    Result = tuple[Held, Outcome]

logger = logging.getLogger(__name__)

KEY_MARGIN_SECONDS = 3600  # A key is not used in the last hour of its life at the processor.
REFUSALS_TO_PAUSE = 5  # So many calls that could not be sent mean that the rest cannot either.
LOST = (OperationalError, InterfaceError)  # The database is away, or took another's side.
TRIES = 3  # A transaction that lost its connection or a deadlock is tried again so often.


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a pass did; `worked` says whether there may be more."""

    opened: int = 0
    parked: int = 0
    stopped: int = 0  # Canceled, paused or ended without an invoice.
    swept: int = 0
    settled: tuple[Settled, ...] = ()

    @property
    def worked(self) -> bool:
        """Return whether anything was found to do."""
        return bool(self.opened or self.parked or self.stopped or self.swept or self.settled)

    def __add__(self, other: Report) -> Report:
        """Return both."""
        return Report(
            opened=self.opened + other.opened,
            parked=self.parked + other.parked,
            stopped=self.stopped + other.stopped,
            swept=self.swept + other.swept,
            settled=self.settled + other.settled,
        )


def tick(*, processor: Processor, now: datetime, limits: Limits) -> Report:
    """Run one batch of what is due at `now`: new occurrences, and attempts planned for now."""
    return sum(flow(processor=processor, now=now, limits=limits, batches=1), start=Report())


def flow(
    *,
    processor: Processor,
    now: datetime,
    limits: Limits,
    batches: int | None = None,
    stop: Callable[[], bool] = bool,
) -> Iterator[Report]:
    """Run batch after batch until nothing is due; tells what each step did.

    The next batch is claimed while calls of the one before are still out, so that the wire is
    never idle; a little goes before the first, and is not counted among the `batches`. No batch
    begins past the time of a flow, or when `stop` says so: then what was not sent goes back to the
    queue, and what was sent is waited for.
    """
    ends = time.monotonic() + limits.flow_seconds
    begun, more, idle = 0, True, batches != 1
    with Wire(processor=processor, calls_at_once=limits.calls_at_once) as wire:
        flight = Flight(wire=wire, processor=processor, now=now, limits=limits)
        while more or wire.busy:
            if stop():
                more = False
                yield Report(settled=flight.landed(wire.recall()))
            if more and wire.hungry:
                report = _claimed(flight, _a_little(limits) if idle else limits)
                begun, idle = begun + (not idle), False
                more = report.worked and begun != batches and time.monotonic() < ends
                yield report
            else:
                yield Report(settled=flight.landed(wire.outcomes()))
        if flight.failed is not None:
            raise flight.failed


def _a_little(limits: Limits) -> Limits:
    """Return the limits of what an idle wire is given first: a round, and one to go on with."""
    return replace(limits, batch_size=min(limits.batch_size, 2 * limits.calls_at_once))


def _claimed(flight: Flight, limits: Limits) -> Report:
    """T1, and the orders on the wire. One that fails must not lose what is still out."""
    deadline = time.monotonic() + limits.budget_seconds  # No lease begins before this.
    now = flight.now
    try:
        begun = begin(now=now, limits=limits)
        again = (
            payments.lease_queued(
                now=now, limit=limits.batch_size, lease_seconds=limits.lease_seconds
            )
            if begun.queued
            else []
        )
        flight.send([*begun.held, *again], deadline=deadline)
    except Exception as error:  # Raised again when all answers are written.
        if not flight.wire.busy:
            raise
        flight.failed = error
        return Report()
    return Report(opened=begun.opened, parked=begun.parked, stopped=begun.stopped, swept=len(again))


def sweep(
    *, processor: Processor, now: datetime, limits: Limits, stop: Callable[[], bool] = bool
) -> Report:
    """Finish what was cut off, and ask after what is still pending at the processor."""
    lost = payments.lease_lost(limit=limits.batch_size, lease_seconds=limits.lease_seconds)
    waiting = payments.lease_pending(limit=limits.batch_size, lease_seconds=limits.lease_seconds)
    settled = run([*lost, *waiting], processor=processor, now=now, limits=limits, stop=stop)
    return Report(swept=len(lost) + len(waiting), settled=tuple(settled))


def run(
    held: Sequence[Held],
    *,
    processor: Processor,
    now: datetime,
    limits: Limits,
    stop: Callable[[], bool] = bool,
) -> list[Settled]:
    """Carry held attempts to the processor and settle what they came to, flush by flush.

    No call begins later than a batch's budget from now on, nor when `stop` says so.
    """
    settled: list[Settled] = []
    if held:
        deadline = time.monotonic() + limits.budget_seconds
        with Wire(processor=processor, calls_at_once=limits.calls_at_once) as wire:
            flight = Flight(wire=wire, processor=processor, now=now, limits=limits)
            flight.send(held, deadline=deadline)
            while wire.busy:
                back = wire.recall() if stop() else []
                settled += flight.landed(back or wire.outcomes())
    return settled


@dataclass(slots=True, kw_only=True)
class Flight:
    """The attempts that are out on a wire, and what is needed to write down what they come to."""

    wire: Wire
    processor: Processor
    now: datetime
    limits: Limits
    out: dict[UUID, Held] = field(default_factory=dict)
    reached: dict[UUID, Reach] = field(default_factory=dict)
    refused: dict[UUID, list[str]] = field(default_factory=dict)
    failed: Exception | None = None

    def send(self, held: Sequence[Held], *, deadline: float) -> None:
        """Put attempts on the wire, those of one company between those of the others."""
        if not held:
            return
        self.reached |= reach({each.company_id for each in held})
        self.out |= {each.transaction_id: each for each in held}
        jobs = [
            each.job(
                _account(each, self.reached[each.company_id]),
                resend=_may_resend(each, self.processor),
                look=self.processor.key_class == KeyClass.LOOKUP,
            )
            for each in _mixed(held)
        ]
        self.wire.send(jobs, deadline=deadline)

    def landed(self, outcomes: Iterable[Outcome]) -> tuple[Settled, ...]:
        """T3: write down what came back."""
        results = [(self.out.pop(outcome.transaction_id), outcome) for outcome in outcomes]
        if not results:
            return ()
        listeners = {pk for pk, company in self.reached.items() if company.listens}
        settled = settle(results, now=self.now, limits=self.limits, listeners=listeners)
        self._pause_the_unreachable(results)
        return tuple(settled)

    def _pause_the_unreachable(self, results: Iterable[Result]) -> None:
        """Stop the calls of a company for a while when so many of them could not be sent."""
        told = set()
        for each, outcome in results:
            if _could_not_be_sent(outcome):
                misconfigured = outcome.verdict == Verdict.MISCONFIGURED
                why = [outcome.reason] * (REFUSALS_TO_PAUSE if misconfigured else 1)
                self.refused.setdefault(each.company_id, []).extend(why)
                told.add(each.company_id)
        reasons = {
            company: self.refused.pop(company)[-1]
            for company in told
            if len(self.refused[company]) >= REFUSALS_TO_PAUSE
        }
        calls.pause(reasons, now=self.now)


def _mixed(held: Sequence[Held]) -> list[Held]:
    """Return them in turns of the companies, so that none waits for all of another's."""
    turns: dict[UUID, int] = {}
    placed = []
    for each in held:
        turn = turns[each.company_id] = turns.get(each.company_id, 0) + 1
        placed.append((turn, each))
    if len(turns) > 1:
        placed.sort(key=lambda pair: pair[0])
    return [each for _, each in placed]


def _could_not_be_sent(outcome: Outcome) -> bool:
    unsent = outcome.verdict in {Verdict.NOT_SENT, Verdict.MISCONFIGURED}
    return unsent and outcome.code != DEADLINE


def settle(
    results: Sequence[Result],
    *,
    now: datetime,
    limits: Limits,
    listeners: Collection[UUID] = (),
) -> list[Settled]:
    """T3: write what attempts came to, and what follows for their feeds and schedulers.

    One outcome that cannot be written (the processor named an object that belongs to another
    attempt) is parked by itself; the others land.
    """
    if not results:
        return []
    try:
        return _repeated(lambda: _settle(results, now=now, limits=limits, listeners=listeners))
    except LOST:
        raise
    except Exception as error:  # noqa: BLE001  # One that fails must not hold up the others.
        if len(results) > 1:
            half = len(results) // 2
            return settle(results[:half], now=now, limits=limits, listeners=listeners) + settle(
                results[half:], now=now, limits=limits, listeners=listeners
            )
        return _conflict(results[0][0], error, now=now, limits=limits)


def _conflict(held: Held, error: Exception, *, now: datetime, limits: Limits) -> list[Settled]:
    """Park an attempt whose outcome cannot be written; if even that is refused, say so loudly."""
    conflict = Outcome(
        transaction_id=held.transaction_id,
        verdict=Verdict.CONFLICT,
        reason=kept(f"its outcome could not be written: {error}"),
    )
    try:
        return _settle([(held, conflict)], now=now, limits=limits, listeners=())
    except LOST:
        raise
    except Exception:
        logger.exception("attempt %s can be neither settled nor parked", held.transaction_id)
        return []


def believe(
    transaction_id: UUID, receipt: Receipt, *, now: datetime, limits: Limits
) -> list[Settled]:
    """Settle an attempt by what the processor itself says of it, whoever holds the attempt.

    Evidence needs no lease: it is the truth. It moves an attempt only along the table of states,
    so an old word changes nothing. One that another writer moved meanwhile is looked at again.
    """
    for _ in range(TRIES):
        (held,) = payments.held([transaction_id])
        outcome = evidence(held.job(None), receipt)
        if not _is_news(held, receipt, outcome):
            return []
        settled = settle(
            [(held, outcome)], now=now, limits=limits, listeners=listeners_among({held.company_id})
        )
        if settled:
            return settled
    return []


def _is_news(held: Held, receipt: Receipt, outcome: Outcome) -> bool:
    asked = (held.kind, held.amount, held.currency)
    if asked != (str(receipt.kind), receipt.amount, receipt.currency) or held.state == "parked":
        return False
    after = "returned" if held.state == "succeeded" else str(outcome.verdict)
    if held.state == "succeeded" and outcome.verdict != Verdict.DECLINED:
        return False
    return after in TRANSACTION_MOVES[held.state]


def _settle(
    results: Sequence[Result], *, now: datetime, limits: Limits, listeners: Collection[UUID]
) -> list[Settled]:
    with transaction.atomic(durable=True):
        locked = reactions.lock(reactions.concerned(results))
        chain = heads(reactions.trails(results))
        settled = writing.settle(
            results,
            heads=chain,
            now=now,
            looks=limits.looks,
            listeners=listeners,
            over={trail for trail, (state, _) in locked.items() if state == "canceled"},
        )
        reactions.react(settled, locked=locked, heads=chain, now=now, listeners=listeners)
    return settled


def _repeated(work: Callable[[], list[Settled]]) -> list[Settled]:
    """Do it again on a fresh connection where one was lost; the guards make that harmless."""
    for tried in range(1, TRIES + 1):
        try:
            return work()
        except LOST:
            if tried == TRIES:
                raise
            connection.close()
    raise AssertionError


def _may_resend(held: Held, processor: Processor) -> bool:
    """Return whether a request that is not found may go out again under its own key."""
    if processor.key_class not in {KeyClass.KEYS, KeyClass.REFERENCE}:
        return held.fresh
    life = processor.key_life_seconds
    return life is None or held.age_seconds < life - KEY_MARGIN_SECONDS


def _account(held: Held, company: Reach) -> Account | None:
    """Return where an attempt goes; never another account than the one that it was made for."""
    return company.account if held.processor_account == company.name else None
