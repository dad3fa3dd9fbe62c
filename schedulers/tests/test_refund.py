"""What was paid is given back: partly, fully, never more, whoever asks at the same time."""

import threading

import pytest
from django.db import connections

from audit.models import AuditEvent, Outbox
from conftest import abandon, instrument_of, send, subscribe, sweep, tick
from core.invalid import Invalid
from core.money import Money
from invoices import one_off, refund
from invoices.models import AuditFeed, Transaction
from processors.base import Kind, Status
from processors.memory import Declined, Lost, LostBefore, Memory, Refused, Rejected
from schedulers import cycle
from tasks.pricing import Line

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(alice, memory, now):
    """An invoice of a hundred that Alice has paid."""
    line = Line(description="A goat's dinner", amount=Money(100, "USD"))
    identity, held = one_off.invoice(
        alice, lines=[line], instrument=instrument_of(alice), now=now, lease_seconds=120
    )
    send(held, memory, now=now)
    return AuditFeed.objects.get(pk=identity)


def give(feed, memory, *, now, amount=None):
    held = refund.give_back(feed, amount=amount, now=now, lease_seconds=120)
    return send([held], memory, now=now)


def test_the_whole_is_given_back_by_default(paid, memory, now):
    (settled,) = give(paid, memory, now=now)

    paid.refresh_from_db()
    debit, credit = memory.ledger
    assert settled.state == "succeeded"
    assert (paid.state, paid.captured, paid.refunded, paid.owed) == ("settled", 100, 100, 0)
    assert (credit.kind, credit.amount) == (Kind.REFUND, 100)
    assert memory.orders[-1].target_uri == debit.uri
    assert AuditEvent.objects.get(kind="refund.succeeded").moved == -100


def test_parts_are_given_back_until_nothing_is_left(paid, memory, now):
    for part in (30, 30, 40):
        give(paid, memory, now=now, amount=part)

    paid.refresh_from_db()
    keys = {order.key for order in memory.orders}
    assert (paid.refunded, memory.sum(kind=Kind.REFUND), len(keys)) == (100, 100, 4)
    with pytest.raises(Invalid, match="amount: must be from 1 to 0"):
        give(paid, memory, now=now, amount=1)


@pytest.mark.parametrize("amount", [0, -1, 101, 2**60, 1.5, "1", True])
def test_no_other_amount_can_be_given_back(amount, paid, memory, now):
    with pytest.raises(Invalid) as caught:
        give(paid, memory, now=now, amount=amount)

    assert list(caught.value.errors) == ["amount"]
    assert Transaction.objects.count() == 1


@pytest.mark.parametrize("answer", [Lost, LostBefore, Refused])
def test_money_under_way_is_not_given_back_again(answer, paid, memory, now):
    memory.script.append(answer)
    give(paid, memory, now=now, amount=60)

    with pytest.raises(Invalid, match="must be from 1 to 40"):
        give(paid, memory, now=now, amount=41)


@pytest.mark.parametrize("answer", [Declined, Rejected])
def test_a_refund_that_failed_can_be_asked_for_again(answer, paid, memory, now):
    memory.script.append(answer)
    give(paid, memory, now=now)

    give(paid, memory, now=now)

    paid.refresh_from_db()
    assert (paid.refunded, memory.sum(kind=Kind.REFUND)) == (100, 100)
    attempts = Transaction.objects.filter(kind="refund").values_list("attempt", flat=True)
    assert sorted(attempts) == [1, 2]


def test_a_refund_that_came_back_can_be_asked_for_again(paid, memory, limits, now):
    give(paid, memory, now=now)
    back = Transaction.objects.get(kind="refund")
    receipt = memory.settle(back.processor_uri, Status.FAILED, "R02")

    cycle.believe(back.pk, receipt, now=now, limits=limits)

    paid.refresh_from_db()
    assert (paid.state, paid.refunded) == ("settled", 0)
    assert AuditEvent.objects.get(kind="refund.returned").moved == 100
    assert refund.give_back(paid, now=now, lease_seconds=120).attempt == 2


def test_a_refund_whose_answer_was_lost_is_looked_up(paid, memory, now):
    memory.script.append(Lost)
    give(paid, memory, now=now)
    abandon()

    sweep(memory, now=now)

    paid.refresh_from_db()
    assert (paid.refunded, memory.sum(kind=Kind.REFUND)) == (100, 100)


def test_a_refund_whose_request_was_lost_is_sent_again(paid, memory, now):
    memory.script.append(LostBefore)
    give(paid, memory, now=now)
    abandon()

    sweep(memory, now=now)

    first, second = memory.orders[-2:]
    assert first == second
    assert memory.sum(kind=Kind.REFUND) == 100


def test_a_refund_marks_no_instrument_and_plans_no_retry(paid, alice, memory, now):
    memory.script.append(Declined(hard=True))

    give(paid, memory, now=now)

    paid.refresh_from_db()
    assert instrument_of(alice).state == "active"
    assert paid.state == "settled"
    assert Transaction.objects.filter(state="queued").count() == 0


def test_what_was_never_paid_cannot_be_given_back(goat, alice, now):
    memory = Memory(script=[Declined])
    subscribe(goat, alice, now=now)
    tick(memory, now=now)

    with pytest.raises(Invalid, match="has no settled payment"):
        refund.give_back(AuditFeed.objects.get(), now=now, lease_seconds=120)


def test_eight_who_ask_at_once_get_no_more_than_there_was(paid, now):
    done = []
    start = threading.Barrier(8)

    def ask():
        start.wait()
        try:
            done.append(refund.give_back(paid, amount=30, now=now, lease_seconds=120).amount)
        except Invalid as invalid:
            done.append(invalid.errors)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [each for each in done if each == 30] == [30, 30, 30]
    assert len([each for each in done if isinstance(each, dict)]) == 5
    amounts = Transaction.objects.filter(kind="refund").values_list("amount", flat=True)
    assert sum(amounts) == 90


def test_a_payout_is_reversed(payroll, carol, memory, now):
    subscribe(payroll, carol, now=now)
    tick(memory, now=now)
    feed = AuditFeed.objects.get()

    give(feed, memory, now=now)

    feed.refresh_from_db()
    assert memory.sum(kind=Kind.REVERSAL) == 90
    assert (feed.refunded, feed.state) == (90, "settled")
    assert AuditEvent.objects.get(kind="reversal.succeeded").moved == 90


def test_what_is_given_back_is_told_to_a_company_that_listens(paid, memory, now):
    paid.company.listens = True
    paid.company.save()

    give(AuditFeed.objects.get(pk=paid.pk), memory, now=now)

    topics = Outbox.objects.values_list("topic", flat=True)
    assert sorted(topics) == ["refund.intended", "refund.succeeded"]


def test_a_refund_names_the_payment_that_it_gives_back(paid, memory, now):
    give(paid, memory, now=now)

    debit, back = Transaction.objects.order_by("kind")
    assert back.reference_to_id == debit.pk
    assert back.key != debit.key
