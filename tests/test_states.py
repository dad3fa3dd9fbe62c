"""The states, said three times: in the code, in the database's triggers, and in docs/states.md."""

import re
from itertools import product

import pytest
from django.db import DatabaseError, connection, transaction

from billy.places import CHECKOUT
from conftest import change, subscribe, tick
from invoices.models import AuditFeed, Transaction
from invoices.states import FEED_MOVES, LEASED, LIVE, TRANSACTION_MOVES, moves
from schedulers.models import Scheduler
from schedulers.states import SCHEDULER_MOVES, TICKING

PAGE = (CHECKOUT / "docs" / "states.md").read_text(encoding="utf-8")

MACHINES = {
    "Invoice": (FEED_MOVES, AuditFeed, "feed_moves"),
    "Transaction": (TRANSACTION_MOVES, Transaction, "transaction_moves"),
    "Scheduler": (SCHEDULER_MOVES, Scheduler, "scheduler_moves"),
}
EACH = pytest.mark.parametrize("name", MACHINES)


def told_on_the_page(name):
    """Return the table below a heading of the page: each state, and what it may become."""
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return {state: frozenset(re.findall(r"`(\w+)`", after)) for state, _, after in rows}


def told_by_the_trigger(model, trigger):
    """Return the moves that a trigger lets pass, as the database's own catalog has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger"
            " WHERE tgrelid = %s::regclass AND tgname = %s",
            [model._meta.db_table, trigger],
        )
        ((definition, enabled),) = cursor.fetchall()
    (passed,) = re.findall(r"'\{([\w>,]+)\}'::text\[\]", definition)
    return sorted(passed.split(",")), enabled


@EACH
def test_the_page_tells_the_moves_of_the_code(name):
    table, _, _ = MACHINES[name]

    assert told_on_the_page(name) == table


@EACH
def test_the_database_lets_the_moves_of_the_code_pass(database, name):
    table, model, trigger = MACHINES[name]

    passed, enabled = told_by_the_trigger(model, trigger)

    assert passed == moves(table)
    assert enabled in {"O", "A"}


@EACH
def test_the_database_knows_the_states_of_the_code(database, name):
    table, model, _ = MACHINES[name]
    constraint = f"{name.lower().replace('invoice', 'feed')}_state_known"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND conname = %s",
            [model._meta.db_table, constraint],
        )
        ((definition,),) = cursor.fetchall()

    assert set(re.findall(r"'(\w+)'", definition)) == set(table)


@EACH
def test_every_move_leads_to_a_state_and_every_state_fits_its_column(name):
    table, model, _ = MACHINES[name]
    longest = model._meta.get_field("state").max_length

    assert set().union(*table.values()) <= set(table)
    assert max(map(len, table)) <= longest


@EACH
def test_every_state_can_be_reached_from_where_things_are_born(name):
    table, _, _ = MACHINES[name]
    reached = {"draft", "open", "queued", "intent", "trialing", "active"} & set(table)

    for _ in table:
        reached = reached.union(*(table[state] for state in reached))

    assert reached == set(table)


def test_the_groups_of_states_are_states():
    assert set(TRANSACTION_MOVES) >= LIVE > LEASED
    assert set(TICKING) <= set(SCHEDULER_MOVES)


@pytest.fixture
def rows(goat, alice, memory, now):
    """One row of each kind, whose state a test sets as it likes."""
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    feed = AuditFeed.objects.get(trail_id=scheduler.pk)
    return {"Invoice": feed, "Transaction": feed.transaction_set.get(), "Scheduler": scheduler}


@EACH
def test_the_database_itself_refuses_every_other_move(rows, name):
    table, model, trigger = MACHINES[name]
    relation, key = model._meta.db_table, model._meta.pk.column
    update = f'UPDATE "{relation}" SET state = %s WHERE "{key}" = %s'
    refused = set()
    for before, after in product(table, table):
        try:
            with transaction.atomic():
                change(f'ALTER TABLE "{relation}" DISABLE TRIGGER {trigger}')
                drop_checks(relation)
                change(update, [before, rows[name].pk])
                change(f'ALTER TABLE "{relation}" ENABLE ALWAYS TRIGGER {trigger}')
                change(update, [after, rows[name].pk])
        except DatabaseError as error:
            refused.add((f"{before}>{after}", "no such move" in str(error)))

    possible = {f"{before}>{after}" for before, after in product(table, table) if before != after}
    assert refused == {(move, True) for move in possible - set(moves(table))}


def drop_checks(relation):
    """Leave a table to its triggers alone: most states need more than a state to be sound."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'",
            [relation],
        )
        for (constraint,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE "{relation}" DROP CONSTRAINT "{constraint}"')
