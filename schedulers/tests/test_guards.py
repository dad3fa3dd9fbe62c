"""What the protocol never does to money's rows, the database refuses."""

from itertools import product

import pytest
from django.db import IntegrityError, connection, transaction

from conftest import instrument_of, send, subscribe, tick
from core.money import Money
from invoices import one_off, states
from invoices.models import AuditFeed, NumberSeries, Transaction
from schedulers.models import Scheduler
from schedulers.states import SCHEDULER_MOVES
from tasks.pricing import Line

pytestmark = pytest.mark.django_db

EVENTS = "billy_audit_auditevent"
TRAILS = "billy_audit_audittrail"
FEEDS = "billy_invoices_auditfeed"
ATTEMPTS = "billy_invoices_transaction"
SERIES = "billy_invoices_numberseries"
SCHEDULERS = "billy_schedulers_scheduler"


@pytest.fixture
def paid(goat, alice, memory, now):
    """A scheduler of Alice's that has charged her once, and a one-off beside it."""
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    _, held = one_off.invoice(
        alice,
        lines=[Line(description="Hay", amount=Money(5, "USD"))],
        instrument=instrument_of(alice),
        now=now,
        lease_seconds=120,
    )
    send(held, memory, now=now)


def refused(statement):
    """Return whether the database refuses a statement, as its owner: by a guard or a constraint."""
    with connection.cursor() as cursor:
        try:
            with transaction.atomic():
                cursor.execute(statement)
        except IntegrityError:
            return True
        return cursor.rowcount == 0


def unguarded(statements):
    """Return the statements that the database does not refuse."""
    return [statement for statement in statements if not refused(statement)]


def test_nothing_is_deleted(paid):
    tables = [EVENTS, TRAILS, FEEDS, ATTEMPTS, SERIES, SCHEDULERS]

    open_doors = unguarded(
        [f"DELETE FROM {table}" for table in tables]
        + [f"TRUNCATE {table} CASCADE" for table in tables]
    )

    assert open_doors == []


def columns(model, *, but):
    return [field.column for field in model._meta.concrete_fields if field.column not in but]


FEED_MAY_CHANGE = {
    *("instrument_id", "live", "captured", "returned", "refunded", "applied", "credited"),
    *("state", "series", "number", "opened_at"),
}
ATTEMPT_MAY_CHANGE = {
    *("state", "due_at", "lease_token", "lease_until", "first_claimed_at", "looks"),
    *("next_look_at", "processor_uri", "failures", "updated_at"),
}


def test_what_was_invoiced_is_not_edited(paid):
    fixed = columns(AuditFeed, but=FEED_MAY_CHANGE)

    open_doors = unguarded(f"UPDATE {FEEDS} SET {column} = {column}" for column in fixed)

    assert open_doors == []


def test_what_was_asked_for_is_not_edited(paid):
    fixed = columns(Transaction, but=ATTEMPT_MAY_CHANGE)

    open_doors = unguarded(f"UPDATE {ATTEMPTS} SET {column} = {column}" for column in fixed)

    assert open_doors == []


def test_what_happened_is_not_unmade(paid):
    statements = [
        f"UPDATE {EVENTS} SET amount = amount",
        f"UPDATE {EVENTS} SET body = '{{}}'",
        f"UPDATE {TRAILS} SET head_seq = head_seq - 1",
        f"UPDATE {TRAILS} SET company_id = company_id",
        f"UPDATE {FEEDS} SET number = number + 1000",
        f"UPDATE {FEEDS} SET number = NULL",
        f"UPDATE {ATTEMPTS} SET processor_uri = '/debits/OTHER'",
        f"UPDATE {ATTEMPTS} SET processor_uri = NULL",
        f"UPDATE {SERIES} SET last = last - 1",
        f"UPDATE {SCHEDULERS} SET occurrence = occurrence - 1",
    ]

    open_doors = unguarded(statements)

    assert open_doors == []


def test_the_triggers_hold_for_a_replica_too(paid):
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = 'replica'")

    assert refused(f"DELETE FROM {EVENTS}")
    assert refused(f"UPDATE {FEEDS} SET total = total")
    assert refused(f"UPDATE {ATTEMPTS} SET amount = amount")


@pytest.mark.parametrize(
    ("table", "trigger", "moves"),
    [
        (FEEDS, "feed_moves", states.FEED_MOVES),
        (ATTEMPTS, "transaction_moves", states.TRANSACTION_MOVES),
        (SCHEDULERS, "scheduler_moves", SCHEDULER_MOVES),
    ],
)
def test_the_moves_of_the_database_are_those_of_the_code(table, trigger, moves, database):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = %s", [trigger])
        ((definition,),) = cursor.fetchall()

    known = definition.split("'{")[1].split("}'")[0].replace('"', "").split(",")
    assert table in definition
    assert sorted(known) == states.moves(moves)


def test_a_move_that_is_not_in_the_table_is_refused(paid):
    for before, after in product(states.FEED_MOVES, repeat=2):
        if before == "settled" and after not in {before} | states.FEED_MOVES[before]:
            assert refused(f"UPDATE {FEEDS} SET state = '{after}'")
    for after in states.TRANSACTION_MOVES.keys() - {"succeeded", "returned"}:
        assert refused(f"UPDATE {ATTEMPTS} SET state = '{after}'")


def test_sums_that_do_not_add_up_are_refused(paid):
    changes = [
        "live = 1",
        "captured = captured + 1",
        "captured = 0",
        "refunded = captured + 1",
        "returned = captured + 1, state = 'open'",
        "live = -1",
        "applied = -1, state = 'open'",
        "state = 'open', number = NULL, series = NULL",
    ]

    for change in changes:
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE {FEEDS} SET {change}")


def test_what_may_change_may_change(paid):
    assert not refused(f"UPDATE {FEEDS} SET live = live")
    assert not refused(f"UPDATE {ATTEMPTS} SET looks = looks + 1")
    assert not refused(f"UPDATE {SCHEDULERS} SET reason = 'x'")
    assert NumberSeries.objects.get().last == 2
    assert Scheduler.objects.get().reason == "x"
