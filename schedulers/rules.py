"""What a change does to a scheduler: pause, resume, cancel. Each leaves its event.

A verb locks the scheduler, then its trail, as every writer does, and moves it along the table of
states; a move that the table does not have raises Invalid and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from audit.chain import Fact
from audit.record import heads, record
from core.invalid import Invalid
from invoices.models import AuditFeed
from invoices.void import void_queued
from schedulers.models import Scheduler
from schedulers.occurrences import UNPAID_TRIAL
from schedulers.states import SCHEDULER_MOVES, TICKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from accounts.models import FundingInstrument
    from audit.record import Heads

AT_PERIOD_END = "period_end"
NOW = "now"
STOP = "stop"  # What is still owed when a scheduler ends: leave it, or go on collecting it.
GO_ON = "continue"


def pause(scheduler: Scheduler, *, now: datetime, actor: str = "billy") -> Scheduler:
    """Stop opening occurrences; open invoices and their retries go on. Raises Invalid."""

    def change(locked: Scheduler, _: Heads) -> list[Fact]:
        _move(locked, "paused", reason="paused on request", now=now)
        return [_fact(locked, "scheduler.paused", {}, actor=actor)]

    return _changed(scheduler.pk, change, now=now)


def resume(scheduler: Scheduler, *, now: datetime, actor: str = "billy") -> Scheduler:
    """Open occurrences again, from the next boundary on; those missed are skipped for good.

    Raises Invalid where it is not stopped.
    """

    def change(locked: Scheduler, _: Heads) -> list[Fact]:
        before = locked.state
        if before in TICKING:  # Moves to active are in the table for trials and debtors alone.
            raise Invalid(scheduler=f"is {before}, so there is nothing to resume")
        # One that waited for an instrument at the end of its trial is charged for this period.
        waited = locked.reason == UNPAID_TRIAL
        trial = locked.occurrence < locked.anchor_occurrence or (
            locked.trial_ends_at is not None and now < locked.trial_ends_at
        )
        _move(locked, "trialing" if trial else "active", reason="", now=now)
        facts = [_fact(locked, "scheduler.resumed", {"from": before}, actor=actor)]
        skipped = None
        if before == "paused":
            skipped = _skip_missed(locked, keep_current=waited, now=now)
        if skipped is not None:
            body = {"from": skipped[0], "to": skipped[1], "reason": "paused"}
            facts.append(
                _fact(locked, "occurrences.skipped", body, actor=actor, name=f"skip/{skipped[0]}")
            )
        return facts

    return _changed(scheduler.pk, change, now=now)


def cancel(
    scheduler: Scheduler,
    *,
    now: datetime,
    at: str = AT_PERIOD_END,
    dunning: str = STOP,
    actor: str = "billy",
) -> Scheduler:
    """End it now, or with the current period. What is under way finishes and is recorded.

    Planned retries are called off with a cancel now, unless `dunning` is to go on: then what is
    planned is still tried, and nothing after it. Raises Invalid where it is over already.
    """
    if at not in {AT_PERIOD_END, NOW}:
        raise Invalid(at=f"must be {AT_PERIOD_END} or {NOW}")
    if dunning not in {STOP, GO_ON}:
        raise Invalid(dunning=f"must be {STOP} or {GO_ON}")

    def change(locked: Scheduler, _: Heads) -> list[Fact]:
        if at == AT_PERIOD_END and locked.state in TICKING:
            if locked.cancel_at is not None:
                raise Invalid(scheduler="is canceled for the end of the period already")
            locked.cancel_at = locked.next_run_at
            locked.version += 1
            body = {"at": locked.cancel_at.isoformat()}
            return [_fact(locked, "scheduler.cancel_planned", body, actor=actor)]
        _move(locked, "canceled", reason="canceled on request", now=now)
        locked.canceled_at = now
        voided = void_queued([locked.pk], now=now, actor=actor) if dunning == STOP else []
        return [*voided, _fact(locked, "scheduler.canceled", {}, actor=actor)]

    return _changed(scheduler.pk, change, now=now)


def use_instrument(
    scheduler: Scheduler, instrument: FundingInstrument, *, now: datetime, actor: str = "billy"
) -> list[AuditFeed]:
    """Charge or pay through another instrument from now on; returns the invoices still owed.

    A scheduler that was held or errored goes on. What is owed is for the caller to collect
    (`invoices.collect`), one at once. Raises Invalid for what is not the customer's.
    """

    def change(locked: Scheduler, _: Heads) -> list[Fact]:
        usable = instrument.can_credit if locked.direction == "credit" else instrument.can_debit
        if instrument.customer_id != locked.customer_id or instrument.state != "active":
            raise Invalid(funding_instrument="must be a usable instrument of this customer")
        if not usable:
            verb = "paid into" if locked.direction == "credit" else "charged"
            raise Invalid(funding_instrument=f"cannot be {verb}")
        if locked.state in {"canceled", "ended"}:
            raise Invalid(scheduler=f"is {locked.state}")
        locked.instrument = instrument
        body = {"instrument": instrument.guid}
        if locked.state in {"held", "errored"}:
            body["from"] = locked.state
            _move(locked, "active", reason="", now=now)
        else:
            locked.version += 1
        return [_fact(locked, "scheduler.changed", body, actor=actor)]

    _changed(scheduler.pk, change, now=now)
    owed = AuditFeed.objects.filter(
        trail_id=scheduler.pk, kind="period", state__in=["open", "uncollected"]
    )
    return list(owed.order_by("occurrence"))


def _changed(
    identity: UUID, change: Callable[[Scheduler, Heads], list[Fact]], *, now: datetime
) -> Scheduler:
    """Lock, change, record, save: the one way in which a person changes a scheduler."""
    with transaction.atomic():
        locked = Scheduler.objects.select_for_update(of=("self",), no_key=True).get(pk=identity)
        chain = heads([identity])
        facts = change(locked, chain)
        listens = [locked.company_id] if locked.company.listens else []
        record(facts, heads=chain, now=now, listeners=listens)
        locked.updated_at = now
        locked.save(update_fields=CHANGED)
    return locked


CHANGED = (
    "state",
    "reason",
    "instrument",
    "version",
    "cancel_at",
    "canceled_at",
    "occurrence",
    "next_run_at",
    "updated_at",
)


def _move(scheduler: Scheduler, after: str, *, reason: str, now: datetime) -> None:
    if after not in SCHEDULER_MOVES[scheduler.state]:
        raise Invalid(scheduler=f"is {scheduler.state}, so it cannot become {after}")
    scheduler.state = after
    scheduler.reason = reason
    scheduler.version += 1
    scheduler.updated_at = now


def _skip_missed(
    scheduler: Scheduler, *, keep_current: bool, now: datetime
) -> tuple[int, int] | None:
    """Pass over what came due while it was paused; returns the first and the last of them."""
    first = scheduler.occurrence
    place = first - scheduler.anchor_occurrence
    timer = scheduler.timer()
    missed = timer.count_until(now, max(place, 0)) + (
        1 if place < 0 <= _since(scheduler, now) else 0
    )
    if keep_current:
        missed -= 1
    if missed < 1:
        return None
    scheduler.occurrence = first + missed
    scheduler.next_run_at = timer.run_at(scheduler.occurrence - scheduler.anchor_occurrence)
    return first, first + missed - 1


def _since(scheduler: Scheduler, now: datetime) -> int:
    return 0 if now >= scheduler.anchor_at else -1


def _fact(
    scheduler: Scheduler, kind: str, body: dict[str, Any], *, actor: str, name: str = ""
) -> Fact:
    return Fact(
        trail_id=scheduler.pk,
        company_id=scheduler.company_id,
        kind=kind,
        currency=scheduler.currency,
        body=body,
        actor=actor,
        dedupe=name or f"state/{scheduler.version}",
    )
