"""A year of the marketplace, through the verbs that the doors call, with a moved clock."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.models import AuditEvent
from conftest import give_instrument, hasten, instrument_of, subscribe, sweep, tick
from core.frequency import Frequency
from invoices import collect, refund
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from processors.base import Kind, Status
from processors.memory import Declined, Pending
from schedulers import cycle, rules
from schedulers.models import Scheduler

pytestmark = [pytest.mark.django_db, pytest.mark.stories]


def live_through(memory, *, start, days, each_day=lambda _: None):
    """Let the days pass one by one, with a few passes on each."""
    for day in range(days + 1):
        now = start + timedelta(days=day)
        each_day(now)
        while tick(memory, now=now).worked:
            pass
        hasten()
        sweep(memory, now=now)


def months_of(scheduler):
    feeds = AuditFeed.objects.filter(trail_id=scheduler.pk).order_by("occurrence")
    return [(f"{feed.period_start:%m-%d}", feed.state) for feed in feeds]


def test_the_goat_plan_bills_every_three_months_for_a_year(marketplace, alice, memory, now):
    goat = Plan.create(
        company=marketplace,
        amount=100,
        description="the goat - silver",
        trial_period=None,
        frequency=Frequency.MONTHLY,
        interval=3,
        now=now,
    )
    scheduler = subscribe(goat, alice, now=now)

    live_through(memory, start=now, days=365)

    assert months_of(scheduler) == [
        ("01-01", "settled"),
        ("04-01", "settled"),
        ("07-01", "settled"),
        ("10-01", "settled"),
        ("01-01", "settled"),
    ]
    assert memory.sum() == 500


def test_the_thirty_first_comes_back_after_a_short_month(goat, alice, memory):
    start = datetime(2026, 1, 31, 9, tzinfo=UTC)
    scheduler = subscribe(goat, alice, now=start, started_at=start)

    live_through(memory, start=start, days=150)

    days = [day for day, _ in months_of(scheduler)]
    assert days == ["01-31", "02-28", "03-31", "04-30", "05-31", "06-30"]


def test_nine_in_new_york_is_nine_in_new_york_all_year(goat, alice, memory):
    start = datetime(2026, 2, 15, 14, tzinfo=UTC)
    scheduler = subscribe(goat, alice, now=start, started_at=start, time_zone="America/New_York")

    live_through(memory, start=start, days=70)

    starts = AuditFeed.objects.filter(trail_id=scheduler.pk).order_by("occurrence")
    hours = [f"{feed.period_start:%m-%d %H}" for feed in starts]
    assert hours == ["02-15 14", "03-15 13", "04-15 13"]


def test_a_card_expires_is_replaced_and_nothing_is_lost(goat, alice, memory, limits, now):
    scheduler = subscribe(goat, alice, now=now)
    live_through(memory, start=now, days=20)
    march = now.replace(month=3)
    memory.script.append(Declined(hard=True, reason="The card was closed"))
    live_through(memory, start=now.replace(month=2), days=10)
    scheduler.refresh_from_db()
    stopped = scheduler.state

    card = give_instrument(alice, memory.add_card(), memory=memory, now=march)
    owed = rules.use_instrument(scheduler, card, now=march)
    for feed in owed:
        held = collect.collect(feed, instrument=card, now=march, lease_seconds=120)
        cycle.run(held, processor=memory, now=march, limits=limits)
    rules.resume(scheduler, now=march)
    live_through(memory, start=march, days=40)

    assert stopped == "paused"
    assert months_of(scheduler) == [
        ("01-01", "settled"),
        ("02-01", "settled"),
        ("04-01", "settled"),
    ]
    assert memory.sum() == 300
    skipped = AuditEvent.objects.get(kind="occurrences.skipped")
    assert skipped.body["reason"] == "paused"


def test_a_bank_debit_takes_days_comes_back_and_is_paid_in_the_end(goat, bob, memory, now):
    scheduler = subscribe(goat, bob, now=now)
    memory.script.append(Pending)
    live_through(memory, start=now, days=2)
    first = Transaction.objects.get()

    memory.settle(first.processor_uri, Status.FAILED, "R01")
    live_through(memory, start=now + timedelta(days=3), days=10)

    scheduler.refresh_from_db()
    states = Transaction.objects.order_by("attempt").values_list("state", flat=True)
    assert list(states) == ["declined", "succeeded"]
    assert (scheduler.state, memory.sum()) == ("active", 100)


def test_buyers_pay_sellers_are_paid_and_a_sale_is_taken_back(
    goat, alice, carol, memory, limits, now
):
    rule = {"role": "seller", "customer": carol.guid, "instrument": instrument_of(carol).guid}
    subscribe(goat, alice, now=now, follow_ups=[rule | {"share": 9000, "after_days": 7}])
    live_through(memory, start=now, days=75)
    paid = AuditFeed.objects.filter(direction="debit").earliest("due_at")
    payout = AuditFeed.objects.filter(direction="credit").earliest("due_at")

    for feed in (paid, payout):
        held = refund.give_back(feed, now=now.replace(month=4), lease_seconds=120)
        cycle.run([held], processor=memory, now=now.replace(month=4), limits=limits)

    sums = {kind: memory.sum(kind=kind) for kind in Kind}
    assert sums == {Kind.DEBIT: 300, Kind.CREDIT: 270, Kind.REFUND: 100, Kind.REVERSAL: 90}
    moved = sum(event.moved for event in AuditEvent.objects.filter(moved__isnull=False))
    assert moved == 300 - 270 - 100 + 90
    assert Scheduler.objects.filter(parent__isnull=False, state="ended").count() == 3
