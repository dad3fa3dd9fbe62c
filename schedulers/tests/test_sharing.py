"""Many workers on one database: they share the work, never wait, and never double it."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from conftest import LIMITS, abandon, crowd, instrument_of, open_company, subscribe, sweep, tick
from invoices.models import AuditFeed, Transaction
from invoices.naming import instance_id
from plans.models import Plan
from processors.memory import Declined, Memory, Misconfigured, Pending, Refused, Succeeded
from schedulers import claim, cycle
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db


def at_once(*works):
    """Run each in a thread and a connection of its own; returns what they returned."""
    results, errors = [None] * len(works), []
    start = threading.Barrier(len(works))

    def run(place, work):
        try:
            start.wait()
            results[place] = work()
        except Exception as error:  # noqa: BLE001  # Raised again below, in the test's own thread.
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return results


def test_two_ticks_at_once_never_charge_twice(goat, memory, now):
    crowd(goat, memory, count=60, now=now)

    reports = at_once(*[lambda: tick(memory, now=now, batch_size=20)] * 4)
    while tick(memory, now=now).worked:
        pass

    assert sum(report.opened for report in reports) <= 60
    assert Counter(order.key for order in memory.orders).most_common(1)[0][1] == 1
    assert (len(memory.orders), memory.sum()) == (60, 6000)
    assert AuditFeed.objects.filter(state="settled").count() == 60
    numbers = AuditFeed.objects.values_list("number", flat=True)
    assert sorted(numbers) == [*range(1, 61)]


def test_two_sweeps_at_once_look_each_attempt_up_once(goat, memory, limits, now):
    crowd(goat, memory, count=20, now=now)
    cycle.begin(now=now, limits=limits)
    abandon()

    at_once(*[lambda: sweep(memory, now=now)] * 4)

    assert (len(memory.orders), memory.sum()) == (20, 2000)
    assert set(Transaction.objects.values_list("state", flat=True)) == {"succeeded"}


def test_planned_retries_are_carried_out_once(goat, now):
    memory = Memory(script=[Declined] * 20)
    crowd(goat, memory, count=20, now=now)
    tick(memory, now=now)

    at_once(*[lambda: tick(memory, now=now + timedelta(days=1))] * 4)

    assert (len(memory.orders), memory.sum()) == (40, 2000)


def test_what_another_connection_holds_is_passed_over_without_waiting(goat, memory, now):
    drafts = crowd(goat, memory, count=3, now=now)
    company = goat.company_id

    with transaction.atomic():
        (held,) = claim.claim([company], now=now, limit=1, share=1)
        (report,) = at_once(lambda: tick(memory, now=now))

    assert report.opened == 2
    opened = set(AuditFeed.objects.values_list("trail_id", flat=True))
    assert opened == {each.pk for each in drafts} - {held.trail_id}


def test_a_trail_that_is_held_keeps_its_scheduler_for_later(goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now)

    with transaction.atomic():
        cycle.heads([scheduler.pk])
        (busy,) = at_once(lambda: tick(memory, now=now))
    later = tick(memory, now=now)

    assert (busy.opened, later.opened) == (0, 1)


def with_due(name, *, count, memory, now):
    company = open_company(name, now=now)
    plan = Plan.create(company=company, amount=100, description="x", now=now)
    crowd(plan, memory, count=count, now=now)
    return company


def test_a_company_with_much_to_do_does_not_starve_another(memory, now):
    large = with_due("Large", count=300, memory=memory, now=now - timedelta(days=2))
    small = with_due("Small", count=3, memory=memory, now=now)

    report = tick(memory, now=now, batch_size=100)

    by_company = Counter(AuditFeed.objects.values_list("company_id", flat=True))
    assert by_company == {large.pk: 50, small.pk: 3}
    assert report.opened == 53


def test_no_company_is_last_for_ever_where_there_are_more_than_a_batch_has_room_for(memory, now):
    crowded = [with_due(f"{n}", count=60, memory=memory, now=now) for n in range(2)]
    later = now + timedelta(hours=1)  # So that it comes last by its id and by its row.
    small = with_due("Small", count=1, memory=memory, now=later)

    for _ in range(16):
        tick(memory, now=later, batch_size=4, company_share=2)

    left = Scheduler.objects.filter(next_run_at__lte=later)
    assert left.filter(company=small).count() == 0
    assert left.filter(company__in=crowded).count() > 0


def test_a_company_whose_calls_are_paused_waits_and_the_others_go_on(memory, now):
    paused = with_due("Paused", count=2, memory=memory, now=now)
    other = with_due("Other", count=2, memory=memory, now=now)
    memory.bad_secrets.add(paused.processor_key)
    tick(memory, now=now)

    again = tick(memory, now=now + timedelta(days=1))

    assert again.worked is False
    states = Transaction.objects.values_list("company_id", "state")
    assert Counter(states) == {(paused.pk, "queued"): 2, (other.pk, "succeeded"): 2}


@pytest.mark.parametrize(("refusals", "pauses"), [(4, False), (5, True)])
def test_five_calls_that_could_not_be_sent_stop_the_company(refusals, pauses, goat, now):
    memory = Memory(script=[Refused] * refusals)
    crowd(goat, memory, count=10, now=now)

    tick(memory, now=now)

    goat.company.refresh_from_db()
    assert (goat.company.calls_paused_until is not None) == pauses


def test_what_a_batch_has_no_time_for_is_given_back_as_it_was(goat, memory, now):
    crowd(goat, memory, count=8, now=now)

    report = tick(memory, now=now, lease_seconds=5, call_seconds=15)
    goat.company.refresh_from_db()

    attempts = Transaction.objects.all()
    assert memory.orders == []
    assert {each.state for each in attempts} == {"queued"}
    assert {each.due_at for each in attempts} == {now}
    assert [each.failures for each in attempts] == [[]] * 8
    assert goat.company.calls_paused_until is None
    assert len(report.settled) == 8
    tick(memory, now=now)
    assert memory.sum() == 800


def test_a_look_that_there_was_no_time_for_is_no_look(goat, alice, memory, limits, now):
    subscribe(goat, alice, now=now)
    cycle.begin(now=now, limits=limits)
    for _ in range(10):
        abandon()
        sweep(memory, now=now, lease_seconds=5, call_seconds=15)
    abandon()

    sweep(memory, now=now)

    assert Transaction.objects.get().state == "succeeded"
    assert len(memory.orders) == 1


def statements(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def statements_of_a_batch(begin, memory, *, now):
    """Count what T1, and then T3 of one flush, tell the database."""
    instance_id()  # Asked for once in a process.
    begun = []
    first = statements(lambda: begun.append(begin()))
    held = begun[0].held
    account = memory.open_account(url="memory:")
    outcomes = [
        (each, cycle.evidence(each.job(None), memory.submit(each.order(account)))) for each in held
    ]
    second = statements(lambda: cycle.settle(outcomes, now=now, limits=LIMITS()))
    return len(held), first, second


@pytest.mark.parametrize("answer", [Succeeded, Pending, Declined, Declined(hard=True)])
def test_a_batch_costs_as_many_statements_however_large_it_is(answer, goat, memory, limits, now):
    costs = []

    for count in (2, 40):
        crowd(goat, memory, count=count, now=now)
        memory.script.extend([answer] * count)
        costs.append(
            statements_of_a_batch(lambda: cycle.begin(now=now, limits=limits), memory, now=now)
        )

    assert [count for count, _, _ in costs] == [2, 40]
    assert costs[0][1:] == costs[1][1:]
    assert costs[0][1] <= 13
    assert costs[0][2] <= 15


def test_follow_ups_cost_as_many_statements_however_many_there_are(
    goat, carol, memory, limits, now
):
    rule = {"role": "x", "amount": 5, "after_days": 9, "customer": str(carol.pk)}
    rule["instrument"] = str(instrument_of(carol).pk)
    costs = []

    for count in (2, 40):
        crowd(goat, memory, count=count, now=now)
        Scheduler.objects.filter(occurrence=0).update(follow_ups=[rule])
        costs.append(
            statements_of_a_batch(lambda: cycle.begin(now=now, limits=limits), memory, now=now)
        )

    assert costs[0][1:] == costs[1][1:]
    assert Scheduler.objects.filter(parent__isnull=False).count() == 42


def test_a_retry_of_a_company_without_a_key_is_not_sent(goat, alice, now):
    memory = Memory(script=[Misconfigured])
    subscribe(goat, alice, now=now)

    tick(memory, now=now)

    assert Transaction.objects.get().failures[0]["verdict"] == "misconfigured"
