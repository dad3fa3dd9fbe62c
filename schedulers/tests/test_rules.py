"""Pause, resume, cancel: what a person does to a scheduler."""

from datetime import timedelta

import pytest

from audit.models import AuditEvent, Outbox
from conftest import abandon, open_feed, subscribe, sweep, tick
from core.invalid import Invalid
from invoices import refund
from invoices.models import AuditFeed, Transaction
from processors.memory import Declined, Memory, Refused
from schedulers import rules
from schedulers.states import SCHEDULER_MOVES

pytestmark = pytest.mark.django_db

STATES = {"active", "past_due", "paused", "parked", "canceled", "ended"}


def month(now, number):
    return now.replace(month=number)


def test_a_pause_opens_nothing_and_what_it_missed_is_skipped_for_good(goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    rules.pause(scheduler, now=now)
    while_paused = [tick(memory, now=month(now, number)).opened for number in (2, 3)]

    resumed = rules.resume(scheduler, now=month(now, 3) + timedelta(days=4))

    assert while_paused == [0, 0]
    assert (resumed.occurrence, resumed.next_run_at) == (3, month(now, 4))
    skipped = AuditEvent.objects.get(kind="occurrences.skipped")
    assert skipped.body == {"from": 1, "to": 2, "reason": "paused"}
    tick(memory, now=month(now, 4))
    assert [feed.occurrence for feed in AuditFeed.objects.order_by("occurrence")] == [0, 3]


def test_a_pause_within_a_period_skips_nothing(goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    rules.pause(scheduler, now=now)

    resumed = rules.resume(scheduler, now=now + timedelta(days=9))

    assert (resumed.state, resumed.occurrence, resumed.next_run_at) == ("active", 1, month(now, 2))
    assert AuditEvent.objects.filter(kind="occurrences.skipped").count() == 0


@pytest.mark.parametrize("trial", [None, 3])
def test_what_goes_on_anyway_cannot_be_resumed(trial, goat, alice, now):
    scheduler = subscribe(goat, alice, now=now, trial_period=trial)
    tick(Memory(script=[Declined]), now=now)
    scheduler.refresh_from_db()
    before = (scheduler.state, scheduler.version)

    with pytest.raises(Invalid, match="nothing to resume"):
        rules.resume(scheduler, now=now + timedelta(days=4))

    scheduler.refresh_from_db()
    assert before == (scheduler.state, scheduler.version)
    assert ("trialing" if trial else "past_due") == scheduler.state


def test_retries_go_on_through_a_pause(goat, alice, now):
    memory = Memory(script=[Declined])
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    rules.pause(scheduler, now=now)

    tick(memory, now=Transaction.objects.get(attempt=2).due_at)

    scheduler.refresh_from_db()
    assert AuditFeed.objects.get().state == "settled"
    assert scheduler.state == "paused"


def test_a_cancel_now_calls_off_what_was_planned(goat, alice, now):
    memory = Memory(script=[Declined])
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    retry = Transaction.objects.get(attempt=2)

    canceled = rules.cancel(scheduler, now=now, at="now", actor="Dora")

    retry.refresh_from_db()
    feed = AuditFeed.objects.get()
    assert (canceled.state, canceled.canceled_at) == ("canceled", now)
    assert (retry.state, feed.state, feed.live) == ("voided", "uncollected", 0)
    assert tick(memory, now=retry.due_at).worked is False
    actors = AuditEvent.objects.filter(at=now, actor="Dora").order_by("seq")
    assert [event.kind for event in actors] == [
        "debit.voided",
        "invoice.uncollected",
        "scheduler.canceled",
    ]


def test_what_is_under_way_at_a_cancel_finishes_and_is_recorded(goat, alice, memory, now):
    feed = open_feed(goat, alice, now=now)

    rules.cancel(feed.trail.scheduler, now=now, at="now")
    abandon()
    sweep(memory, now=now)

    feed.refresh_from_db()
    assert (feed.state, memory.sum()) == ("settled", 100)
    assert feed.trail.scheduler.state == "canceled"


def test_a_cancel_at_the_end_of_the_period_lets_the_period_end(goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)

    planned = rules.cancel(scheduler, now=now + timedelta(days=3))

    assert (planned.state, planned.cancel_at) == ("active", month(now, 2))
    assert tick(memory, now=month(now, 2) - timedelta(seconds=1)).worked is False
    report = tick(memory, now=month(now, 2))
    scheduler.refresh_from_db()
    assert (report.opened, scheduler.state) == (0, "canceled")
    assert scheduler.canceled_at == month(now, 2)
    assert tick(memory, now=month(now, 9)).worked is False


def test_retries_end_with_the_period_that_a_cancel_waited_for(goat, alice, now):
    memory = Memory(script=[Declined])
    scheduler = subscribe(goat, alice, now=now, retry_policy={"days": [60]})
    tick(memory, now=now)
    rules.cancel(scheduler, now=now)

    tick(memory, now=month(now, 2))

    scheduler.refresh_from_db()
    feed = AuditFeed.objects.get()
    assert scheduler.state == "canceled"
    assert Transaction.objects.get(attempt=2).state == "voided"
    assert (feed.state, feed.live) == ("uncollected", 0)


def test_money_that_is_to_be_given_back_outlives_a_cancel(goat, alice, memory, now):
    from conftest import send

    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    memory.script.append(Refused)
    held = refund.give_back(AuditFeed.objects.get(), now=now, lease_seconds=120)
    send([held], memory, now=now)

    rules.cancel(scheduler, now=now, at="now")
    tick(memory, now=now + timedelta(minutes=1))

    feed = AuditFeed.objects.get()
    assert (feed.state, feed.refunded) == ("settled", 100)


def test_a_cancel_is_told_to_a_company_that_listens(goat, alice, now):
    goat.company.listens = True
    goat.company.save()
    memory = Memory(script=[Declined])
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    Outbox.objects.all().delete()

    rules.cancel(scheduler, now=now, at="now")

    topics = set(Outbox.objects.values_list("topic", flat=True))
    assert topics == {"debit.voided", "invoice.uncollected", "scheduler.canceled"}


def test_a_cancel_is_planned_once(goat, alice, now):
    scheduler = subscribe(goat, alice, now=now)
    rules.cancel(scheduler, now=now)

    with pytest.raises(Invalid, match="canceled for the end of the period already"):
        rules.cancel(scheduler, now=now)


def test_a_cancel_that_was_planned_can_still_be_made_at_once(goat, alice, now):
    scheduler = subscribe(goat, alice, now=now)
    rules.cancel(scheduler, now=now)

    canceled = rules.cancel(scheduler, now=now, at="now")

    assert canceled.state == "canceled"


@pytest.mark.parametrize("verb", [rules.pause, rules.resume, rules.cancel])
def test_what_is_over_stays_over(verb, goat, alice, now):
    scheduler = subscribe(goat, alice, now=now)
    rules.cancel(scheduler, now=now, at="now")
    before = AuditEvent.objects.count()

    with pytest.raises(Invalid, match="is canceled, so it cannot become"):
        verb(scheduler, now=now)

    assert AuditEvent.objects.count() == before


def test_a_trial_that_is_paused_goes_on_as_a_trial(marketplace, alice, memory, now):
    from plans.models import Plan

    plan = Plan.create(company=marketplace, amount=100, trial_period=14, now=now)
    scheduler = subscribe(plan, alice, now=now)
    tick(memory, now=now)
    rules.pause(scheduler, now=now)

    resumed = rules.resume(scheduler, now=now + timedelta(days=5))

    assert (resumed.state, resumed.next_run_at) == ("trialing", now + timedelta(days=14))


def test_every_state_has_its_moves():
    assert STATES <= SCHEDULER_MOVES.keys()
    assert all(after in SCHEDULER_MOVES for moves in SCHEDULER_MOVES.values() for after in moves)
