"""The story: how a due scheduler becomes money that moved, and a trail that explains it.

    tick ─► quotes    custom tasks are priced, outside any transaction
         ─► begin     T1: claim what is due, open its feeds, intend its attempts, move next_run_at
         ─► perform   the wire: many calls at once, no transaction open
         ─► settle    T3: outcomes in bulk: attempts, feeds, events, schedulers, follow-ups
    sweep             whatever was cut off between T1 and T3: look it up by its key, then settle it

Money moves only between the two transactions. A crash anywhere leaves either nothing, or an
intent whose lease ends; the sweep asks the processor by the intent's key, and only a key that the
processor has never seen is sent again, under that same key.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import (
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)

from accounts import calls
from accounts.models import Company
from accounts.open import account_of
from accounts.secret import UnreadableSecret
from audit.record import heads
from core.foreign import kept
from invoices import payments
from invoices import settle as writing
from invoices.states import TRANSACTION_MOVES
from processors.base import KeyClass
from schedulers import reactions
from schedulers.begin import begin, listeners_among
from tasks.outcome import DEADLINE, Outcome, Verdict
from tasks.perform import evidence, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime
    from uuid import UUID

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


def tick(*, processor: Processor, now: datetime, limits: Limits) -> Report:
    """Run one batch of what is due at `now`: new occurrences, and attempts planned for now."""
    deadline = time.monotonic() + limits.budget_seconds  # The leases begin no earlier than this.
    begun = begin(now=now, limits=limits)
    again = payments.lease_queued(
        now=now, limit=limits.batch_size, lease_seconds=limits.lease_seconds
    )
    settled = run(
        [*begun.held, *again], processor=processor, now=now, limits=limits, deadline=deadline
    )
    return Report(
        opened=begun.opened,
        parked=begun.parked,
        stopped=begun.stopped,
        swept=len(again),
        settled=tuple(settled),
    )


def sweep(*, processor: Processor, now: datetime, limits: Limits) -> Report:
    """Finish what was cut off, and ask after what is still pending at the processor."""
    lost = payments.lease_lost(limit=limits.batch_size, lease_seconds=limits.lease_seconds)
    waiting = payments.lease_pending(limit=limits.batch_size, lease_seconds=limits.lease_seconds)
    settled = run([*lost, *waiting], processor=processor, now=now, limits=limits)
    return Report(swept=len(lost) + len(waiting), settled=tuple(settled))


def run(
    held: Sequence[Held],
    *,
    processor: Processor,
    now: datetime,
    limits: Limits,
    deadline: float | None = None,
) -> list[Settled]:
    """Carry held attempts to the processor and settle what they came to, flush by flush.

    No call begins after the deadline, in seconds of this process's monotonic clock (default: a
    batch's budget from now on).
    """
    if not held:
        return []
    left = limits.budget_seconds if deadline is None else max(0.0, deadline - time.monotonic())
    companies = {each.pk: each for each in _companies(held)}
    by_id = {each.transaction_id: each for each in held}
    jobs = [
        each.job(
            _account(each, companies[each.company_id]),
            resend=_may_resend(each, processor),
            look=processor.key_class == KeyClass.LOOKUP,
        )
        for each in held
    ]
    listeners = {pk for pk, company in companies.items() if company.listens}
    settled: list[Settled] = []
    refused: dict[UUID, list[str]] = {}
    for outcomes in perform(
        jobs,
        processor=processor,
        calls_at_once=limits.calls_at_once,
        budget_seconds=left,
    ):
        results = [(by_id[outcome.transaction_id], outcome) for outcome in outcomes]
        settled += settle(results, now=now, limits=limits, listeners=listeners)
        for each, outcome in results:
            if _could_not_be_sent(outcome):
                refused.setdefault(each.company_id, []).append(outcome.reason)
                if outcome.verdict == Verdict.MISCONFIGURED:
                    refused[each.company_id] += [outcome.reason] * REFUSALS_TO_PAUSE
    calls.pause(
        {pk: why[-1] for pk, why in refused.items() if len(why) >= REFUSALS_TO_PAUSE}, now=now
    )
    return settled


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


def _companies(held: Sequence[Held]) -> list[Company]:
    """Return the companies; one whose secret cannot be read comes without its key."""
    wanted = {each.company_id for each in held}
    try:
        return list(Company.objects.filter(pk__in=wanted))
    except UnreadableSecret:
        return [_readable(each) for each in wanted]


def _readable(identity: UUID) -> Company:
    try:
        return Company.objects.get(pk=identity)
    except UnreadableSecret:
        logger.exception("a secret of company %s cannot be read", identity)
        company = Company.objects.defer("processor_key", "callback_key").get(pk=identity)
        company.processor_key = company.callback_key = ""
        return company


def _account(held: Held, company: Company) -> Account | None:
    """Return where an attempt goes; never another account than the one that it was made for."""
    if not company.processor_key or held.processor_account != company.processor_account:
        return None
    return account_of(company)
