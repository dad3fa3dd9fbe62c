"""The front door: light, and the same in a plain script, in the shell and inside Django."""

import shutil
import subprocess
import sys
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

import psycopg2
import pytest

import billy
from accounts.models import FundingInstrument
from audit.models import AuditEvent
from billy.embedded.home import Home
from billy.places import CHECKOUT, VAR
from billy.tests.processes import PATIENCE_SECONDS, Child, environment
from billy.tests.test_embedded import ask_to_end, wait_until_gone
from conftest import subscribe, tick
from core.invalid import Invalid
from schedulers.models import Scheduler, Usage

GOAT = """
plan = billy.Plan.create(
    amount=100,
    description='the goat - silver',
    trial_period=None,
    frequency=billy.Frequency.MONTHLY,
    interval=3,
)
print(plan.amount, plan.currency, plan.frequency, plan.interval, billy.Plan.objects.count())
"""
ROOMS = ("accounts", "audit", "billy", "core", "invoices", "plans", "processors", "schedulers")
NEEDED = (*ROOMS, "tasks", "webhooks", "templates", "manage.py", "requirements.txt")


def run(code, *, cwd=CHECKOUT, **changes):
    """Run a plain script and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=environment(DJANGO_SETTINGS_MODULE=None, **changes),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def problem_of(call, **given):
    with pytest.raises(Invalid) as caught:
        call(**given)
    return caught.value.errors


@pytest.fixture
def virgin():
    """A checkout that has never run: the source alone, beside which nothing lies yet."""
    folder = VAR / f"scratch-{uuid.uuid4().hex[:8]}"
    skip = shutil.ignore_patterns("__pycache__", "tests")
    for name in NEEDED:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=skip)
        else:
            shutil.copy(source, folder / name)
    home = Home(root=folder / "var" / "postgres")
    yield folder
    ask_to_end(home)
    wait_until_gone(home)
    shutil.rmtree(home.data().parent, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def test_the_door_is_light():
    found = run("import billy, sys; print(sorted({'django', 'celery'} & set(sys.modules)))")

    assert found == "[]"


def test_values_need_neither_django_nor_a_database():
    code = """
import billy, sys
print(billy.Frequency.MONTHLY, billy.Money(100, 'USD'), billy.DebitTask.direction)
print(sorted({'celery', 'psycopg2'} & set(sys.modules)))
"""
    found = run(code, DATABASE_URL="postgres://127.0.0.1:1/nothing")

    assert found.splitlines() == ["monthly $1.00 debit", "[]"]


def test_every_public_name_is_there_and_no_other():
    assert billy.__all__ == sorted(billy.__all__)
    assert all(getattr(billy, name) is not None for name in billy.__all__)
    assert set(billy.__all__) <= set(dir(billy))
    with pytest.raises(AttributeError, match="no attribute 'Goat'"):
        _ = billy.Goat
    assert {"YEARLY", "MONTHLY", "WEEKLY", "DAILY"} <= set(billy.Frequency.__members__)


def test_a_plain_script_in_a_folder_that_has_never_run_makes_the_goat_plan(virgin):
    found = run("import billy" + GOAT, cwd=virgin, DATABASE_URL=None)

    assert found == "100 USD monthly 3 1"


@pytest.mark.django_db
def test_the_shell_makes_the_goat_plan(database):
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--command", "import billy" + GOAT],
        cwd=CHECKOUT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    assert done.stdout.strip().endswith("100 USD monthly 3 1")


@pytest.fixture
def empty_database(workshop):
    """A database without a table."""
    made = workshop.describe(f"{workshop.run}_{uuid.uuid4().int % 10**9}")
    connection = psycopg2.connect(workshop.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{made.name}"')
    yield made
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{made.name}" WITH (FORCE)')
    connection.close()


def test_several_that_start_on_an_empty_database_at_once_all_find_its_tables(empty_database):
    code = "import billy\n" + GOAT

    children = [
        Child("-c", code, DATABASE_URL=empty_database.url, DJANGO_SETTINGS_MODULE=None)
        for _ in range(3)
    ]
    ends = []
    for child in children:
        with child:
            printed, _ = child.process.communicate(timeout=PATIENCE_SECONDS)
            ends.append((child.process.returncode, printed[:18]))

    assert [(0, "100 USD monthly 3 ")] * 3 == ends


# --- subscribe --------------------------------------------------------------------------------


@pytest.fixture
def front_memory(settings):
    """The processor in memory, as the settings name it."""
    settings.BILLY_PROCESSOR = "memory"
    from schedulers import limits

    return limits.processor()


@pytest.mark.django_db
def test_a_customer_is_put_on_a_plan_with_a_card_that_is_associated(
    goat, marketplace, front_memory, now
):
    zoe = billy.Customer.create(name="Zoe", company=marketplace, now=now)
    uri = front_memory.add_card()

    scheduler = billy.subscribe(plan=goat, customer=zoe, funding_instrument=uri, now=now)

    assert (uri, "active", now) == (
        scheduler.instrument.uri,
        scheduler.state,
        scheduler.next_run_at,
    )
    assert scheduler == Scheduler.objects.get()


@pytest.mark.django_db
def test_bad_terms_of_a_subscription_are_named_before_the_processor_hears_of_it(
    goat, payroll, marketplace, front_memory, now
):
    zoe = billy.Customer.create(company=marketplace, now=now)
    uri = front_memory.add_card()
    bad = [
        ("amount", 0),
        ("amount", 1.5),
        ("amount", 2**53),
        ("ends_after", 0),
        ("ends_after", "3"),
        ("trial_period", -1),
        ("trial_period", timedelta(hours=1)),
        ("time_zone", "Nowhere"),
        ("catch_up", "never"),
        ("without_instrument", "shout"),
        ("statement_text", "x" * 19),
        ("external_id", "x" * 129),
        ("params", {"rate": 0.5}),
        ("started_at", datetime(2026, 1, 1)),
        ("instrument", None),
        ("prize", 1),
    ]

    told = [
        sorted(
            {
                name.partition(".")[0]
                for name in problem_of(
                    billy.subscribe,
                    **{"plan": goat, "customer": zoe, "funding_instrument": uri, "now": now}
                    | {field: value},
                )
            }
        )
        for field, value in bad
    ]

    assert [[field] for field, _ in bad] == told
    assert not FundingInstrument.objects.exists()
    assert not Scheduler.objects.exists()


@pytest.mark.django_db
def test_people_and_instruments_must_belong_together(goat, payroll, alice, bob, marketplace, now):
    other = billy.Company.create(name="Other", now=now)
    mallory = billy.Customer.create(company=other, now=now)
    card = FundingInstrument.objects.get(customer=alice)
    FundingInstrument.objects.filter(customer=bob).update(state="errored")
    errored = FundingInstrument.objects.get(customer=bob)
    wrong = [
        ({"plan": "goat", "customer": alice}, "plan"),
        ({"plan": goat, "customer": mallory}, "customer"),
        ({"plan": goat, "customer": "alice"}, "customer"),
        ({"plan": goat, "customer": bob, "funding_instrument": card}, "funding_instrument"),
        ({"plan": goat, "customer": bob, "funding_instrument": errored}, "funding_instrument"),
        ({"plan": goat, "customer": alice, "funding_instrument": 7}, "funding_instrument"),
        ({"plan": payroll, "customer": alice, "funding_instrument": card}, "funding_instrument"),
    ]

    told = [list(problem_of(billy.subscribe, **given, now=now)) for given, _ in wrong]

    assert [[field] for _, field in wrong] == told


@pytest.mark.django_db
def test_an_external_id_names_one_subscription(goat, alice, now):
    billy.subscribe(plan=goat, customer=alice, external_id="one", now=now)

    found = problem_of(billy.subscribe, plan=goat, customer=alice, external_id="one", now=now)

    assert found == {"external_id": "is the name of another subscription"}
    assert Scheduler.objects.count() == 1


# --- usage ------------------------------------------------------------------------------------


@pytest.fixture
def scheduler(goat, alice, now):
    return billy.subscribe(plan=goat, customer=alice, now=now)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("quantity", "kept"),
    [
        (0, "0"),
        (7, "7"),
        ("2.5", "2.5"),
        (Decimal("0.000001"), "0.000001"),
        ("99999999999999", "99999999999999"),
    ],
)
def test_usage_is_kept_as_it_was_reported_and_told_in_the_trail(quantity, kept, scheduler, now):
    billy.record_usage(
        scheduler=scheduler, metric="gb", quantity=quantity, at=now, external_id="a", now=now
    )

    assert Decimal(kept) == Usage.objects.get().quantity
    event = AuditEvent.objects.get(kind="usage.recorded")
    assert (scheduler.pk, kept, "gb") == (
        event.trail_id,
        event.body["quantity"],
        event.body["metric"],
    )


@pytest.mark.django_db
def test_the_same_report_again_changes_nothing(scheduler, now):
    given = {"scheduler": scheduler, "metric": "gb", "at": now, "external_id": "a", "now": now}
    first = billy.record_usage(**given, quantity=7)

    second = billy.record_usage(**given, quantity=8)

    assert first == second
    assert (7, 1) == (
        Usage.objects.get().quantity,
        AuditEvent.objects.filter(kind="usage.recorded").count(),
    )


@pytest.mark.django_db
def test_bad_usage_is_named_and_nothing_is_written(scheduler, now):
    good = {"metric": "gb", "quantity": 1, "at": now, "external_id": "a"}
    quantities = [1.0, True, -1, "-1", "1e3", "1_000", "١٢", " 7 ", "", "NaN", "Infinity", None]
    quantities += [Decimal("NaN"), Decimal("sNaN"), Decimal("-0.1"), Decimal("1e-7"), "0.0000001"]
    quantities += [10**14, "1" * 15, Decimal("1e30"), Decimal("1e-999"), [], (0, (1,), 0)]
    bad = [("quantity", each) for each in quantities]
    bad += [("metric", ""), ("metric", "x" * 81), ("metric", "4111111111111111"), ("metric", 7)]
    bad += [("external_id", ""), ("external_id", "x" * 129), ("external_id", None)]
    bad += [("at", datetime(2026, 1, 1)), ("at", "2026-01-01"), ("at", now.date())]

    told = [
        list(problem_of(billy.record_usage, scheduler=scheduler, **good | {field: value}, now=now))
        for field, value in bad
    ]

    assert [[field] for field, _ in bad] == told
    assert not Usage.objects.exists()


# --- tasks of one's own -----------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (lambda _: int("nul \0 and \ud800"), "ValueError"),
        (lambda _: billy.Line(description="\0", amount=billy.Money(1, "USD")), "description"),
        (lambda _: billy.Line(description="x", amount=billy.Money(1, "EUR")), "priced in EUR"),
        (lambda _: int("4111 1111 1111 1111 "), "left out"),
        (lambda c: c.params.update(a=1), "AttributeError"),
        (lambda _: None, "NoneType"),
    ],
)
def test_a_task_that_misbehaves_parks_itself_and_nobody_else(
    code, words, *, goat, alice, bob, marketplace, memory, now
):
    kind = type("Theirs", (billy.DebitTask,), {"price": lambda _, context: code(context)})
    billy.task("test-misbehaves")(kind)
    bad = billy.Plan.create(company=marketplace, task="test-misbehaves", now=now)
    parked = subscribe(bad, alice, now=now)
    fine = subscribe(goat, bob, now=now)

    tick(memory, now=now)

    for each in (parked, fine):
        each.refresh_from_db()
    assert ("parked", 0, now) == (parked.state, parked.occurrence, parked.next_run_at)
    assert words in parked.reason
    assert "4111" not in parked.reason
    assert ("active", 1) == (fine.state, fine.occurrence)
    assert [100] == [receipt.amount for receipt in memory.ledger]


@pytest.mark.django_db
def test_the_terms_of_a_task_that_does_not_exist_are_refused_and_old_ones_park(
    goat, alice, memory, now
):
    assert list(problem_of(billy.Plan.create, amount=1, task="gone", now=now)) == ["task"]
    orphan = subscribe(goat, alice, now=now)
    Scheduler.objects.filter(pk=orphan.pk).update(task="gone", computed=True)

    tick(memory, now=now)

    orphan.refresh_from_db()
    assert orphan.state == "parked"
    assert "task gone" in orphan.reason
