"""`verify`: one line for each invariant, an exit code that programs can act on, and no false alarm.

That each invariant is told of when it is broken is shown by the self-test: `test_self_test.py`.
"""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from audit.findings import Weight
from billy.verification import (
    CHECKS,
    TITLES,
    environment,
    examine,
    exit_code,
    generated,
    remote,
    self_test,
)
from billy.verification.corruptions import Corruption
from billy.verification.living import Twin
from conftest import change, crowd, give_instrument, open_company, open_feed, subscribe, sweep, tick
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from processors.memory import Conflict, Declined, Lost, Pending
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db


@pytest.fixture
def memory():
    """A processor that can list what it has."""
    return Twin()


def verify(capsys, *arguments, now):
    """Run the command at an instant; returns its exit code and its lines."""
    with pytest.raises(SystemExit) as left:
        call_command("verify", *arguments, f"--now={now.isoformat()}")
    return left.value.code, capsys.readouterr().out.splitlines()


def statuses(results):
    return {each.id: each.status for each in results}


def status(identity, *, now, depth="full", **asked):
    return statuses(examine(depth=depth, now=now, **asked))[identity]


def damage(statement):
    """Change rows behind the triggers' back, and let them watch again."""
    self_test.plant(Corruption("damage", "", (statement,)))


# --- The command ------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["--fast", "--full"])
def test_what_only_ever_went_through_the_cycle_is_clean(capsys, goat, alice, memory, now, depth):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)

    code, lines = verify(capsys, depth, now=now)

    assert (0, []) == (code, [line for line in lines[:-1] if " clean " not in line])
    assert f"{len(lines) - 1} invariants: {len(lines) - 1} clean" == lines[-1]


def test_an_empty_database_is_clean(capsys, database, now):
    assert 0 == verify(capsys, "--full", now=now)[0]


def test_a_violation_names_its_offender_and_leaves_with_1(capsys, goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    damage("UPDATE billy_schedulers_scheduler SET occurrence = 5")

    code, lines = verify(capsys, "--fast", now=now)

    assert 1 == code
    assert lines[0].startswith("I1   violated        1  every occurrence")
    assert lines[1].strip().startswith(f"{scheduler.guid} 4 occurrences below its counter")
    assert max(map(len, lines)) <= 80


def test_what_waits_for_a_person_leaves_with_3(capsys, goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    memory.script.append(Conflict())
    tick(memory, now=now)

    code, lines = verify(capsys, "--fast", now=now)

    assert 3 == code
    assert [line for line in lines if line.startswith("I17  person          1")]
    assert "11 invariants: 10 clean, 1 waiting for a person" == lines[-1]


def test_a_check_that_cannot_be_made_leaves_with_2(capsys, goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    change("ALTER TABLE billy_webhooks_inbound RENAME COLUMN done_at TO done")

    results = examine(depth="full", now=now, only={"I19", "I1"})

    assert {"I1": "clean", "I19": "unchecked"} == statuses(results)
    assert "UndefinedColumn" in results[1].error or "does not exist" in results[1].error
    assert 2 == exit_code(results)


def test_a_violation_weighs_more_than_what_could_not_be_checked(goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    change("ALTER TABLE billy_webhooks_inbound RENAME COLUMN done_at TO done")
    damage("UPDATE billy_schedulers_scheduler SET occurrence = 5")

    assert 1 == exit_code(examine(depth="fast", now=now))


def test_json_says_the_same_for_programs(capsys, goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    damage("UPDATE billy_invoices_auditfeed SET captured = 0, state = 'open'")

    code, lines = verify(capsys, "--full", "--json", now=now)

    said = json.loads("\n".join(lines))
    by_id = {each["id"]: each for each in said["results"]}
    assert (1, "full", 1) == (code, said["depth"], said["exit_code"])
    assert ("violated", 1) == (by_id["I13"]["status"], len(by_id["I13"]["offenders"][:1]))
    assert AuditFeed.objects.get().guid == by_id["I13"]["offenders"][0]["where"]
    assert "clean" == by_id["I1"]["status"]


def test_the_first_twenty_offenders_are_named_and_all_are_counted(goat, memory, now):
    crowd(goat, memory, count=25, now=now)
    damage("UPDATE billy_schedulers_scheduler SET occurrence = 1")

    (result,) = examine(depth="fast", now=now, only={"I1"})

    assert (25, 20) == (result.count, len(result.offenders))


def test_two_depths_at_once_are_refused(database):
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("verify", "--fast", "--full")


def test_the_snapshot_may_not_write_nor_join_another_transaction(database, now):
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        examine(depth="fast", now=now)


def test_what_is_committed_meanwhile_is_not_seen(goat, alice, memory, now, monkeypatch):
    """A check that begins later sees what the first one saw: one snapshot for all."""
    scheduler = subscribe(goat, alice, now=now)
    other = connection.copy()
    seen = []

    def told(title, _rows):
        if not seen:
            with other.cursor() as cursor:
                cursor.execute("UPDATE billy_schedulers_scheduler SET version = version + 1")
        seen.append(title)

    during = examine(depth="full", now=now, told=told, only={"I1", "I10"})
    after = examine(depth="full", now=now, only={"I1", "I10"})
    other.close()

    assert {"I1": "clean", "I10": "clean"} == statuses(during)
    assert {"I1": "clean", "I10": "violated"} == statuses(after)
    assert scheduler.version < Scheduler.objects.get().version


# --- What is under way is no violation ----------------------------------------------------------


def test_an_attempt_that_is_held_is_counted_as_in_flight(capsys, goat, alice, now):
    open_feed(goat, alice, now=now)

    code, lines = verify(capsys, "--full", now=now)

    assert 0 == code
    assert lines[-1].endswith(" clean, 1 attempts in flight")


@pytest.mark.parametrize("answer", [Lost(), Pending(), Declined()])
def test_no_answer_that_a_processor_gives_is_a_violation(goat, alice, memory, now, answer):
    subscribe(goat, alice, now=now)
    memory.script.append(answer)

    tick(memory, now=now)

    assert 0 == exit_code(examine(depth="full", now=now))
    assert 0 == exit_code(examine(depth="processor", now=now, processor=memory))
    sweep(memory, now=now)
    assert 0 == exit_code(examine(depth="full", now=now))


@pytest.mark.parametrize(("minutes", "expected"), [(5, "clean"), (6, "violated")])
def test_what_is_due_for_more_than_five_minutes_is_late(goat, alice, now, minutes, expected):
    subscribe(goat, alice, now=now)

    found = status("I16", now=now + timedelta(minutes=minutes), depth="fast")

    assert expected == found


def test_nothing_is_late_while_nothing_may_be_sent(goat, alice, now):
    subscribe(goat, alice, now=now)
    change("UPDATE billy_accounts_installation SET dispatch = 'frozen'")

    assert "clean" == status("I16", now=now + timedelta(days=1), depth="fast")


# --- The processor's side -----------------------------------------------------------------------


def test_both_sides_agree_after_a_month(goat, payroll, alice, carol, memory, now):
    for plan, customer in ((goat, alice), (payroll, carol)):
        subscribe(plan, customer, now=now)
    for days in (0, 31):
        tick(memory, now=now + timedelta(days=days))

    (result,) = examine(depth="processor", now=now, processor=memory)

    assert ("clean", 0, ()) == (result.status, result.count, result.offenders)
    assert 4 == len(memory.ledger)


def test_a_return_that_nobody_told_us_of_is_found(goat, bob, memory, now):
    from processors.base import Status

    subscribe(goat, bob, now=now)
    tick(memory, now=now)
    memory.settle(memory.ledger[0].uri, Status.FAILED, "R01")

    (result,) = examine(depth="processor", now=now, processor=memory)

    attempt = Transaction.objects.get()
    assert [
        (attempt.guid, "is succeeded, there it is failed"),
        (
            f"account {attempt.processor_account} USD",
            "the processor has -100 minor units more of debits than we",
        ),
    ] == [(each.where, each.why) for each in result.offenders]


def test_each_company_is_compared_with_its_own_account(goat, alice, memory, now):
    other = open_company("Another", now=now)
    plan = Plan.create(company=other, amount=7, frequency="monthly", now=now)
    from accounts.models import Customer

    dora = Customer.create(company=other, name="Dora", now=now)
    give_instrument(dora, memory.add_card(), memory=memory, now=now)
    for offer, customer in ((goat, alice), (plan, dora)):
        subscribe(offer, customer, now=now)
    tick(memory, now=now)

    (result,) = examine(depth="processor", now=now, processor=memory)

    assert "clean" == result.status


def test_an_account_without_a_key_is_told_of_and_not_compared(goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    change("UPDATE billy_accounts_company SET processor_key = ''")

    (result,) = examine(depth="processor", now=now, processor=memory)

    assert "clean" == result.status
    assert [Weight.WARNING] == [each.weight for each in result.warnings]


def test_a_processor_that_does_not_answer_is_not_taken_for_one_that_agrees(
    goat, alice, memory, now, marketplace
):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    memory.script.clear()

    class Away(Twin):
        def listed(self, **_):
            raise ConnectionError("nobody answers")

    results = examine(depth="processor", now=now, processor=Away())

    assert (2, "unchecked") == (exit_code(results), results[0].status)


def test_pages_of_objects_are_read_one_by_one():
    pages = list(remote._pages(iter(range(2_500))))

    assert [1_000, 1_000, 500] == [len(page) for page in pages]


# --- What the checks are made from --------------------------------------------------------------


def test_every_check_belongs_to_an_invariant_that_has_a_title():
    assert {check.id for check in CHECKS} <= TITLES.keys()
    assert {f"I{number}" for number in range(1, 27)} == {check.id for check in CHECKS}


def test_the_schema_that_is_expected_is_what_the_migrations_make(database):
    """After a migration: `manage.py verify --write-schema`."""
    assert [] == environment.differences(environment.present(), environment.expected())


def test_every_named_constraint_and_index_of_the_models_is_expected(database):
    expected = environment.expected()
    names = {name.partition(" ")[2].rpartition(".")[2] for name in expected}

    wanted = {
        each.name
        for model in generated.own_models()
        for each in (*model._meta.constraints, *model._meta.indexes)
    }

    assert wanted
    assert wanted - names == set()


def test_every_reference_between_companies_rows_is_checked(database):
    found = generated.references()

    assert {
        "billy_invoices_auditfeed.customer_id",
        "billy_invoices_transaction.reference_to_id",
        "billy_schedulers_scheduler.parent_id",
        "billy_schedulers_scheduler.id",
        "billy_audit_auditevent.feed_id",
        "billy_audit_auditevent.trail_id",
        "billy_audit_outbox.company_id",
        "billy_webhooks_inbound.company_id",
    } <= found.keys()


def test_text_is_searched_in_every_table_that_can_hold_a_number():
    columns = {
        f"{model._meta.db_table}.{column}"
        for model in generated.own_models()
        for column in generated.text_columns(model)
    }

    assert {
        "billy_accounts_customer.name",
        "billy_audit_auditevent.body",
        "billy_webhooks_inbound.raw",
        "billy_accounts_fundinginstrument.label",
        "billy_invoices_transaction.failures",
    } <= columns
    assert "billy_accounts_company.processor_key" not in columns


def test_the_settings_of_a_server_that_may_forget_are_refused(database, now):
    """The tests' own server gives up durability for speed."""
    change("SET fsync_is_known.for_tests = 'on'")
    (result, _) = examine(depth="env", now=now)
    settings = {each.where for each in result.offenders}

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM pg_settings WHERE setting = 'off' AND name = ANY(%s)",
            [list(environment.DURABLE)],
        )
        off = {name for (name,) in cursor.fetchall()}

    assert off == settings
