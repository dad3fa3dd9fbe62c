"""Workers that die between T1 and T3: whatever was cut off is finished, and nothing twice."""

import pytest
from django.db import connection

from accounts.models import Company
from accounts.open import account_of
from audit.models import AuditEvent
from conftest import LIMITS, abandon, crowd, subscribe, sweep, tick
from invoices.models import AuditFeed, Transaction
from processors.memory import Declined, Lost, Memory
from schedulers import cycle
from schedulers.models import Scheduler
from tasks.outcome import Verdict

pytestmark = pytest.mark.django_db


def submitted(held, memory):
    """Carry attempts to the processor and forget the answers: the worker died on its way back."""
    account = account_of(Company.objects.get(pk=held[0].company_id))
    return [memory.submit(each.order(account)) for each in held]


def test_a_worker_that_died_before_the_call_is_finished_for(goat, alice, memory, limits, now):
    subscribe(goat, alice, now=now)
    cycle.begin(now=now, limits=limits)
    abandon()

    sweep(memory, now=now)

    assert (AuditFeed.objects.get().state, memory.sum(), len(memory.orders)) == ("settled", 100, 1)


def test_a_worker_that_died_after_the_call_is_finished_for(goat, alice, memory, limits, now):
    subscribe(goat, alice, now=now)
    submitted(cycle.begin(now=now, limits=limits).held, memory)
    abandon()

    sweep(memory, now=now)
    sweep(memory, now=now)

    assert (AuditFeed.objects.get().state, memory.sum(), len(memory.orders)) == ("settled", 100, 1)


def test_what_is_still_leased_is_left_to_its_holder(goat, alice, memory, limits, now):
    subscribe(goat, alice, now=now)
    cycle.begin(now=now, limits=limits)

    reports = [work(memory, now=now) for work in (tick, sweep)]

    assert [report.worked for report in reports] == [False, False]
    assert memory.orders == []


def test_half_a_batch_that_was_cut_off_is_charged_once(goat, memory, limits, now):
    crowd(goat, memory, count=30, now=now)
    held = cycle.begin(now=now, limits=limits).held
    submitted(held[:10], memory)
    send_and_settle(held[10:20], memory, now=now)
    abandon()

    sweep(memory, now=now)

    assert (len(memory.ledger), memory.sum()) == (30, 3000)
    assert AuditFeed.objects.filter(state="settled", captured=100).count() == 30
    assert AuditEvent.objects.filter(kind="debit.succeeded").count() == 30


def send_and_settle(held, memory, *, now):
    return cycle.run(held, processor=memory, now=now, limits=LIMITS())


def test_a_worker_that_wakes_after_its_lease_changes_nothing(goat, alice, memory, limits, now):
    subscribe(goat, alice, now=now)
    held = cycle.begin(now=now, limits=limits).held
    abandon()
    sweep(memory, now=now)

    late = send_and_settle(held, memory, now=now)

    assert late == []
    assert (memory.sum(), len(memory.ledger)) == (100, 1)
    assert AuditFeed.objects.get().captured == 100


def test_a_commit_whose_answer_was_lost_is_written_again_without_effect(
    goat, alice, memory, limits, now
):
    subscribe(goat, alice, now=now)
    (held,) = cycle.begin(now=now, limits=limits).held
    (receipt,) = submitted([held], memory)
    outcome = cycle.evidence(held.job(None), receipt)
    cycle.settle([(held, outcome)], now=now, limits=limits)
    before = AuditEvent.objects.count()

    cycle.settle([(held, outcome)], now=now, limits=limits)
    abandon()
    sweep(memory, now=now)

    assert AuditEvent.objects.count() == before
    assert (AuditFeed.objects.get().captured, len(memory.orders)) == (100, 1)


def test_a_lost_connection_is_opened_again_to_write_the_outcome(goat, alice, memory, limits, now):
    subscribe(goat, alice, now=now)
    (held,) = cycle.begin(now=now, limits=limits).held
    (receipt,) = submitted([held], memory)
    kill_connection()

    settled = cycle.settle(
        [(held, cycle.evidence(held.job(None), receipt))], now=now, limits=limits
    )

    assert [each.state for each in settled] == ["succeeded"]


def kill_connection():
    """End our own connection from another one, as a failover would."""
    import psycopg2

    connection.ensure_connection()
    ours = connection.connection.info.backend_pid
    other = psycopg2.connect(**connection.get_connection_params() | {"cursor_factory": None})
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [ours])
    finally:
        other.close()


def test_a_retry_that_was_cut_off_is_charged_once(goat, alice, now):
    memory = Memory(script=[Declined])
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    due_at = Transaction.objects.get(attempt=2).due_at
    submitted(cycle.payments.lease_queued(now=due_at, limit=9, lease_seconds=120), memory)
    abandon()

    sweep(memory, now=due_at)

    assert (memory.sum(), len(memory.orders)) == (100, 2)
    assert Scheduler.objects.get().state == "active"


def test_a_refusal_that_was_lost_twice_is_planned_once(goat, alice, limits, now):
    memory = Memory(script=[Lost(after=Declined())])
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    abandon()
    (held,) = cycle.payments.lease_lost(limit=9, lease_seconds=120)
    declined = cycle.Outcome(
        transaction_id=held.transaction_id, verdict=Verdict.DECLINED, uri="/debits/WD1"
    )

    first = cycle.settle([(held, declined)], now=now, limits=limits)
    again = cycle.settle([(held, declined)], now=now, limits=limits)

    assert (len(first), again) == (1, [])
    assert Transaction.objects.filter(state="queued").count() == 1
    assert AuditFeed.objects.get().live == 100
