"""A settled charge schedules the seller's payout of a share."""

from datetime import timedelta

import pytest

from audit.models import AuditEvent
from conftest import abandon, instrument_of, subscribe, sweep, tick
from core.invalid import Invalid
from invoices.models import AuditFeed, Transaction
from processors.base import Kind, Status
from processors.memory import Declined, Lost, Memory, Pending, Succeeded
from schedulers import cycle
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db


def seller(carol, **terms):
    rule = {"role": "seller", "customer": carol.guid, "instrument": instrument_of(carol).guid}
    return rule | terms


def children():
    return Scheduler.objects.filter(parent__isnull=False).order_by("role")


def test_a_settled_charge_pays_the_seller_a_share_a_week_later(goat, alice, carol, memory, now):
    scheduler = subscribe(
        goat, alice, now=now, follow_ups=[seller(carol, share=8500, after_days=7)]
    )
    tick(memory, now=now)

    tick(memory, now=now + timedelta(days=7))

    (child,) = children()
    feed = AuditFeed.objects.get(trail_id=child.pk)
    assert (child.parent_id, child.parent_occurrence, child.role) == (scheduler.pk, 0, "seller")
    assert (child.amount, child.direction, child.customer_id) == (85, "credit", carol.pk)
    assert (child.started_at, child.state) == (now + timedelta(days=7), "ended")
    assert (feed.state, feed.total, feed.series) == ("settled", 85, "PAY")
    assert memory.sum(kind=Kind.CREDIT) == 85


def test_several_roles_are_paid_each_its_own(goat, alice, carol, memory, now):
    rules = [seller(carol, share=8000), seller(carol, role="fee", amount=7)]
    subscribe(goat, alice, now=now, follow_ups=rules)

    tick(memory, now=now)
    tick(memory, now=now)

    assert [(child.role, child.amount) for child in children()] == [("fee", 7), ("seller", 80)]
    assert memory.sum(kind=Kind.CREDIT) == 87


@pytest.mark.parametrize(("share", "amount"), [(5050, 50), (5150, 52), (10_000, 100), (1, None)])
def test_a_share_is_rounded_half_even_and_nothing_is_not_paid(
    share, amount, goat, alice, carol, now
):
    memory = Memory()
    subscribe(goat, alice, now=now, follow_ups=[seller(carol, share=share)])

    tick(memory, now=now)

    assert [child.amount for child in children()] == ([] if amount is None else [amount])


def test_each_occurrence_pays_once(goat, alice, carol, memory, now):
    subscribe(goat, alice, now=now, follow_ups=[seller(carol, share=5000)])

    for month in (1, 1, 2, 2, 3, 3):
        tick(memory, now=now.replace(month=month))

    assert memory.sum(kind=Kind.DEBIT) == 300
    assert memory.sum(kind=Kind.CREDIT) == 150
    assert [child.parent_occurrence for child in children().order_by("parent_occurrence")] == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize("answer", [Declined, Pending])
def test_nothing_is_paid_out_before_it_came_in(answer, goat, alice, carol, now):
    memory = Memory(script=[answer])
    subscribe(goat, alice, now=now, follow_ups=[seller(carol, share=5000)])

    tick(memory, now=now)

    assert list(children()) == []


def test_an_answer_that_is_replayed_starts_none_again(goat, alice, carol, limits, now):
    memory = Memory(script=[Lost])
    subscribe(goat, alice, now=now, follow_ups=[seller(carol, share=5000)])
    tick(memory, now=now)
    attempt = Transaction.objects.get()
    abandon()
    sweep(memory, now=now)
    (receipt,) = memory.ledger

    cycle.believe(attempt.pk, receipt, now=now, limits=limits)
    sweep(memory, now=now)

    assert children().count() == 1


def test_a_charge_that_came_back_and_was_paid_again_starts_none_again(
    goat, bob, carol, limits, now
):
    memory = Memory(script=[Succeeded])
    subscribe(goat, bob, now=now, follow_ups=[seller(carol, share=5000, after_days=30)])
    tick(memory, now=now)
    attempt = Transaction.objects.get()
    receipt = memory.settle(attempt.processor_uri, Status.FAILED, "R01")
    cycle.believe(attempt.pk, receipt, now=now, limits=limits)
    retry = Transaction.objects.get(attempt=2)

    tick(memory, now=retry.due_at)

    retry.refresh_from_db()
    assert (retry.state, AuditFeed.objects.get().state) == ("succeeded", "settled")
    assert children().count() == 1


def test_its_birth_is_told_in_its_own_trail(goat, alice, carol, memory, now):
    scheduler = subscribe(goat, alice, now=now, follow_ups=[seller(carol, share=5000)])

    tick(memory, now=now)

    (child,) = children()
    event = AuditEvent.objects.get(trail_id=child.pk)
    assert (event.kind, event.seq) == ("scheduler.created", 1)
    assert event.body["parent"] == scheduler.guid


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"share": 0}, "follow_ups[0].share"),
        ({"share": 10_001}, "follow_ups[0].share"),
        ({"share": 5, "amount": 5}, "follow_ups[0]"),
        ({"after_days": -1, "share": 5}, "follow_ups[0].after_days"),
        ({"customer": "CU1", "share": 5}, "follow_ups[0].customer"),
        ({"surprise": 1, "share": 5}, "follow_ups[0]"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name(change, field, goat, alice, carol, now):
    with pytest.raises(Invalid) as caught:
        subscribe(goat, alice, now=now, follow_ups=[seller(carol) | change])

    assert list(caught.value.errors) == [field]


def test_two_rules_of_one_role_are_refused(goat, alice, carol, now):
    with pytest.raises(Invalid) as caught:
        subscribe(goat, alice, now=now, follow_ups=[seller(carol, share=5), seller(carol, share=6)])

    assert list(caught.value.errors) == ["follow_ups"]
