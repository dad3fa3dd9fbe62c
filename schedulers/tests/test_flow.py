"""Batch after batch without a pause on the wire; and an end that leaves nothing half done."""

from threading import Event, Semaphore

import pytest
from django.db import DatabaseError

from conftest import LIMITS, change, crowd, open_company, tick
from core.frequency import Frequency
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from processors.memory import Memory
from schedulers import cycle

pytestmark = pytest.mark.django_db


class Gated(Memory):
    """Lets as many calls through as it is told, the others wait."""

    def __init__(self):
        super().__init__()
        self.gate, self.reached = Semaphore(0), Semaphore(0)

    def submit(self, order):
        self.reached.release()
        assert self.gate.acquire(timeout=60)
        return super().submit(order)

    def wait_for(self, calls):
        for _ in range(calls):
            assert self.reached.acquire(timeout=60)

    def open(self, calls=10_000):
        self.gate.release(calls)


def flow(processor, *, now, stop=bool, **limits):
    return cycle.flow(processor=processor, now=now, limits=LIMITS(**limits), stop=stop)


def states():
    return sorted(Transaction.objects.values_list("state", flat=True))


def test_a_flow_gives_the_wire_a_little_and_then_batch_after_batch(goat, memory, now):
    crowd(goat, memory, count=25, now=now)

    reports = list(flow(memory, now=now, batch_size=10))

    assert [2, 10, 10, 3] == [report.opened for report in reports if report.opened]
    assert ["succeeded"] * 25 == states()
    assert (25, 25) == (len(memory.orders), AuditFeed.objects.filter(state="settled").count())


def test_the_next_batch_is_claimed_while_calls_of_the_last_are_still_out(goat, now):
    gated = Gated()
    crowd(goat, gated, count=9, now=now)
    reports = flow(gated, now=now, batch_size=3, calls_at_once=3)

    opened = [next(reports).opened for _ in range(2)]
    gated.wait_for(3)

    assert [3, 3] == opened
    assert [] == gated.ledger
    gated.open()
    list(reports)
    assert ["succeeded"] * 9 == states()


def test_a_batch_is_not_claimed_long_before_it_can_be_sent(goat, now):
    gated = Gated()
    crowd(goat, gated, count=30, now=now)
    reports = flow(gated, now=now, batch_size=10, calls_at_once=2)

    opened = [next(reports).opened for _ in range(3)]

    assert [4, 10, 0] == opened
    gated.open()
    list(reports)
    assert ["succeeded"] * 30 == states()


def test_a_flow_that_is_told_to_stop_leaves_nothing_for_a_lease_to_expire(goat, now):
    gated, stop = Gated(), Event()
    crowd(goat, gated, count=12, now=now)
    reports = flow(gated, now=now, stop=stop.is_set, batch_size=8, calls_at_once=2)
    next(reports)
    gated.wait_for(2)

    stop.set()
    next(reports)
    gated.open()
    list(reports)

    assert ["queued"] * 2 + ["succeeded"] * 2 == states()
    assert 8 == len(cycle.begin(now=now, limits=LIMITS()).held)


def test_what_was_put_back_is_sent_by_the_next_worker_under_its_own_key(goat, now):
    gated, stop = Gated(), Event()
    crowd(goat, gated, count=8, now=now)
    reports = flow(gated, now=now, stop=stop.is_set, batch_size=8, calls_at_once=2)
    next(reports)
    gated.wait_for(2)
    stop.set()
    next(reports)
    gated.open()
    list(reports)

    tick(gated, now=now)

    assert ["succeeded"] * 8 == states()
    assert 8 == len({order.key for order in gated.orders}) == len(gated.orders)
    assert {1} == set(Transaction.objects.values_list("attempt", flat=True))


def test_a_sweep_that_is_told_to_stop_puts_back_what_it_had_not_looked_up(goat, memory, now):
    crowd(goat, memory, count=6, now=now)
    held = cycle.begin(now=now, limits=LIMITS()).held

    settled = cycle.run(held, processor=memory, now=now, limits=LIMITS(), stop=lambda: True)

    assert {"queued", "succeeded"} >= {each.state for each in settled}
    assert states().count("queued") == 6 - len(memory.orders)


def test_a_claim_that_fails_loses_nothing_that_is_out(goat, now):
    gated = Gated()
    crowd(goat, gated, count=6, now=now)
    reports = flow(gated, now=now, batch_size=3, calls_at_once=3)
    next(reports)

    change("ALTER TABLE billy_accounts_company RENAME COLUMN calls_paused_until TO away")
    next(reports)
    gated.open()
    with pytest.raises(DatabaseError, match="calls_paused_until"):
        list(reports)
    change("ALTER TABLE billy_accounts_company RENAME COLUMN away TO calls_paused_until")

    assert ["succeeded"] * 3 == states()


def test_no_company_waits_for_all_of_anothers_calls(goat, memory, now):
    other = open_company("Another", now=now)
    plan = Plan.create(company=other, amount=7, description="x", frequency=Frequency.DAILY, now=now)
    crowd(goat, memory, count=6, now=now)
    crowd(plan, memory, count=2, now=now)

    tick(memory, now=now, calls_at_once=1)

    assert 2 == [order.amount for order in memory.orders][:4].count(7)


def test_a_company_with_most_of_the_load_delays_another_by_no_more_than_a_factor_of_two(
    goat, memory, now
):
    other = open_company("Another", now=now)
    plan = Plan.create(company=other, amount=7, description="x", frequency=Frequency.DAILY, now=now)
    crowd(goat, memory, count=80, now=now)
    crowd(plan, memory, count=20, now=now)

    list(flow(memory, now=now, batch_size=10, company_share=1, calls_at_once=1))

    places = [place for place, order in enumerate(memory.orders, start=1) if order.amount == 7]
    assert (20, 100) == (len(places), len(memory.orders))
    alone = range(1, 21)  # Where its charges would stand without the other company.
    assert all(place <= 2 * by_itself for place, by_itself in zip(places, alone, strict=True))
