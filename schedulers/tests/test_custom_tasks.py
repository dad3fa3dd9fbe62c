"""Merchants' own tasks: priced outside any transaction, and parked alone when they fail."""

import time
from datetime import timedelta
from typing import ClassVar

import pytest
from django.db import connection

from audit.models import AuditEvent
from conftest import change, subscribe, tick
from core.frequency import Frequency
from core.money import LARGEST_AMOUNT, Money
from invoices.models import AuditFeed
from plans.models import Payout, Plan
from processors.base import Kind
from processors.memory import Memory
from schedulers import begin as t1
from schedulers import rules, usage
from schedulers.models import Scheduler
from tasks.kinds import DebitTask, PayoutTask, task

pytestmark = pytest.mark.django_db


@task("test-storage", version=2)
class Storage(DebitTask):
    """Charge two cents for each gigabyte."""

    def price(self, context):
        gigabytes = context.usage("storage_gb")
        return context.line("Storage", quantity=gigabytes, unit_amount=Money(2, "USD"))


@task("test-commission")
class Commission(PayoutTask):
    """Pay what the parameters say, in two lines."""

    def price(self, context):
        return [
            context.line("Sales", unit_amount=Money(context.params["sales"], "USD")),
            context.line("Fee", unit_amount=Money(-10, "USD")),
        ]


@task("test-misbehaving")
class Misbehaving(DebitTask):
    """Do what the parameters say, none of which can be billed."""

    def price(self, context):
        return MISDEEDS[context.params["misdeed"]](context)


@task("test-nosy")
class Nosy(DebitTask):
    """Look whether a transaction is open while it is priced."""

    seen: ClassVar[list[bool]] = []

    def price(self, context):
        self.seen.append(connection.in_atomic_block)
        return context.line("Nosy", unit_amount=Money(5, "USD"))


def raises(_):
    raise RuntimeError("the merchant's database is away")


def exits(_):
    raise SystemExit(1)


def dawdles(_):
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        pass


MISDEEDS = {
    "raises": raises,
    "dawdles": dawdles,
    "exits": exits,
    "is in euros": lambda context: context.line("x", unit_amount=Money(5, "EUR")),
    "is negative": lambda context: context.line("x", unit_amount=Money(-1, "USD")),
    "has no lines": lambda _: [],
    "is nothing": lambda _: None,
    "is a number": lambda _: 5,
    "is too large": lambda context: [
        context.line("x", unit_amount=Money(LARGEST_AMOUNT, "USD")) for _ in range(2)
    ],
    "has a zero byte": lambda context: context.line("x\0", unit_amount=Money(5, "USD")),
    "has half a character": lambda context: context.line("\ud800", unit_amount=Money(5, "USD")),
}


def metered(company, *, task_name="test-storage", **terms):
    return Plan.create(
        company=company, task=task_name, description="x", frequency=Frequency.MONTHLY, **terms
    )


def use(scheduler, quantity, *, at):
    name = f"{at.isoformat()} {quantity}"
    used = usage.Used(metric="storage_gb", quantity=quantity, at=at, external_id=name)
    usage.record(scheduler, used, now=at)


def test_what_was_used_in_the_period_that_ended_is_charged(marketplace, alice, memory, now):
    plan = metered(marketplace, now=now)
    scheduler = subscribe(plan, alice, now=now)
    tick(memory, now=now)
    use(scheduler, 100, at=now)
    use(scheduler, "20.5", at=now.replace(month=2) - timedelta(microseconds=1))
    use(scheduler, 1000, at=now.replace(month=2))

    tick(memory, now=now.replace(month=2))

    first, second = AuditFeed.objects.order_by("occurrence")
    event = AuditEvent.objects.get(feed_id=second.pk, kind="invoice.opened")
    assert (first.total, first.state) == (0, "settled")
    assert (second.total, memory.sum()) == (241, 241)
    assert event.body["line"] == "Storage"
    assert event.body["inputs"] == {
        "quantity": "120.500000",
        "unit_amount": 2,
        "formula": "quantity * unit_amount",
        "rounding": "none",
    }


def test_each_line_is_an_event_and_the_sum_is_paid(marketplace, carol, memory, now):
    payout = Payout.create(company=marketplace, task="test-commission", now=now)
    subscribe(payout, carol, now=now, params={"sales": 100})

    tick(memory, now=now)

    feed = AuditFeed.objects.get()
    events = AuditEvent.objects.filter(feed_id=feed.pk).order_by("seq")
    assert [(event.kind, event.amount, event.moved) for event in events] == [
        ("invoice.opened", 100, None),
        ("invoice.line", -10, None),
        ("credit.succeeded", 0, -90),
    ]
    assert (feed.total, memory.sum(kind=Kind.CREDIT)) == (90, 90)


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_what_cannot_be_billed_parks_its_scheduler_alone(misdeed, marketplace, alice, memory, now):
    plan = metered(marketplace, task_name="test-misbehaving", now=now)
    bad = subscribe(plan, alice, now=now, params={"misdeed": misdeed})
    good = subscribe(metered(marketplace, task_name="test-nosy", now=now), alice, now=now)
    fixed = subscribe(Plan.create(company=marketplace, amount=7, now=now), alice, now=now)

    report = tick(memory, now=now, pricing_seconds=0.2)

    bad.refresh_from_db()
    assert (report.parked, report.opened, memory.sum()) == (1, 2, 12)
    assert (bad.state, bad.occurrence, bad.next_run_at) == ("parked", 0, now)
    assert "test-misbehaving" in bad.reason or "refused" in bad.reason
    assert {feed.trail_id for feed in AuditFeed.objects.all()} == {good.pk, fixed.pk}


def test_prices_are_found_outside_any_transaction(marketplace, alice, memory, now):
    Nosy.seen.clear()
    subscribe(metered(marketplace, task_name="test-nosy", now=now), alice, now=now)

    tick(memory, now=now)

    assert (Nosy.seen, memory.sum()) == ([False], 5)


def test_a_task_that_is_no_longer_known_parks_its_schedulers(marketplace, alice, memory, now):
    scheduler = subscribe(metered(marketplace, now=now), alice, now=now)
    change("UPDATE billy_schedulers_scheduler SET task = 'gone'")

    tick(memory, now=now)

    scheduler.refresh_from_db()
    assert scheduler.state == "parked"


@task("test-meddling")
class Meddling(DebitTask):
    """Change the scheduler while it is priced, as a person might."""

    meddle = None

    def price(self, context):
        if type(self).meddle:
            type(self).meddle()
            type(self).meddle = None
        return context.line("x", unit_amount=Money(context.params["price"], "USD"))


def test_a_price_of_other_terms_is_not_taken(marketplace, alice, memory, now):
    plan = metered(marketplace, task_name="test-meddling", now=now)
    scheduler = subscribe(plan, alice, now=now, params={"price": 5})

    def new_terms():
        Scheduler.objects.filter(pk=scheduler.pk).update(params={"price": 8}, version=2)

    Meddling.meddle = new_terms

    stale = tick(memory, now=now)
    fresh = tick(memory, now=now)

    assert (stale.opened, fresh.opened, memory.sum()) == (0, 1, 8)


def test_one_that_is_paused_while_it_is_priced_opens_nothing(marketplace, alice, memory, now):
    plan = metered(marketplace, task_name="test-meddling", now=now)
    scheduler = subscribe(plan, alice, now=now, params={"price": 5})

    def meddle():
        rules.pause(scheduler, now=now)

    Meddling.meddle = meddle

    report = tick(memory, now=now)

    assert (report.opened, AuditFeed.objects.count()) == (0, 0)


def test_a_price_of_other_terms_is_not_taken_while_a_batch_is_halved(
    marketplace, alice, memory, limits, now
):
    from schedulers.quotes import quotes

    plan = metered(marketplace, task_name="test-meddling", now=now)
    scheduler = subscribe(plan, alice, now=now, params={"price": 5})
    quoted = quotes(now=now, limits=limits)
    Scheduler.objects.filter(pk=scheduler.pk).update(params={"price": 8}, version=2)

    claimed = t1._claimed([scheduler.pk], quoted=quoted, now=now)

    assert claimed == []


def test_usage_is_not_charged_in_a_trial_and_a_trial_is_not_priced(marketplace, alice, memory, now):
    plan = metered(marketplace, task_name="test-misbehaving", trial_period=14, now=now)
    scheduler = subscribe(plan, alice, now=now, params={"misdeed": "raises"})

    tick(memory, now=now)

    scheduler.refresh_from_db()
    feed = AuditFeed.objects.get()
    assert (scheduler.state, feed.total, feed.state) == ("trialing", 0, "settled")


@pytest.mark.parametrize(("catch_up", "paid"), [("collapse", 12), ("latest", 4), ("each", 4)])
def test_a_computed_price_is_caught_up_as_a_fixed_one(catch_up, paid, marketplace, alice, now):
    memory = Memory()
    plan = metered(marketplace, task_name="test-meddling", now=now)
    subscribe(plan, alice, now=now, params={"price": 4}, catch_up=catch_up)

    tick(memory, now=now.replace(month=3))

    assert [order.amount for order in memory.orders] == [paid]
