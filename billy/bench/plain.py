"""The plain way: Django's ORM, one cycle at a time, and as safe against crashes as Billy.

What a careful Django program does without sets: lock a row, create rows and save rows, commit the
intent; charge; lock again, save, commit the outcome. It writes the rows that Billy writes, the
chain and the number included, with Billy's own functions for ids, keys, hashes and dates.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import Company
from accounts.open import account_of
from audit.chain import Fact, digest
from audit.models import AuditEvent, AuditTrail
from core.ids import derived
from core.money import Money
from core.periods import Period
from invoices import opening, payments
from invoices.models import AuditFeed, NumberSeries, Transaction
from invoices.naming import feed_id
from schedulers.models import Scheduler
from schedulers.states import TICKING
from tasks.pricing import Line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from invoices.attempts import Held
    from processors.base import Processor

AT_ONCE = 500  # So many ids are read ahead; each scheduler is then looked at by itself.
LEASE = timedelta(seconds=120)


def run(*, processor: Processor, now: datetime, cycles: int) -> int:
    """Make so many cycles, or as many as are due; returns how many."""
    companies = {each.pk: each for each in Company.objects.all()}
    done = 0
    while done < cycles:
        due = _due(now=now, limit=min(AT_ONCE, cycles - done))
        if not due:
            break
        for identity in due:
            done += _cycle(identity, companies=companies, processor=processor, now=now)
    return done


def _due(*, now: datetime, limit: int) -> Sequence[UUID]:
    found = Scheduler.objects.filter(state__in=TICKING, computed=False, next_run_at__lte=now)
    return list(found.order_by("next_run_at").values_list("pk", flat=True)[:limit])


def _cycle(
    identity: UUID, *, companies: dict[UUID, Company], processor: Processor, now: datetime
) -> bool:
    with transaction.atomic(durable=True):
        held = _begin(identity, companies=companies, now=now)
    if held is None:
        return False
    receipt = processor.submit(held.order(account_of(companies[held.company_id])))
    with transaction.atomic(durable=True):
        _settle(held, uri=receipt.uri, now=now)
    return True


def _begin(identity: UUID, *, companies: dict[UUID, Company], now: datetime) -> Held | None:
    """T1 of one scheduler."""
    scheduler = (
        Scheduler.objects.select_related("trail", "plan", "instrument")
        .select_for_update(of=("self", "trail"), no_key=True, skip_locked=True)
        .filter(pk=identity, state__in=TICKING, next_run_at__lte=now)
        .first()
    )
    if scheduler is None:
        return None
    feed = _new_feed(scheduler, companies[scheduler.company_id])
    held = feed.attempt(lease_token=payments.token(), now=now)
    (fact,) = opening.facts(feed)
    series, _ = NumberSeries.objects.select_for_update(no_key=True).get_or_create(
        company_id=feed.company_id, series="INV"
    )
    series.last += 1
    series.save(update_fields=["last"])
    _create_feed(feed, number=series.last, now=now)
    _create_attempt(held, now=now)
    _tell(fact, scheduler.trail, now=now)
    scheduler.occurrence += 1
    scheduler.next_run_at = feed.period.end
    scheduler.updated_at = now
    scheduler.save(update_fields=["occurrence", "next_run_at", "updated_at"])
    return held


def _settle(held: Held, *, uri: str, now: datetime) -> None:
    """T3 of one attempt."""
    attempt = (
        Transaction.objects.select_related("feed__trail")
        .select_for_update(of=("self", "feed", "feed__trail"), no_key=True)
        .get(pk=held.transaction_id, state="intent", lease_token=held.lease_token)
    )
    attempt.state, attempt.processor_uri, attempt.updated_at = "succeeded", uri, now
    attempt.lease_token = attempt.lease_until = None
    attempt.save(
        update_fields=["state", "processor_uri", "updated_at", "lease_token", "lease_until"]
    )
    feed = attempt.feed
    feed.live -= held.amount
    feed.captured += held.amount
    feed.state = "settled" if feed.captured == feed.total else feed.state
    feed.save(update_fields=["live", "captured", "state"])
    fact = Fact(
        trail_id=held.trail_id,
        company_id=held.company_id,
        kind="debit.succeeded",
        currency=held.currency,
        moved=held.moved,
        feed_id=held.feed_id,
        transaction_id=held.transaction_id,
        body={"amount": held.amount, "attempt": held.attempt, "uri": uri},
        dedupe=f"debit.succeeded/{held.label}",
    )
    _tell(fact, feed.trail, now=now)


def _new_feed(scheduler: Scheduler, company: Company) -> opening.NewFeed:
    """Return the feed of the scheduler's next occurrence."""
    timer, plan, instrument = scheduler.timer(), scheduler.plan, scheduler.instrument
    place = scheduler.occurrence - scheduler.anchor_occurrence
    assert plan is not None and plan.amount is not None and instrument is not None  # noqa: PT018, S101  # The stage.
    return opening.NewFeed(
        id=feed_id(
            trail=scheduler.pk, due_at=scheduler.next_run_at, occurrence=scheduler.occurrence
        ),
        company_id=scheduler.company_id,
        trail_id=scheduler.pk,
        customer_id=scheduler.customer_id,
        plan_id=plan.pk,
        occurrence=scheduler.occurrence,
        kind="period",
        direction=scheduler.direction,
        period=Period(timer.occurrence(place), timer.occurrence(place + 1)),
        currency=scheduler.currency,
        lines=(Line(description=plan.description, amount=Money(plan.amount, plan.currency)),),
        terms={
            "description": plan.description,
            "task": scheduler.task,
            "time_zone": scheduler.time_zone,
            "version": scheduler.version,
        },
        due_at=scheduler.next_run_at,
        instrument_id=instrument.pk,
        instrument_kind=instrument.kind,
        instrument_uri=instrument.uri,
        statement_text=scheduler.statement_text,
        processor_account=company.processor_account,
    )


def _create_feed(feed: opening.NewFeed, *, number: int, now: datetime) -> None:
    AuditFeed.objects.create(
        id=feed.id,
        company_id=feed.company_id,
        trail_id=feed.trail_id,
        occurrence=feed.occurrence,
        kind=feed.kind,
        direction=feed.direction,
        period_start=feed.period.start,
        period_end=feed.period.end,
        customer_id=feed.customer_id,
        plan_id=feed.plan_id,
        instrument_id=feed.instrument_id,
        currency=feed.currency,
        terms=feed.terms,
        total=feed.total,
        live=feed.total,
        state=feed.state,
        series="INV",
        number=number,
        due_at=feed.due_at,
        opened_at=now,
        created_at=now,
    )


def _create_attempt(held: Held, *, now: datetime) -> None:
    Transaction.objects.create(
        **held.wanted(due_at=now)._asdict(),
        state="intent",
        lease_until=Now() + LEASE,
        first_claimed_at=Now(),
        created_at=now,
        updated_at=now,
    )


def _tell(fact: Fact, trail: AuditTrail, *, now: datetime) -> None:
    """Write an event at the end of its trail, which is locked."""
    seq, prev = trail.head_seq + 1, bytes(trail.head_hash)
    hashed = digest(prev=prev, seq=seq, at=now, fact=fact)
    AuditEvent.objects.create(
        id=derived(at=now, parts=("event", str(trail.pk), seq)),
        company_id=fact.company_id,
        trail=trail,
        seq=seq,
        kind=fact.kind,
        feed_id=fact.feed_id,
        transaction_id=fact.transaction_id,
        amount=fact.amount,
        moved=fact.moved,
        currency=fact.currency,
        body=fact.body,
        actor=fact.actor,
        at=now,
        dedupe=fact.dedupe,
        prev=prev,
        hash=hashed,
    )
    trail.head_seq, trail.head_hash = seq, hashed
    trail.save(update_fields=["head_seq", "head_hash"])
