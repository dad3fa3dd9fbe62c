"""Orders are carried out many at once, before the deadline, and every one has an outcome."""

from threading import Barrier, Event
from uuid import uuid4

import pytest
from django.db import connection, transaction

from processors.base import (
    Account,
    Busy,
    KeyConflict,
    Kind,
    Misconfigured,
    NotFound,
    NotSent,
    Order,
    Rejected,
    Status,
    Unknown,
)
from processors.memory import Conflict, Declined, Lost, LostBefore, Memory, Pending, Refused
from tasks.carry import carry_out, evidence
from tasks.outcome import Job, Verdict
from tasks.perform import FLUSH_SIZE, WireInTransaction, perform

ACCOUNT = Account(url="memory:", secret="secret")
LATER = float("inf")


def order(key, *, amount=100):
    return Order(
        account=ACCOUNT,
        kind=Kind.DEBIT,
        key=key,
        amount=amount,
        currency="USD",
        target_uri="/cards/CC1",
    )


def job(key="b1-A", **given):
    return Job(**{"transaction_id": uuid4(), "order": order(key)} | given)


def outcome(processor, *, deadline=LATER, **given):
    return carry_out(job(**given), processor=processor, deadline=deadline)


def all_of(jobs, processor, *, calls_at_once=8, budget_seconds=60.0):
    return list(
        perform(
            jobs, processor=processor, calls_at_once=calls_at_once, budget_seconds=budget_seconds
        )
    )


class Failing(Memory):
    """A processor whose every call ends in one error."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def submit(self, _order):
        raise self.error

    find = submit

    def fetch(self, **_):
        raise self.error


@pytest.mark.parametrize(
    ("item", "verdict"),
    [
        (None, Verdict.SUCCEEDED),
        (Pending, Verdict.PENDING),
        (Declined, Verdict.DECLINED),
        (Rejected, Verdict.REJECTED),
        (Lost, Verdict.UNKNOWN),
        (LostBefore, Verdict.UNKNOWN),
        (Refused, Verdict.NOT_SENT),
        (Busy, Verdict.BUSY),
        (Misconfigured, Verdict.MISCONFIGURED),
        (Conflict, Verdict.CONFLICT),
    ],
)
def test_each_answer_has_its_verdict(item, verdict):
    processor = Memory(script=[item] if item else [])

    assert verdict == outcome(processor).verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (NotSent("down"), Verdict.NOT_SENT),
        (Busy("later", retry_after_seconds=7), Verdict.BUSY),
        (Misconfigured("bad key"), Verdict.MISCONFIGURED),
        (Rejected("no"), Verdict.REJECTED),
        (NotFound("gone"), Verdict.REJECTED),
        (KeyConflict("other"), Verdict.CONFLICT),
        (Unknown("lost"), Verdict.UNKNOWN),
        (RuntimeError("a bug"), Verdict.UNKNOWN),
        (MemoryError(), Verdict.UNKNOWN),
    ],
)
def test_whatever_a_processor_raises_is_an_outcome(error, verdict):
    found = outcome(Failing(error))

    assert verdict == found.verdict
    assert found.retry_after_seconds == getattr(error, "retry_after_seconds", 0.0)


def test_a_thing_that_is_gone_when_it_is_looked_up_is_absent():
    found = outcome(Failing(NotFound("gone")), look=True, uri="/debits/WD1")

    assert Verdict.ABSENT == found.verdict


def test_words_of_a_processor_can_be_kept():
    found = outcome(Failing(Rejected("nul \0 card 4111 1111 1111 1111", "co\0de")))

    assert "4111" not in found.reason
    assert (found.reason + found.code).isprintable()


def test_without_an_account_nothing_is_sent():
    processor = Memory()

    assert Verdict.MISCONFIGURED == outcome(processor, order=None).verdict
    assert processor.orders == []


def test_after_the_deadline_nothing_is_sent():
    processor = Memory()

    assert Verdict.NOT_SENT == outcome(processor, deadline=0.0).verdict
    assert processor.orders == []


def test_what_may_have_been_sent_is_looked_up_first_and_not_sent_twice():
    processor = Memory()
    processor.submit(order("b1-A"))

    found = outcome(processor, look=True)

    assert Verdict.SUCCEEDED == found.verdict
    assert len(processor.orders) == 1


def test_what_is_absent_is_sent_under_its_own_key_or_not_at_all():
    processor = Memory()

    kept = outcome(processor, look=True, resend=False)
    sent = outcome(processor, look=True, resend=True)

    assert (Verdict.ABSENT, Verdict.SUCCEEDED) == (kept.verdict, sent.verdict)
    assert ["b1-A"] == [each.key for each in processor.orders]


def test_what_is_found_under_the_key_and_is_not_what_was_ordered_proves_nothing():
    processor = Memory()
    processor.submit(order("b1-A", amount=300))

    found = outcome(processor, look=True)

    assert found.verdict == Verdict.UNKNOWN
    assert [each.amount for each in processor.orders] == [300]


def test_what_has_an_address_is_read_there():
    processor = Memory()
    receipt = processor.submit(order("b1-A"))
    processor.settle(receipt.uri, Status.FAILED, "R01")

    found = outcome(processor, look=True, uri=receipt.uri)

    assert (Verdict.DECLINED, "R01") == (found.verdict, found.code)
    assert found == evidence(
        job(transaction_id=found.transaction_id), processor.fetch(account=ACCOUNT, uri=receipt.uri)
    )


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, 1, 50, 137])
def test_every_order_has_one_outcome_in_groups_of_fifty_at_most(number):
    processor = Memory()
    jobs = [job(f"b1-{n}") for n in range(number)]

    groups = all_of(jobs, processor)

    told = [each.transaction_id for group in groups for each in group]
    assert sorted(each.transaction_id for each in jobs) == sorted(told)
    assert all(1 <= len(group) <= FLUSH_SIZE for group in groups)
    assert number == len(processor.ledger)


@pytest.mark.django_db
def test_many_calls_are_on_the_wire_at_once():
    class Meeting(Memory):
        """Answers only when four calls are there."""

        gate = Barrier(4, timeout=30)

        def submit(self, order):
            self.gate.wait()
            return super().submit(order)

    groups = all_of([job(f"b1-{n}") for n in range(8)], Meeting(), calls_at_once=4)

    assert {Verdict.SUCCEEDED} == {each.verdict for group in groups for each in group}


@pytest.mark.django_db
def test_an_answer_does_not_wait_for_a_slow_one():
    told = Event()

    class Slow(Memory):
        """Answers the first order only when the second one's outcome was told."""

        def submit(self, order):
            if order.key == "b1-slow":
                assert told.wait(30)
            return super().submit(order)

    jobs = [job("b1-slow"), job("b1-fast")]
    first, second = [], []
    for group in perform(jobs, processor=Slow(), calls_at_once=2, budget_seconds=60):
        (second if first else first).extend(group)
        told.set()

    assert [jobs[1].transaction_id] == [each.transaction_id for each in first]
    assert [jobs[0].transaction_id] == [each.transaction_id for each in second]


@pytest.mark.django_db
def test_calls_that_are_left_over_at_the_deadline_are_given_back_unsent():
    processor = Memory()

    groups = all_of([job(f"b1-{n}") for n in range(60)], processor, budget_seconds=-1)

    assert {Verdict.NOT_SENT} == {each.verdict for group in groups for each in group}
    assert processor.orders == []


@pytest.mark.django_db
def test_inside_a_transaction_nothing_begins():
    processor = Memory()

    with transaction.atomic(), pytest.raises(WireInTransaction, match="commit first"):
        all_of([job()], processor)

    assert processor.orders == []


@pytest.mark.django_db
def test_the_threads_that_call_leave_the_database_alone():
    class Watched(Memory):
        connected = False

        def submit(self, order):
            self.connected = self.connected or connection.connection is not None
            return super().submit(order)

    processor = Watched()
    all_of([job(f"b1-{n}") for n in range(20)], processor)

    assert processor.connected is False


class Gated(Memory):
    """Lets so many orders through; the next one waits until the gate opens."""

    def __init__(self, *, after):
        super().__init__()
        self.after, self.gate = after, Event()

    def submit(self, order):
        if len(self.orders) >= self.after:
            self.gate.wait()
        return super().submit(order)


GATE_SECONDS = 0.5  # Long enough for the call that was under way to be the only one.


@pytest.mark.django_db
def test_when_outcomes_can_no_longer_be_written_no_further_call_begins():
    class Slow(Memory):
        """Takes its time with every order after the first flush."""

        def submit(self, order):
            if len(self.orders) >= FLUSH_SIZE:
                Event().wait(0.2)
            return super().submit(order)

    processor = Slow()
    jobs = [job(f"b1-{n}") for n in range(500)]

    outcomes = perform(jobs, processor=processor, calls_at_once=1, budget_seconds=60)
    next(outcomes)
    outcomes.close()

    assert len(processor.orders) < len(jobs)
