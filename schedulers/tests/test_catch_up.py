"""Occurrences that were missed, trials, and the last occurrence."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.models import AuditEvent
from conftest import instrument_of, subscribe, tick
from core.frequency import Frequency
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from schedulers import rules
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db

MARCH = datetime(2026, 3, 1, 9, tzinfo=UTC)
JUNE = datetime(2026, 6, 2, 9, tzinfo=UTC)


def until_idle(memory, *, now):
    for _ in range(50):
        if not tick(memory, now=now).worked:
            return
    pytest.fail("there is always more to do")


def monthly_until_the_workers_went_down(goat, alice, memory, **terms):
    """Bill on 1 March; the workers are down from 28 March to 2 June."""
    scheduler = subscribe(goat, alice, now=MARCH, started_at=MARCH, **terms)
    until_idle(memory, now=MARCH)
    until_idle(memory, now=JUNE)
    scheduler.refresh_from_db()
    return scheduler


def feeds_after_march():
    return list(AuditFeed.objects.filter(occurrence__gt=0).order_by("occurrence"))


def spans(feeds):
    return [f"{feed.period_start:%m-%d} {feed.period_end:%m-%d}" for feed in feeds]


def test_three_months_missed_become_drafts_that_wait_for_a_person(goat, alice, memory):
    scheduler = monthly_until_the_workers_went_down(goat, alice, memory)

    feeds = feeds_after_march()
    assert spans(feeds) == ["04-01 05-01", "05-01 06-01", "06-01 07-01"]
    assert [f"{feed.due_at:%m-%d}" for feed in feeds] == ["04-01", "05-01", "06-01"]
    assert {(feed.state, feed.number, feed.live) for feed in feeds} == {("draft", None, 0)}
    assert (scheduler.next_run_at, scheduler.occurrence) == (MARCH.replace(month=7), 4)
    assert scheduler.state == "active"
    assert memory.sum() == 100
    assert AuditEvent.objects.filter(kind="invoice.drafted").count() == 3


def test_each_opens_them_all_in_their_order(goat, alice, memory):
    scheduler = monthly_until_the_workers_went_down(goat, alice, memory, catch_up="each")

    feeds = feeds_after_march()
    assert spans(feeds) == ["04-01 05-01", "05-01 06-01", "06-01 07-01"]
    assert [feed.number for feed in feeds] == [2, 3, 4]
    assert {feed.state for feed in feeds} == {"settled"}
    assert scheduler.next_run_at == MARCH.replace(month=7)
    assert memory.sum() == 400


def test_collapse_makes_one_invoice_with_a_line_for_each(goat, alice, memory):
    scheduler = monthly_until_the_workers_went_down(goat, alice, memory, catch_up="collapse")

    (feed,) = feeds_after_march()
    lines = AuditEvent.objects.filter(feed_id=feed.pk, amount__gt=0)
    assert spans([feed]) == ["04-01 07-01"]
    assert (feed.occurrence, feed.total, feed.state) == (3, 300, "settled")
    assert [event.amount for event in lines] == [100, 100, 100]
    assert AuditEvent.objects.get(kind="occurrences.skipped").body["from"] == 1
    assert (scheduler.next_run_at, scheduler.occurrence) == (MARCH.replace(month=7), 4)
    assert len(memory.orders) == 2


def test_latest_charges_the_current_one_and_says_which_were_passed_over(goat, alice, memory):
    scheduler = monthly_until_the_workers_went_down(goat, alice, memory, catch_up="latest")

    (feed,) = feeds_after_march()
    skipped = AuditEvent.objects.get(kind="occurrences.skipped")
    assert (spans([feed]), feed.state) == (["06-01 07-01"], "settled")
    assert skipped.body == {"from": 1, "to": 2, "reason": "missed"}
    assert scheduler.next_run_at == MARCH.replace(month=7)


def test_hold_drafts_even_what_is_a_little_late(goat, alice, memory):
    monthly_until_the_workers_went_down(goat, alice, memory, catch_up="hold")

    assert {feed.state for feed in feeds_after_march()} == {"draft"}


@pytest.mark.parametrize(
    ("frequency", "late", "state"),
    [
        (Frequency.DAILY, timedelta(days=3), "settled"),
        (Frequency.DAILY, timedelta(days=3, seconds=1), "draft"),
        (Frequency.WEEKLY, timedelta(days=7), "settled"),
        (Frequency.WEEKLY, timedelta(days=7, seconds=1), "draft"),
        (Frequency.MONTHLY, timedelta(days=31), "settled"),
        (Frequency.MONTHLY, timedelta(days=31, seconds=1), "draft"),
    ],
)
def test_what_is_late_by_more_than_three_days_and_a_period_waits(
    frequency, late, state, marketplace, alice, memory
):
    plan = Plan.create(company=marketplace, amount=100, frequency=frequency, now=MARCH)
    subscribe(plan, alice, now=MARCH, started_at=MARCH)

    tick(memory, now=MARCH + late)

    assert {feed.state for feed in AuditFeed.objects.all()} == {state}


def test_more_than_a_thousand_missed_at_once_need_a_person(marketplace, alice, memory):
    plan = Plan.create(company=marketplace, amount=1, frequency=Frequency.DAILY, now=MARCH)
    scheduler = subscribe(plan, alice, now=MARCH, started_at=MARCH, catch_up="latest")

    report = tick(memory, now=MARCH + timedelta(days=1000))

    scheduler.refresh_from_db()
    assert (report.parked, report.opened, scheduler.state) == (1, 0, "parked")
    assert (scheduler.occurrence, scheduler.next_run_at) == (0, MARCH)


def test_it_ends_after_its_last_occurrence(goat, alice, memory):
    scheduler = subscribe(goat, alice, now=MARCH, started_at=MARCH, ends_after=3)

    for month in range(3, 9):
        until_idle(memory, now=MARCH.replace(month=month))

    scheduler.refresh_from_db()
    assert (scheduler.state, scheduler.occurrence) == ("ended", 3)
    assert memory.sum() == 300
    assert AuditEvent.objects.filter(kind="scheduler.ended").count() == 1


def test_the_end_is_kept_when_several_were_missed(goat, alice, memory):
    scheduler = subscribe(
        goat, alice, now=MARCH, started_at=MARCH, ends_after=2, catch_up="collapse"
    )

    until_idle(memory, now=JUNE)

    scheduler.refresh_from_db()
    assert (scheduler.state, memory.sum(), len(memory.orders)) == ("ended", 200, 1)


def test_the_last_one_waits_for_a_person_as_well_when_it_is_very_late(goat, alice, memory):
    subscribe(goat, alice, now=MARCH, started_at=MARCH, ends_after=1)

    until_idle(memory, now=JUNE)

    assert AuditFeed.objects.get().state == "draft"
    assert Scheduler.objects.get().state == "ended"


def test_it_opens_none_more_where_the_last_ones_were_passed_over_in_a_pause(goat, alice, memory):
    scheduler = subscribe(goat, alice, now=MARCH, started_at=MARCH, ends_after=2)
    until_idle(memory, now=MARCH)
    rules.pause(scheduler, now=MARCH)
    rules.resume(scheduler, now=JUNE)

    until_idle(memory, now=JUNE.replace(month=12))

    scheduler.refresh_from_db()
    assert (scheduler.state, memory.sum()) == ("ended", 100)


def trial(marketplace, alice, *, days=14, **terms):
    start = datetime(2026, 1, 17, 9, tzinfo=UTC)
    plan = Plan.create(
        company=marketplace,
        amount=100,
        description="goat",
        frequency=Frequency.MONTHLY,
        trial_period=days,
        now=start,
    )
    return start, subscribe(plan, alice, now=start, **terms)


def test_a_trial_is_shown_as_an_invoice_of_nothing_and_its_end_is_the_anchor(
    marketplace, alice, memory
):
    start, scheduler = trial(marketplace, alice)

    until_idle(memory, now=start)

    feed = AuditFeed.objects.get()
    scheduler.refresh_from_db()
    assert (feed.occurrence, feed.total, feed.state, feed.number) == (0, 0, "settled", 1)
    assert spans([feed]) == ["01-17 01-31"]
    assert AuditEvent.objects.get(feed_id=feed.pk).body["line"] == "goat (trial)"
    assert (scheduler.state, scheduler.next_run_at) == ("trialing", start.replace(day=31))
    assert memory.orders == []


def test_after_a_trial_the_months_are_counted_from_its_end(marketplace, alice, memory):
    start, scheduler = trial(marketplace, alice)

    for month, day in ((1, 17), (1, 31), (2, 28), (3, 31)):
        until_idle(memory, now=start.replace(month=month, day=day))

    scheduler.refresh_from_db()
    days = AuditFeed.objects.order_by("occurrence").values_list("due_at", flat=True)
    assert [f"{day:%m-%d}" for day in days] == ["01-17", "01-31", "02-28", "03-31"]
    assert (scheduler.state, memory.sum()) == ("active", 300)
    assert AuditEvent.objects.filter(kind="scheduler.activated").count() == 1


@pytest.mark.parametrize(
    ("choice", "state", "opened"),
    [("pause", "paused", 0), ("cancel", "canceled", 0), ("invoice", "active", 1)],
)
def test_a_trial_that_ends_without_an_instrument_does_what_was_chosen(
    choice, state, opened, marketplace, alice, memory
):
    start, scheduler = trial(marketplace, alice, instrument=None, without_instrument=choice)
    until_idle(memory, now=start)

    until_idle(memory, now=start.replace(day=31))

    scheduler.refresh_from_db()
    assert scheduler.state == state
    assert AuditFeed.objects.filter(total__gt=0).count() == opened
    assert (scheduler.canceled_at is not None) == (choice == "cancel")
    assert Transaction.objects.count() == 0


def test_an_end_counts_no_trial(marketplace, alice, memory):
    start, scheduler = trial(marketplace, alice, ends_after=1)

    until_idle(memory, now=start)
    until_idle(memory, now=start.replace(day=31))

    scheduler.refresh_from_db()
    assert (scheduler.state, memory.sum()) == ("ended", 100)


def test_a_pass_that_only_stops_schedulers_says_that_there_may_be_more(marketplace, alice, memory):
    start, _ = trial(marketplace, alice, instrument=None)
    until_idle(memory, now=start)

    report = tick(memory, now=start.replace(day=31))

    assert (report.opened, report.parked, report.stopped, report.worked) == (0, 0, 1, True)


def test_a_price_of_its_own_stands_in_place_of_the_plans(goat, alice, memory):
    subscribe(goat, alice, now=MARCH, amount=7, instrument=instrument_of(alice))

    until_idle(memory, now=MARCH)

    assert memory.sum() == 7
