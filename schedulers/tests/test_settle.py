"""T3: what each answer of the processor leaves behind, for each state of an attempt."""

from datetime import timedelta

import pytest

from accounts.open import account_of
from audit.models import AuditEvent
from conftest import abandon, hasten, open_feed, subscribe, sweep, tick, unpause
from invoices.models import AuditFeed, Transaction
from processors.base import KeyConflict, Kind, NotSent, Rejected, Status, Unknown
from processors.memory import (
    Busy,
    Conflict,
    Declined,
    Late,
    Lost,
    LostBefore,
    Memory,
    Misconfigured,
    Pending,
    Refused,
    Succeeded,
    WrongBody,
)
from processors.memory_script import ready
from schedulers import cycle
from schedulers.limits import LOST_SECONDS
from schedulers.models import Scheduler
from tasks.outcome import Verdict

pytestmark = pytest.mark.django_db


def charged_with(answer, goat, alice, *, now):
    """Charge Alice once, with this answer of the processor; returns it, her attempt and feed."""
    memory = Memory(script=[answer])
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    attempt = Transaction.objects.select_related("feed").get(attempt=1)
    return memory, attempt, attempt.feed


def told_of(feed):
    events = AuditEvent.objects.filter(feed_id=feed.pk).order_by("seq")
    return [event.kind for event in events]


@pytest.mark.parametrize(
    ("answer", "states", "fact"),
    [
        (Succeeded, ("succeeded", "settled"), "debit.succeeded"),
        (Pending, ("pending", "open"), "debit.pending"),
        (Declined, ("declined", "open"), "debit.declined"),
        (Declined(hard=True), ("declined", "uncollected"), "debit.declined"),
        (Rejected, ("rejected", "uncollected"), "debit.rejected"),
        (Conflict, ("parked", "open"), "debit.parked"),
        (Lost, ("unknown", "open"), "debit.unknown"),
        (LostBefore, ("unknown", "open"), "debit.unknown"),
        (Late, ("unknown", "open"), "debit.unknown"),
        (WrongBody, ("unknown", "open"), "debit.unknown"),
        (Refused, ("queued", "open"), "debit.deferred"),
        (Busy, ("queued", "open"), "debit.deferred"),
        (Misconfigured, ("queued", "open"), "debit.deferred"),
    ],
)
def test_an_answer_moves_the_attempt_and_the_feed_and_is_told_once(
    answer, states, fact, goat, alice, now
):
    _, attempt, feed = charged_with(answer, goat, alice, now=now)

    assert (attempt.state, feed.state) == states
    assert told_of(feed).count(fact) == 1
    live = Transaction.objects.filter(state__in=["queued", "unknown", "pending", "parked"])
    assert feed.live == sum(live.values_list("amount", flat=True))


def test_money_that_moved_is_named_and_counted(goat, alice, now):
    memory, attempt, feed = charged_with(Succeeded, goat, alice, now=now)

    (receipt,) = memory.ledger
    event = AuditEvent.objects.get(kind="debit.succeeded")
    assert (attempt.processor_uri, receipt.key) == (receipt.uri, attempt.key)
    assert (feed.captured, feed.live, feed.owed) == (100, 0, 0)
    assert (event.moved, event.amount, event.transaction_id) == (100, 0, attempt.pk)
    assert (attempt.lease_token, attempt.lease_until) == (None, None)


def test_a_payout_moves_money_out(payroll, carol, memory, now):
    subscribe(payroll, carol, now=now)

    tick(memory, now=now)

    assert memory.sum(kind=Kind.CREDIT) == 90
    assert AuditEvent.objects.get(kind="credit.succeeded").moved == -90
    assert AuditFeed.objects.get().state == "settled"


@pytest.mark.parametrize("answer", [Refused, Busy, Misconfigured])
def test_what_was_not_sent_is_sent_later_under_the_same_key(answer, goat, alice, now):
    memory, attempt, feed = charged_with(answer, goat, alice, now=now)
    unpause()

    at_once = tick(memory, now=now)
    tick(memory, now=attempt.due_at)

    assert at_once.worked is False
    assert attempt.due_at > now
    assert len({order.key for order in memory.orders}) == 1
    assert len(memory.orders) == 2
    feed.refresh_from_db()
    assert (feed.state, feed.captured, feed.live) == ("settled", 100, 0)
    assert Transaction.objects.count() == 1


def test_what_cannot_be_sent_waits_longer_and_longer_and_is_told_once(goat, alice, now):
    memory, attempt, feed = charged_with(Refused, goat, alice, now=now)
    memory.script.extend([Refused] * 7)
    waits, at = [], now

    for _ in range(8):
        waits.append((attempt.due_at - at).total_seconds())
        at = attempt.due_at
        tick(memory, now=at)
        attempt.refresh_from_db()

    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]
    assert attempt.state == "succeeded"
    assert told_of(feed) == ["invoice.opened", "debit.deferred", "debit.succeeded"]
    assert len(attempt.failures) == 8


def test_a_wrong_key_stops_the_calls_of_its_company_alone(goat, alice, marketplace, now):
    charged_with(Misconfigured, goat, alice, now=now)

    marketplace.refresh_from_db()

    event = AuditEvent.objects.get(kind="company.calls_paused")
    assert marketplace.calls_paused_until is not None
    assert event.company_id == marketplace.pk


def test_a_company_without_a_key_opens_invoices_and_sends_nothing(goat, alice, marketplace, now):
    marketplace.processor_key = ""
    marketplace.save()

    memory, attempt, _ = charged_with(Succeeded, goat, alice, now=now)

    assert memory.orders == []
    assert attempt.state == "queued"


def test_a_conflict_waits_for_a_person_and_nothing_is_sent_again(goat, alice, now):
    memory, attempt, _ = charged_with(Conflict, goat, alice, now=now)

    for days in range(3):
        tick(memory, now=now + timedelta(days=days))
        sweep(memory, now=now + timedelta(days=days))

    attempt.refresh_from_db()
    assert attempt.state == "parked"
    assert attempt.failures[-1]["message"] == "the key names another request"
    assert len(memory.orders) == 1


@pytest.mark.parametrize("answer", [Lost, WrongBody, Lost(after=Declined()), Lost(after=Pending())])
def test_a_lost_answer_is_looked_up_and_nothing_is_sent_again(answer, goat, alice, now):
    memory, attempt, _ = charged_with(answer, goat, alice, now=now)
    abandon()

    sweep(memory, now=now)

    attempt.refresh_from_db()
    (receipt,) = memory.ledger
    states = {
        Status.SUCCEEDED: "succeeded",
        Status.PENDING: "pending",
        Status.FAILED: "declined",
    }
    assert attempt.state == states[receipt.status]
    assert attempt.processor_uri == receipt.uri
    assert len(memory.orders) == 1


def test_a_lost_request_is_sent_again_under_its_own_key(goat, alice, now):
    memory, attempt, feed = charged_with(LostBefore, goat, alice, now=now)
    abandon()

    sweep(memory, now=now)

    feed.refresh_from_db()
    assert [order.key for order in memory.orders] == [attempt.key, attempt.key]
    assert (feed.state, memory.sum()) == ("settled", 100)


def test_a_request_that_arrives_late_is_charged_once(goat, alice, now):
    memory, _, feed = charged_with(Late, goat, alice, now=now)
    abandon()

    sweep(memory, now=now)
    memory.arrive()

    feed.refresh_from_db()
    assert (feed.state, memory.sum()) == ("settled", 100)


def test_an_unknown_answer_is_not_looked_up_before_its_time(goat, alice, now):
    memory, attempt, _ = charged_with(Lost, goat, alice, now=now)

    report = sweep(memory, now=now)

    assert report.worked is False
    assert attempt.next_look_at is not None


def test_without_keys_an_absent_request_is_parked_and_never_sent_again(goat, alice, now):
    memory = Memory(script=[LostBefore], hide_keys=True)
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    states = []

    for _ in range(4):
        abandon()
        sweep(memory, now=now)
        states.append(Transaction.objects.get().state)

    assert states == ["unknown", "unknown", "unknown", "parked"]
    assert len(memory.orders) == 1


def test_without_keys_a_request_that_shows_up_late_is_found(goat, alice, now):
    memory = Memory(script=[Late], hide_keys=True)
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    abandon()
    sweep(memory, now=now)
    memory.arrive()
    abandon()

    sweep(memory, now=now)

    assert Transaction.objects.get().state == "succeeded"
    assert (memory.sum(), len(memory.orders)) == (100, 1)


def test_a_key_that_is_too_old_is_looked_up_and_never_sent_again(goat, alice, now):
    memory = Memory(script=[LostBefore])
    memory.key_life_seconds = 3600
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    abandon()

    sweep(memory, now=now)

    assert Transaction.objects.get().state == "unknown"
    assert len(memory.orders) == 1


def test_after_the_last_look_a_person_is_asked(goat, alice, now):
    memory, attempt, feed = charged_with(LostBefore, goat, alice, now=now)
    looks = 0

    while attempt.state in {"intent", "unknown"}:
        memory.script.append(LostBefore)
        abandon()
        sweep(memory, now=now)
        attempt.refresh_from_db()
        looks += 1

    assert (attempt.state, looks) == ("parked", len(LOST_SECONDS))
    assert told_of(feed) == ["invoice.opened", "debit.unknown", "debit.parked"]
    assert {order.key for order in memory.orders} == {attempt.key}


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_a_pending_payment_is_asked_for_in_case_the_callback_was_lost(status, goat, bob, now):
    memory, attempt, feed = charged_with(Pending, goat, bob, now=now)
    memory.settle(attempt.processor_uri, status, "R10" if status is Status.FAILED else "")
    hasten()

    sweep(memory, now=now)

    attempt.refresh_from_db()
    feed.refresh_from_db()
    states = {"succeeded": "settled", "declined": "uncollected"}
    assert attempt.state in states
    assert feed.state == states[attempt.state]
    assert len(memory.orders) == 1


def test_a_payment_that_stays_pending_is_asked_for_again_later_and_told_once(goat, bob, now):
    memory, attempt, feed = charged_with(Pending, goat, bob, now=now)

    for _ in range(9):
        hasten()
        sweep(memory, now=now)

    attempt.refresh_from_db()
    assert (attempt.state, attempt.looks) == ("pending", 9)
    assert attempt.next_look_at is not None
    assert told_of(feed) == ["invoice.opened", "debit.pending"]


@pytest.mark.parametrize("error", [Rejected, Conflict, Misconfigured, Busy, Refused, Unknown])
def test_a_pending_payment_outlives_every_error_of_asking(error, goat, bob, now):
    _, attempt, _ = charged_with(Pending, goat, bob, now=now)
    hasten()

    sweep(Deaf(error), now=now)

    attempt.refresh_from_db()
    assert attempt.state == "pending"
    assert attempt.next_look_at is not None


@pytest.mark.parametrize("error", [Rejected, Conflict, Misconfigured, Busy, Refused, Unknown])
def test_an_error_of_looking_up_proves_nothing(error, goat, alice, now):
    _, attempt, _ = charged_with(Lost, goat, alice, now=now)
    abandon()

    sweep(Deaf(error), now=now)

    attempt.refresh_from_db()
    assert attempt.state == "unknown"
    assert Transaction.objects.count() == 1


class Deaf(Memory):
    """A processor that answers every question with the same error."""

    def __init__(self, error):
        super().__init__()
        kinds = {Conflict: KeyConflict, Refused: NotSent}
        self.error = ready(kinds.get(error, error))

    def find(self, order):  # noqa: ARG002  # The protocol's name.
        raise self.error

    def fetch(self, *, account, uri):  # noqa: ARG002  # The protocol's names.
        raise self.error


def test_one_whose_lease_was_taken_over_writes_nothing(goat, alice, memory, limits, now):
    open_feed(goat, alice, now=now)
    (stale,) = cycle.payments.held(Transaction.objects.values_list("pk", flat=True))
    abandon()
    (taken,) = cycle.payments.lease_lost(limit=10, lease_seconds=120)
    outcome = cycle.Outcome(
        transaction_id=stale.transaction_id, verdict=Verdict.SUCCEEDED, uri="/debits/WD1"
    )

    dropped = cycle.settle([(stale, outcome)], now=now, limits=limits)
    landed = cycle.settle([(taken, outcome)], now=now, limits=limits)

    assert dropped == []
    assert [each.state for each in landed] == ["succeeded"]
    assert AuditEvent.objects.filter(kind="debit.succeeded").count() == 1
    assert AuditFeed.objects.get().captured == 100


def test_an_outcome_written_twice_is_written_once(goat, alice, memory, limits, now):
    subscribe(goat, alice, now=now)
    (held,) = cycle.begin(now=now, limits=limits).held
    receipt = memory.submit(held.order(account_of(goat.company)))
    outcome = cycle.evidence(held.job(None), receipt)

    first = cycle.settle([(held, outcome)], now=now, limits=limits)
    again = cycle.settle([(held, outcome)], now=now, limits=limits)

    assert (len(first), again) == (1, [])
    assert AuditFeed.objects.get().captured == 100
    assert Scheduler.objects.get().state == "active"
