"""What follows a refusal: planned retries, their end, instruments that failed, and returns."""

from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.models import Customer, FundingInstrument
from audit.models import AuditEvent, Outbox
from conftest import (
    abandon,
    give_instrument,
    hasten,
    instrument_of,
    nine_in_the_morning,
    open_feed,
    subscribe,
    sweep,
    tick,
)
from invoices.models import AuditFeed, Transaction
from processors.base import Kind, Status
from processors.memory import Declined, Lost, Memory, Pending, Rejected, Succeeded
from schedulers import cycle, rules
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db

HARD = Declined(hard=True, code="card-lost", reason="The card was reported lost")


def declined(plan, customer, *, now, script=(Declined,), **terms):
    """Subscribe, and charge once by this script; returns the processor and the scheduler."""
    memory = Memory(script=script)
    scheduler = subscribe(plan, customer, now=now, **terms)
    tick(memory, now=now)
    return memory, scheduler


def run_retries(memory, *, answer=None):
    """Carry out the planned attempts, each when it is due; returns the days on which they were."""
    days = []
    while planned := Transaction.objects.filter(state="queued").order_by("due_at").first():
        if answer is not None:
            memory.script.append(answer)
        days.append(planned.due_at)
        tick(memory, now=planned.due_at)
    return days


def test_a_declined_card_is_tried_again_after_a_day(goat, alice, limits, now):
    feed = open_feed(goat, alice, now=now)
    held = cycle.payments.held(Transaction.objects.values_list("pk", flat=True))

    cycle.run(held, processor=Memory(script=[Declined]), now=now, limits=limits)

    retry = Transaction.objects.get(feed=feed, attempt=2)
    assert retry.due_at == nine_in_the_morning(now + timedelta(days=1))


def test_a_card_is_tried_six_times_in_three_weeks_and_then_its_scheduler_pauses(goat, alice, now):
    memory, scheduler = declined(goat, alice, now=now)

    days = run_retries(memory, answer=Declined)

    feed = AuditFeed.objects.get()
    scheduler.refresh_from_db()
    plan = [nine_in_the_morning(now + timedelta(days=day)) for day in (1, 3, 7, 14, 21)]
    assert days == plan
    assert len({order.key for order in memory.orders}) == 6
    assert (feed.state, feed.live, feed.owed) == ("uncollected", 0, 100)
    assert (scheduler.state, scheduler.reason) == ("paused", "The card was declined")
    kinds = list(
        AuditEvent.objects.filter(trail_id=scheduler.pk).order_by("seq").values_list("kind")
    )
    assert kinds.count(("debit.declined",)) == 6
    assert kinds.count(("debit.queued",)) == 5
    assert kinds.count(("scheduler.past_due",)) == 1
    assert kinds[-2:] == [("invoice.uncollected",), ("scheduler.paused",)]


def test_the_first_retry_that_succeeds_settles_and_recovers(goat, alice, now):
    memory, scheduler = declined(goat, alice, now=now)
    scheduler.refresh_from_db()
    before = scheduler.state

    days = run_retries(memory)

    scheduler.refresh_from_db()
    feed = AuditFeed.objects.get()
    assert (before, scheduler.state, len(days)) == ("past_due", "active", 1)
    assert (feed.state, feed.captured, memory.sum()) == ("settled", 100, 100)
    assert AuditEvent.objects.filter(kind="scheduler.recovered").count() == 1


@pytest.mark.parametrize(
    ("end", "state"),
    [("pause", "paused"), ("cancel", "canceled"), ("leave", "active"), ("uncollectible", "active")],
)
def test_the_policy_says_how_it_ends(end, state, goat, alice, now):
    policy = {"days": [2, 5], "hour": 6, "end": end}
    memory, scheduler = declined(goat, alice, now=now, retry_policy=policy)

    days = run_retries(memory, answer=Declined)

    scheduler.refresh_from_db()
    assert [f"{day:%d %H}" for day in days] == ["03 06", "06 06"]
    assert scheduler.state == state
    assert AuditFeed.objects.get().state == "uncollected"
    assert (scheduler.canceled_at is not None) == (end == "cancel")


@pytest.mark.parametrize("end", ["leave", "uncollectible"])
def test_giving_up_an_invoice_does_not_end_a_pause(end, goat, alice, now):
    memory, scheduler = declined(goat, alice, now=now, retry_policy={"days": [1], "end": end})
    rules.pause(scheduler, now=now)

    run_retries(memory, answer=Declined)

    scheduler.refresh_from_db()
    assert AuditFeed.objects.get().state == "uncollected"
    assert scheduler.state == "paused"


def test_a_card_that_was_lost_is_marked_and_not_tried_again(goat, alice, now):
    _, scheduler = declined(goat, alice, now=now, script=[HARD])

    card = instrument_of(alice)
    scheduler.refresh_from_db()
    event = AuditEvent.objects.get(kind="instrument.errored")
    assert (card.state, card.reason) == ("errored", "The card was reported lost")
    assert (event.trail_id, event.body["code"]) == (alice.pk, "card-lost")
    assert event.body["instrument"] == card.guid
    assert Transaction.objects.count() == 1
    assert (AuditFeed.objects.get().state, scheduler.state) == ("uncollected", "paused")


def test_what_the_processor_refuses_stops_the_scheduler_and_its_instrument(goat, alice, now):
    _, scheduler = declined(goat, alice, now=now, script=[Rejected("no such card", "not-found")])

    scheduler.refresh_from_db()
    assert (scheduler.state, scheduler.reason) == ("errored", "no such card")
    assert instrument_of(alice).state == "errored"
    assert AuditFeed.objects.get().state == "uncollected"


def test_a_payout_that_fails_is_held_and_never_repeated(payroll, carol, now):
    memory, scheduler = declined(payroll, carol, now=now, script=[Declined(code="R02")])

    assert run_retries(memory) == []
    scheduler.refresh_from_db()
    assert (scheduler.state, instrument_of(carol).state) == ("held", "errored")
    assert len(memory.ledger) == 1


def test_many_cards_that_fail_at_once_are_each_marked_for_their_own_reason(goat, memory, now):
    answers = {f"reason {number}": number for number in range(5)}
    for reason in answers:
        customer = Customer.create(company=goat.company, name=reason, now=now)
        card = memory.add_card(answer=Declined(hard=True, reason=reason))
        give_instrument(customer, card, memory=memory, now=now)
        subscribe(goat, customer, now=now)

    tick(memory, now=now)

    found = FundingInstrument.objects.filter(state="errored").select_related("customer")
    assert {each.customer.name: each.reason for each in found} == {each: each for each in answers}
    assert AuditEvent.objects.filter(kind="instrument.errored").count() == 5


@pytest.mark.parametrize(("code", "attempts"), [("R01", 3), ("R09", 3), ("R10", 1), ("R02", 1)])
def test_a_bank_debit_is_presented_again_twice_and_only_for_want_of_funds(
    code, attempts, goat, bob, now
):
    memory, _ = declined(goat, bob, now=now, script=[Declined(code=code)])

    run_retries(memory, answer=Declined(code=code))

    assert Transaction.objects.count() == attempts
    assert AuditFeed.objects.get().state == "uncollected"


def paid_by_bank(goat, bob, *, now):
    memory, scheduler = declined(goat, bob, now=now, script=[Succeeded])
    return memory, scheduler, Transaction.objects.get()


def returned(memory, attempt, code, *, now, limits):
    receipt = memory.settle(attempt.processor_uri, Status.FAILED, code)
    return cycle.believe(attempt.pk, receipt, now=now, limits=limits)


def test_a_return_for_want_of_funds_reopens_the_invoice_and_is_presented_again(
    goat, bob, limits, now
):
    memory, scheduler, attempt = paid_by_bank(goat, bob, now=now)
    later = now + timedelta(days=2)

    returned(memory, attempt, "R01", now=later, limits=limits)

    feed = AuditFeed.objects.get()
    scheduler.refresh_from_db()
    assert (feed.state, feed.captured, feed.returned, feed.live) == ("open", 100, 100, 100)
    assert scheduler.state == "past_due"
    assert AuditEvent.objects.get(kind="debit.returned").moved == -100
    run_retries(memory)
    feed.refresh_from_db()
    scheduler.refresh_from_db()
    assert (feed.state, feed.captured, feed.returned, feed.owed) == ("settled", 200, 100, 0)
    assert (scheduler.state, memory.sum()) == ("active", 100)


def test_a_return_that_was_unauthorized_is_not_presented_again(goat, bob, limits, now):
    memory, scheduler, attempt = paid_by_bank(goat, bob, now=now)

    returned(memory, attempt, "R10", now=now + timedelta(days=30), limits=limits)

    feed = AuditFeed.objects.get()
    scheduler.refresh_from_db()
    assert (feed.state, feed.live, feed.owed) == ("open", 0, 100)
    assert (scheduler.state, instrument_of(bob).state) == ("paused", "errored")
    assert Transaction.objects.get().state == "returned"


def test_a_return_is_believed_once(goat, bob, limits, now):
    memory, _, attempt = paid_by_bank(goat, bob, now=now)

    first = returned(memory, attempt, "R01", now=now, limits=limits)
    again = returned(memory, attempt, "R01", now=now, limits=limits)

    assert ([each.state for each in first], again) == (["returned"], [])
    assert AuditFeed.objects.get().returned == 100


def test_an_old_word_changes_nothing(goat, bob, limits, now):
    memory, _, attempt = paid_by_bank(goat, bob, now=now)
    pending = memory.settle(attempt.processor_uri, Status.PENDING)

    settled = cycle.believe(attempt.pk, pending, now=now, limits=limits)

    assert settled == []
    assert Transaction.objects.get().state == "succeeded"


def test_evidence_of_another_amount_is_not_believed(goat, bob, limits, now):
    memory, _ = declined(goat, bob, now=now, script=[Pending])
    attempt = Transaction.objects.get()
    receipt = memory.settle(attempt.processor_uri, Status.SUCCEEDED)

    settled = cycle.believe(attempt.pk, replace(receipt, amount=99), now=now, limits=limits)

    assert settled == []
    assert Transaction.objects.get().state == "pending"


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_a_callback_settles_a_pending_payment_and_a_listener_hears_of_it(
    status, goat, bob, limits, now
):
    goat.company.listens = True
    goat.company.save()
    memory, _ = declined(goat, bob, now=now, script=[Pending])
    attempt = Transaction.objects.get()
    heard = Outbox.objects.count()
    receipt = memory.settle(attempt.processor_uri, status, "R10")

    (settled,) = cycle.believe(attempt.pk, receipt, now=now, limits=limits)

    states = {Status.SUCCEEDED: "succeeded", Status.FAILED: "declined"}
    assert settled.state == states[status]
    topics = list(Outbox.objects.values_list("topic", flat=True))[heard:]
    assert f"debit.{settled.state}" in topics


def test_everything_that_happens_to_a_company_that_listens_is_told(goat, alice, now):
    goat.company.listens = True
    goat.company.save()
    before = set(AuditEvent.objects.values_list("pk", flat=True))
    memory, _ = declined(goat, alice, now=now, script=[Declined])

    run_retries(memory, answer=HARD)

    events = AuditEvent.objects.exclude(pk__in=before)
    topics = list(Outbox.objects.values_list("topic", flat=True))
    assert sorted(topics) == sorted(events.values_list("kind", flat=True))
    assert {"scheduler.past_due", "scheduler.paused", "instrument.errored"} <= set(topics)


def test_a_pause_wins_over_a_recovery_in_the_same_flush(goat, alice, now):
    memory, scheduler = declined(goat, alice, now=now, retry_policy={"days": [40]})
    memory.script.append(Declined)
    tick(memory, now=now.replace(month=2))
    first, second = Transaction.objects.filter(attempt=2).order_by("due_at")
    memory.script.extend([Succeeded, Declined, Succeeded])  # First what opens on 1 March.

    tick(memory, now=max(first.due_at, second.due_at))

    scheduler.refresh_from_db()
    states = AuditFeed.objects.values_list("state", flat=True)
    assert sorted(states) == ["settled", "settled", "uncollected"]
    assert scheduler.state == "paused"


def test_a_recovery_waits_for_the_other_invoice_that_is_tried_again(goat, bob, now):
    memory, scheduler = declined(goat, bob, now=now, script=[Declined(code="R01")])
    first = Transaction.objects.get(attempt=2)
    memory.script.append(Pending)
    tick(memory, now=first.due_at)
    memory.script.append(Declined(code="R01"))
    tick(memory, now=now.replace(month=2))
    second = Transaction.objects.get(attempt=2, state="queued")

    tick(memory, now=second.due_at)

    scheduler.refresh_from_db()
    assert Transaction.objects.get(pk=second.pk).state == "succeeded"
    assert scheduler.state == "past_due"
    memory.settle(Transaction.objects.get(pk=first.pk).processor_uri, Status.SUCCEEDED)
    hasten()
    sweep(memory, now=second.due_at)
    scheduler.refresh_from_db()
    assert scheduler.state == "active"


def test_a_declined_answer_that_was_lost_is_planned_again_once_it_is_found(goat, alice, now):
    memory, _ = declined(goat, alice, now=now, script=[Lost(after=Declined())])
    abandon()

    sweep(memory, now=now)

    states = list(Transaction.objects.order_by("attempt").values_list("state", flat=True))
    assert states == ["declined", "queued"]
    assert memory.sum(kind=Kind.DEBIT) == 0
    assert Scheduler.objects.get().state == "past_due"


def test_a_retry_waits_where_its_card_was_refused_for_good_meanwhile(goat, alice, now):
    memory, _ = declined(goat, alice, now=now)
    FundingInstrument.objects.update(state="errored")
    planned = Transaction.objects.get(state="queued")

    tick(memory, now=planned.due_at)

    assert Transaction.objects.get(pk=planned.pk).state == "queued"
    assert len(memory.orders) == 1
