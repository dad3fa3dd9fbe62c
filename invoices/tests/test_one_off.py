"""A one-off invoice: on the customer's own trail, without a scheduler."""

import pytest

from audit.models import AuditEvent
from conftest import give_instrument, instrument_of, open_company, send
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT, Money
from invoices import one_off
from invoices.models import AuditFeed, Transaction
from processors.memory import Declined
from tasks.pricing import LINE_LIMIT, Line

pytestmark = pytest.mark.django_db


def line(amount, *, currency="USD", description="Hay"):
    return Line(description=description, amount=Money(amount, currency))


def invoice(customer, *lines, now, **terms):
    return one_off.invoice(customer, lines=lines, now=now, lease_seconds=120, **terms)


def test_with_an_instrument_it_is_charged_at_once(alice, memory, now):
    identity, held = invoice(
        alice, line(70), line(30), now=now, instrument=instrument_of(alice), statement_text="HAY"
    )

    send(held, memory, now=now)

    feed = AuditFeed.objects.get(pk=identity)
    (order,) = memory.orders
    assert (feed.kind, feed.occurrence, feed.trail_id) == ("one_off", None, alice.pk)
    assert (feed.total, feed.captured, feed.state, feed.number) == (100, 100, "settled", 1)
    assert (order.amount, order.statement_text, order.description) == (100, "HAY", "Hay")
    kinds = AuditEvent.objects.filter(feed_id=feed.pk).order_by("seq").values_list("kind", "amount")
    assert list(kinds) == [("invoice.opened", 70), ("invoice.line", 30), ("debit.succeeded", 0)]


def test_without_an_instrument_it_waits(alice, now):
    identity, held = invoice(alice, line(70), now=now)

    feed = AuditFeed.objects.get(pk=identity)
    assert (held, feed.state, feed.live, feed.owed) == ([], "open", 0, 70)
    assert Transaction.objects.count() == 0


def test_of_nothing_it_is_settled_at_once(alice, now):
    identity, held = invoice(alice, line(5), line(-5), now=now, instrument=instrument_of(alice))

    assert (held, AuditFeed.objects.get(pk=identity).state) == ([], "settled")


def test_a_declined_one_is_tried_again_on_the_days_of_the_plan(alice, memory, now):
    memory.script.append(Declined)
    _, held = invoice(alice, line(5), now=now, instrument=instrument_of(alice))

    (settled,) = send(held, memory, now=now)

    assert settled.retry_at.isoformat() == "2026-01-02T09:00:00+00:00"
    assert Transaction.objects.get(attempt=2).state == "queued"


def test_a_name_is_given_once_to_each_customer(alice, bob, now):
    first, _ = invoice(alice, line(5), now=now, external_id="order 1")
    other, _ = invoice(bob, line(5), now=now, external_id="order 1")

    with pytest.raises(Invalid) as caught:
        invoice(alice, line(9), now=now, external_id="order 1")

    assert list(caught.value.errors) == ["external_id"]
    assert first != other
    assert AuditFeed.objects.count() == 2
    numbers = AuditFeed.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == [1, 2]


def test_the_same_name_gives_the_same_id_and_key_whenever_it_is_asked_for(alice, now):
    from invoices.naming import feed_id

    identity, _ = invoice(
        alice, line(5), now=now.replace(month=5), external_id="x", instrument=instrument_of(alice)
    )

    again = feed_id(trail=alice.pk, due_at=alice.created_at, occurrence="one-off/x")
    assert identity == again


def test_those_without_a_name_are_told_apart(alice, now):
    first, _ = invoice(alice, line(5), now=now)
    second, _ = invoice(alice, line(5), now=now)

    assert first != second


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([], "lines"),
        ([line(1)] * (LINE_LIMIT + 1), "lines"),
        ([line(-1)], "amount"),
        ([line(LARGEST_AMOUNT), line(1)], "amount"),
        ([line(1), line(1, currency="EUR")], "currency"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(lines, field, alice, now):
    with pytest.raises(Invalid) as caught:
        invoice(alice, *lines, now=now)

    assert list(caught.value.errors) == [field]
    assert AuditFeed.objects.count() == 0


@pytest.mark.parametrize("external_id", ["", "x" * 129, 5])
def test_a_name_that_is_none_is_refused(external_id, alice, now):
    with pytest.raises(Invalid) as caught:
        invoice(alice, line(1), now=now, external_id=external_id)

    assert list(caught.value.errors) == ["external_id"]


def test_an_instrument_that_cannot_be_charged_is_refused(alice, bob, carol, memory, now):
    removed = instrument_of(alice)
    removed.state = "removed"
    removed.save()
    loose = give_instrument(alice, memory.add_bank_account(can_debit=False), memory=memory, now=now)

    for customer, instrument in (
        (alice, instrument_of(bob)),
        (alice, removed),
        (alice, loose),
        (carol, instrument_of(carol)),
    ):
        with pytest.raises(Invalid) as caught:
            invoice(customer, line(1), now=now, instrument=instrument)
        assert list(caught.value.errors) == ["funding_instrument"]


def test_two_companies_number_apart(alice, memory, now):
    from accounts.models import Customer

    other = Customer.create(company=open_company("Another", now=now), now=now)

    invoice(alice, line(1), now=now)
    invoice(other, line(1), now=now)

    assert set(AuditFeed.objects.values_list("number", flat=True)) == {1}
