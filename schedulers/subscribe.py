"""Put a customer on an offer: offer + customer + terms become a scheduler with its own trail."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction

from accounts.models import EXTERNAL_LIMIT, Company, Customer, FundingInstrument
from audit.chain import Fact
from audit.record import begin, record
from audit.sets import once
from core import check
from core.frequency import Frequency
from core.ids import PREFIXES, guid, uuid7
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT
from invoices.retry import Policy
from plans.models import Plan
from plans.offer import params_checked, trial_days
from schedulers import follow_ups
from schedulers.models import FOR_EVER, Scheduler
from schedulers.timers import Timer, anchor_from
from tasks import kinds

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a timer calls things, and what the caller said that they come from.
ASKED_AS = {"anchor_at": "started_at", "occurrence": "started_at"}
CATCH_UPS = ("auto", "each", "collapse", "latest", "hold")
WITHOUT_INSTRUMENT = ("pause", "cancel", "invoice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What is asked for. Only plan and customer are needed; the plan says the rest.

    `amount` (whole minor units) and `params` stand in place of the plan's, `trial_period` too
    (None: the plan's; 0: none). `started_at` is the anchor: an aware instant, or a date, which
    starts at 04:00 local. `ends_after` counts occurrences without the trial.
    """

    plan: Plan
    customer: Customer
    instrument: FundingInstrument | None = None
    amount: int | None = None
    params: dict[str, Any] | None = None
    started_at: datetime | date | None = None
    trial_period: int | timedelta | None = None
    time_zone: str = ""
    ends_after: int | None = None
    external_id: str | None = None
    catch_up: str = "auto"
    without_instrument: str = "pause"
    statement_text: str = ""
    retry_policy: dict[str, Any] = field(default_factory=dict)
    follow_ups: Sequence[dict[str, Any]] = ()


def subscribe(wanted: Subscription, *, now: datetime) -> Scheduler:
    """Subscribe one; raises Invalid that names every field that is not sound."""
    scheduler = drafted(wanted, now=now)
    with once("scheduler_external_once", external_id="is the name of another subscription"):
        insert([scheduler], now=now)
    return scheduler


def drafted(wanted: Subscription, *, now: datetime) -> Scheduler:
    """Return the scheduler of a subscription, checked and not yet written; raises Invalid."""
    try:
        return _drafted(wanted, now=now)
    except Invalid as problem:
        told = {ASKED_AS.get(name, name): words for name, words in problem.errors.items()}
        raise type(problem)(told) from None


def _drafted(wanted: Subscription, *, now: datetime) -> Scheduler:
    _check_people(wanted)
    values = _checked(wanted)
    plan, company = wanted.plan, wanted.plan.company
    zone = _zone(wanted, company)
    start = _start(wanted, zone, now=now)
    days = trial_days(wanted.trial_period) if wanted.trial_period is not None else plan.trial_days
    anchor = _anchor(start, days, zone)
    scheduler = Scheduler(
        pk=uuid7(now=now),
        company=company,
        customer=wanted.customer,
        instrument=wanted.instrument,
        plan=plan,
        task=plan.task,
        computed=plan.task not in kinds.FIXED,
        direction=plan.direction,
        currency=plan.currency,
        frequency=plan.frequency,
        interval=plan.interval,
        rule=plan.rule,
        month_end=plan.month_end,
        shift=plan.shift,
        anchor_at=anchor,
        anchor_occurrence=1 if days else 0,
        time_zone=zone,
        started_at=start,
        trial_ends_at=anchor if days else None,
        next_run_at=start,
        state="trialing" if days else "active",
        created_at=now,
        updated_at=now,
        **values,
    )
    timer = _timer(scheduler)
    if not days:
        scheduler.next_run_at = timer.run_at(0)
    return scheduler


def insert(
    schedulers: Sequence[Scheduler], *, now: datetime, request: str = "", actor: str = "billy"
) -> None:
    """Write schedulers with their trails and first events, in sets and one transaction.

    `request` names the asking, and is kept in the events, as is who asked.
    """
    with transaction.atomic():
        heads = begin([(each.pk, each.company_id, "scheduler") for each in schedulers], now=now)
        Scheduler.objects.bulk_create(schedulers)
        listens = {each.company_id for each in schedulers if each.company.listens}
        facts = [replace(_created(each, request=request), actor=actor) for each in schedulers]
        record(facts, heads=heads, now=now, listeners=listens)


def _created(scheduler: Scheduler, *, request: str) -> Fact:
    return Fact(
        trail_id=scheduler.pk,
        company_id=scheduler.company_id,
        kind="scheduler.created",
        currency=scheduler.currency,
        body={
            "task": scheduler.task,
            "customer": guid(PREFIXES["customer"], scheduler.customer_id),
            "plan": guid(PREFIXES["plan"], scheduler.plan_id) if scheduler.plan_id else None,
            "amount": scheduler.amount,
            "anchor_at": scheduler.anchor_at.isoformat(),
            "trial": scheduler.trial_ends_at is not None,
            **({"request": request} if request else {}),
        },
        dedupe="scheduler.created",
    )


def _check_people(wanted: Subscription) -> None:
    """Refuse what belongs to somebody else, and what was withdrawn."""
    plan, customer, instrument = wanted.plan, wanted.customer, wanted.instrument
    if not isinstance(plan, Plan):
        raise Invalid(plan="must be a plan or payout")
    if not isinstance(customer, Customer) or customer.company_id != plan.company_id:
        raise Invalid(customer="must be a customer of the plan's company")
    if plan.deleted_at is not None:
        raise Invalid(plan="was deleted")
    if customer.deleted_at is not None:
        raise Invalid(customer="was deleted")
    if instrument is not None:
        _check_instrument(wanted, instrument)


def _check_instrument(wanted: Subscription, instrument: FundingInstrument) -> None:
    mine = isinstance(instrument, FundingInstrument)
    if not mine or instrument.customer_id != wanted.customer.pk:
        raise Invalid(funding_instrument="must be an instrument of this customer")
    if instrument.state != "active":
        raise Invalid(funding_instrument="can no longer be used; name another one")
    if wanted.plan.direction == "credit" and not instrument.can_credit:
        raise Invalid(funding_instrument="cannot be paid into")
    if wanted.plan.direction == "debit" and not instrument.can_debit:
        raise Invalid(funding_instrument="cannot be charged; a bank account must be verified first")


def _checked(wanted: Subscription) -> dict[str, Any]:
    """Return the fields that are stored as they were given, each checked."""
    plan = wanted.plan
    amount = wanted.amount
    if amount is not None:
        check.whole("amount", amount, minimum=1, maximum=LARGEST_AMOUNT)
    price = plan.amount if amount is None else amount
    plan.company.check_amount(price, direction=plan.direction)
    ends_after = wanted.ends_after
    if ends_after is not None:
        check.whole("ends_after", ends_after, minimum=1, maximum=FOR_EVER)
    if wanted.external_id:
        check.text("external_id", wanted.external_id, limit=EXTERNAL_LIMIT)
    if wanted.statement_text:
        check.statement_text("statement_text", wanted.statement_text)
    if wanted.retry_policy:
        _check_retry_policy(wanted.retry_policy)
    return {
        "amount": amount,
        "params": plan.params | params_checked(wanted.params),
        "ends_after": ends_after,
        "external_id": wanted.external_id or None,
        "catch_up": check.one_of("catch_up", wanted.catch_up, CATCH_UPS),
        "without_instrument": check.one_of(
            "without_instrument", wanted.without_instrument, WITHOUT_INSTRUMENT
        ),
        "statement_text": wanted.statement_text,
        "retry_policy": wanted.retry_policy,
        "follow_ups": follow_ups.checked(wanted.follow_ups, company=plan.company),
    }


def _check_retry_policy(value: object) -> None:
    try:
        Policy.parse(value)
    except Invalid as problem:
        raise Invalid(retry_policy=str(problem)) from None


def _zone(wanted: Subscription, company: Company) -> str:
    """Return the zone: the subscription's, the plan's, the customer's, the company's."""
    zone = (
        wanted.time_zone or wanted.plan.time_zone or wanted.customer.time_zone or company.time_zone
    )
    return check.zone("time_zone", zone)


def _start(wanted: Subscription, zone: str, *, now: datetime) -> datetime:
    if wanted.started_at is None:
        return now
    if not isinstance(wanted.started_at, date):  # An instant is one too.
        raise Invalid(started_at="must be a date, or a datetime with a time zone")
    if isinstance(wanted.started_at, datetime) and wanted.started_at.tzinfo is None:
        raise Invalid(started_at="must have a time zone")
    return anchor_from(wanted.started_at, time_zone=zone)


def _anchor(start: datetime, days: int | None, zone: str) -> datetime:
    """Return the anchor: the start, or the trial's end, so many local days later."""
    if not days:
        return start
    trial = Timer(frequency=Frequency.DAILY, interval=1, anchor_at=start, time_zone=zone)
    return trial.occurrence(days)


def _timer(scheduler: Scheduler) -> Timer:
    """Return the timer, having shown that it has a next occurrence; raises Invalid."""
    timer = scheduler.timer()
    timer.occurrence(1)
    return timer
