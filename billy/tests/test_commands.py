"""The commands: each prints what it did, refuses with a line that names what was wrong."""

import io
import json
import signal
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts import fence
from accounts.clock import database_now
from accounts.models import ApiKey, Company
from audit.models import AuditEvent, Checkpoint
from billy.places import CHECKOUT
from billy.tests.processes import Child, Teller, command, told, wait_for
from conftest import change, subscribe
from invoices.models import AuditFeed
from processors.base import Account, Rejected
from processors.memory import Memory
from schedulers.models import Scheduler


class Deaf(Memory):
    """A processor that will not call anybody back."""

    def register_callback(self, *, account, url):
        del account, url
        message = "callbacks are full"
        raise Rejected(message)


# --- bootstrap --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_bootstrap_prints_one_object_whose_keys_open_both_doors(sandbox, now):
    done = command("bootstrap", "--json", "--processor-url", sandbox.url)

    made = json.loads(done.stdout)
    assert (0, "") == (done.returncode, done.stderr)
    assert ["company", "api_key", "processor_key", "processor_url"] == list(made)
    company = Company.objects.get()
    key = ApiKey.find(made["api_key"], now=now)
    assert (made["company"], sandbox.url) == (company.guid, made["processor_url"])
    assert (company, ["read", "write", "money", "admin"]) == (key.company, key.scopes)
    assert company.processor_key == made["processor_key"]
    assert company.processor_account.startswith("balanced:TEST-MP")
    assert Company.default() == company
    teller = Teller(sandbox.url, made["processor_key"])
    assert teller.card().startswith("/cards/CC")
    teller.close()


@pytest.mark.django_db
def test_the_first_company_that_can_charge_stays_the_default(twin):
    keyless = Company.default()

    first, second = (json.loads(told("bootstrap", "--json", "--name", name)) for name in "AB")

    assert keyless != Company.default()
    assert first["company"] == Company.default().guid != second["company"]


@pytest.mark.django_db
def test_people_get_the_same_keys_in_lines(twin):
    lines = told("bootstrap").splitlines()

    names = ["company", "api_key", "processor_key", "processor_url"]
    assert names == [line.split()[0] for line in lines]


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "ftp://127.0.0.1/", ""])
def test_a_processor_that_cannot_be_reached_is_one_line_and_leaves_nothing(url):
    with pytest.raises(CommandError, match="--processor-url"):
        told("bootstrap", "--json", "--processor-url", url)

    assert not Company.objects.exists()


@pytest.mark.django_db
def test_a_bad_key_is_one_line_and_leaves_nothing(sandbox):
    done = command("bootstrap", "--processor-url", sandbox.url, "--processor-key", "wrong")

    assert done.returncode == 1
    assert "--processor-url" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Company.objects.exists()


@pytest.mark.django_db
def test_a_bad_name_is_named(twin):
    with pytest.raises(CommandError, match="name: must be text of at most 128"):
        told("bootstrap", "--name", "x" * 129)

    assert not Company.objects.exists()


@pytest.mark.django_db
def test_the_keys_are_told_even_where_nobody_will_call_back(settings, now):
    settings.BILLY_PROCESSOR = "billy.tests.test_commands:Deaf"
    out = io.StringIO()

    with pytest.raises(CommandError, match=r"--public-url: .*callbacks are full"):
        call_command("bootstrap", "--json", "--public-url", "https://billy.example", stdout=out)

    assert ApiKey.find(json.loads(out.getvalue())["api_key"], now=now) is not None


@pytest.mark.django_db
def test_the_address_for_callbacks_ends_in_the_companys_secret(twin):
    told("bootstrap", "--public-url", "https://billy.example/")

    company = Company.objects.get()
    assert (
        f"https://billy.example/v1/companies/{company.guid}/callbacks/{company.callback_key}/"
        in (twin.callbacks)
    )


def has_settled(number):
    return AuditFeed.objects.filter(state="settled").count() >= number


# --- tick ---------------------------------------------------------------------------------------


@pytest.fixture
def due(twin, settings, goat, alice, now):
    """A subscription that is due now."""
    return subscribe(goat, alice, now=now)


@pytest.mark.django_db
def test_a_dry_run_shows_what_is_due_and_moves_nothing(due, twin, now):
    before = list(Scheduler.objects.values()), len(twin.orders), AuditEvent.objects.count()

    lines = told("tick", "--dry-run", "--now", now.isoformat()).splitlines()

    assert lines == [
        "2026-01-01 12:00 debit           100 USD fixed-debit #0 the goat - silver",
        "1 shown of what is due at 2026-01-01 12:00 UTC",
    ]
    assert before == (
        list(Scheduler.objects.values()),
        len(twin.orders),
        AuditEvent.objects.count(),
    )
    assert not AuditFeed.objects.exists()


@pytest.mark.django_db
def test_one_pass_runs_one_batch_and_says_so(due, now):
    first = told("tick", "--now", now.isoformat())
    second = told("tick", "--now", now.isoformat())

    assert first.startswith("1 invoices opened, 1 succeeded in ")
    assert second.startswith("0 invoices opened in ")
    assert "settled" == AuditFeed.objects.get().state


@pytest.mark.django_db
def test_until_idle_catches_up_with_all_that_is_due(due, now):
    later = now + timedelta(days=60)
    Scheduler.objects.update(catch_up="each")

    found = told("tick", "--until-idle", "--now", later.isoformat())

    assert found.startswith("3 invoices opened, 3 succeeded")
    assert AuditFeed.objects.count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize("how", ["--until-idle", "--dry-run"])
def test_a_company_on_hold_is_not_passed_over_in_silence(how, due, now):
    Company.objects.update(calls_paused_until=database_now() + timedelta(hours=1))

    found = told("tick", how, "--now", now.isoformat())

    assert "on hold since their calls failed: 1" in found
    assert not AuditFeed.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["tomorrow", "2026-01-01", "2026-01-01T00:00:00", "", "1767225600"]
)
def test_an_instant_has_a_time_zone(text):
    with pytest.raises(CommandError, match="--now: must be an instant with a time zone"):
        told("tick", "--now", text)


# --- worker -------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stops_when_it_is_told_to_though_its_next_tick_is_far_away(stop, goat, alice):
    subscribe(goat, alice, now=database_now())

    with Child("manage.py", "worker", BILLY_TICK_SECONDS="3600", BILLY_PROCESSOR="memory") as child:
        assert child.line() == "worker ready"
        wait_for(child, partial(has_settled, 1))

        printed, code = child.end(stop)

    assert (0, "worker stopped") == (code, printed.strip())


@pytest.mark.django_db
def test_a_worker_says_that_it_is_frozen_and_goes_on_when_it_is_not(goat, alice, tmp_path):
    subscribe(goat, alice, now=database_now())
    change("UPDATE billy_accounts_installation SET dispatch = 'frozen', reason = 'it was set back'")
    log = tmp_path / "worker.log"

    with Child(
        "manage.py", "worker", log=log, BILLY_TICK_SECONDS="0.05", BILLY_PROCESSOR="memory"
    ) as child:
        wait_for(child, lambda: "nothing is sent: it was set back" in log.read_text())
        wait_for(child, Checkpoint.objects.exists)
        assert not AuditFeed.objects.exists()
        fence.unfreeze([], why="", now=database_now(), actor="ada")
        wait_for(child, partial(has_settled, 1))


@pytest.mark.django_db
def test_a_tick_says_that_dispatch_is_frozen(due, twin, now):
    change("UPDATE billy_accounts_installation SET dispatch = 'frozen', reason = 'it was set back'")

    with pytest.raises(CommandError, match="frozen, so nothing is sent: it was set back"):
        told("tick", "--now", now.isoformat())

    assert "nothing would be sent: it was set back" in told("tick", "--dry-run")
    assert not AuditFeed.objects.exists()


@pytest.mark.django_db
def test_a_worker_outlives_its_connection(goat, alice):
    subscribe(goat, alice, now=database_now())

    with Child("manage.py", "worker", BILLY_TICK_SECONDS="0.05", BILLY_PROCESSOR="memory") as child:
        assert child.line() == "worker ready"
        for number in range(1, 4):
            wait_for(child, partial(has_settled, number))
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            subscribe(goat, alice, now=database_now())
        wait_for(child, partial(has_settled, 4))

        _, code = child.end(signal.SIGTERM)

    assert code == 0


# --- all of them --------------------------------------------------------------------------------


def test_every_command_explains_itself():
    names = sorted(
        path.stem
        for path in (CHECKOUT / "billy" / "management" / "commands").glob("*.py")
        if path.stem != "__init__"
    )

    for name in names:
        done = command(name, "--help")
        assert (0, True) == (done.returncode, "usage" in done.stdout), name


@pytest.mark.django_db
def test_an_account_of_a_company_is_not_told_in_its_representation():
    assert "sk-canary" not in repr(Account(url="http://127.0.0.1", secret="sk-canary"))
