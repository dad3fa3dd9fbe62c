"""Real Celery workers on a real Redis, killed at random: nothing twice, nothing missing.

The leases are short, so that a bad week fits into a minute.
"""

import json
import random
import signal
import socket
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import call_command

from accounts.clock import database_now
from audit.models import AuditEvent
from billy.tests.processes import Child, Sandbox, Teller, command, wait_for
from invoices.models import AuditFeed, Transaction
from schedulers.importing import COLUMNS
from schedulers.models import Scheduler

PEOPLE = 300
DAYS = 10
KILLS = 8
SHORT = {
    "BILLY_CONNECT_TIMEOUT_SECONDS": "0.5",
    "BILLY_CALL_TIMEOUT_SECONDS": "2",
    "BILLY_LEASE_SECONDS": "6",
    "BILLY_LOOK_SECONDS": "1,2,3",
    "BILLY_TICK_SECONDS": "0.3",
    "BILLY_SWEEP_SECONDS": "1",
    "BILLY_POLL_SECONDS": "1",
    "BILLY_BATCH_SIZE": "100",
    "LOG_LEVEL": "INFO",
}
# The processor's own bad days: half of these moved the money, and nobody was told.
FAULTS = {
    name: {"probability": 0.01} for name in ("drop_after_commit", "error_after", "error_before")
}

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.fixture
def processes():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def sandbox(tmp_path, processes):
    return processes.enter_context(Sandbox(tmp_path / "ledger.jsonl"))


@pytest.fixture
def redis(tmp_path, processes):
    """A Redis of this test's own, which keeps nothing."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    started = Child(*options, "--dir", tmp_path, program="redis-server", log=tmp_path / "redis.log")
    processes.enter_context(started)
    wait_for(started, partial(is_listening, port))
    started.url = f"redis://127.0.0.1:{port}/0"
    return started


@pytest.fixture
def teller(database, sandbox):
    """Bootstraps the company; makes its subscribers' cards and bank accounts."""
    made = json.loads(command("bootstrap", "--json", "--processor-url", sandbox.url).stdout)
    opened = Teller(sandbox.url, made["processor_key"])
    yield opened
    opened.close()


@pytest.fixture
def celery(redis, tmp_path, processes):
    """Start `celery -A billy …` with a log of its own; return the process."""

    def start(*arguments, name, **changes):
        options = ["-m", "celery", "-A", "billy", *arguments]
        log = tmp_path / f"{name}.log"
        child = Child(*options, log=log, CELERY_BROKER_URL=redis.url, **SHORT | changes)
        child.path = log
        return processes.enter_context(child)

    return start


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def subscribe(teller, path, *, people, days):
    """Import subscribers who were to be billed each day since; return what each uri owes."""
    start = (database_now() - timedelta(days=days - 1, hours=1)).isoformat()
    owed, lines = {}, [",".join(COLUMNS)]
    for n in range(people):
        uri = teller.bank_account() if n % 4 == 0 else teller.card()
        cents = 1_000 + n * 37 % 5_000
        owed[uri.rpartition("/")[2]] = cents * days
        terms = f"daily,debit,{cents},USD,daily,1,{start},UTC,{days},{uri},each"
        lines.append(f"sub-{n},Subscriber {n},,{terms}")
    path.write_text("\n".join(lines), encoding="utf-8")
    call_command("import_subscriptions", str(path))
    return owed


def settled(number):
    return AuditFeed.objects.filter(state="settled").count() >= number


def has_said(child, words):
    return words in child.path.read_text(encoding="utf-8")


def check_books(owed, sandbox, *, days):
    """Compare what was owed, what Billy says and what the processor did: each once."""
    people = len(owed)
    assert owed == dict(sandbox.sums("debit", by="source"))
    debits = [each for each in sandbox.objects("debit").values() if each["status"] == "succeeded"]
    keys = Counter(each["key"] for each in debits)
    assert (people * days, {1}) == (len(keys), set(keys.values()))
    paid = Transaction.objects.filter(state="succeeded")
    assert set(keys) == set(paid.values_list("key", flat=True))
    assert people * days == paid.count() == AuditFeed.objects.count()
    per_scheduler = Counter(AuditFeed.objects.values_list("trail_id", flat=True))
    assert {days} == set(per_scheduler.values())
    assert {"ended"} == set(Scheduler.objects.values_list("state", flat=True))
    moved = AuditEvent.objects.filter(kind="debit.succeeded").values_list("moved", flat=True)
    assert sum(owed.values()) == sum(moved)


def test_workers_that_are_killed_at_random_bill_everybody_once(
    celery, teller, sandbox, tmp_path, processes
):
    owed = subscribe(teller, tmp_path / "file.csv", people=PEOPLE, days=DAYS)
    teller.call("PUT", "/_sandbox/faults", **FAULTS)
    chance = random.Random(7)
    arguments = ["worker", "--pool", "prefork", "--concurrency", 2, "--without-gossip"]
    workers = [celery(*arguments, "-n", f"w{n}@%h", name=f"w{n}") for n in range(2)]
    for n in range(2):
        celery("beat", "--schedule", tmp_path / f"beat{n}", name=f"beat{n}")

    for kill in range(1, KILLS + 1):
        wait_for(workers[0], partial(settled, kill * PEOPLE * DAYS // (KILLS + 2)))
        n = chance.randrange(2)
        workers[n].kill()
        workers[n] = celery(*arguments, "-n", f"k{kill}@%h", name=f"k{kill}")
    wait_for(workers[0], partial(settled, PEOPLE * DAYS))

    check_books(owed, sandbox, days=DAYS)
    for worker in workers:
        assert worker.end(signal.SIGTERM)[1] == 0


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_without_redis_and_without_beat_the_workers_carry_on(
    pool, celery, redis, teller, sandbox, tmp_path
):
    worker = celery("worker", "--pool", pool, "--concurrency", 2, name="worker")
    wait_for(worker, partial(has_said, worker, "celery worker ready"))
    redis.kill()

    owed = subscribe(teller, tmp_path / "file.csv", people=20, days=3)
    wait_for(worker, partial(settled, 60))

    check_books(owed, sandbox, days=3)


def test_a_worker_stops_when_it_is_told_to(celery, redis):
    worker = celery("worker", "--concurrency", 2, name="worker")
    wait_for(worker, partial(has_said, worker, "celery worker ready"))

    _, code = worker.end(signal.SIGTERM)

    assert code == 0


@pytest.mark.parametrize("what", ["worker", "beat"])
def test_without_a_broker_each_says_what_to_set_and_ends(what, database, tmp_path, processes):
    arguments = ["-m", "celery", "-A", "billy", what]
    log = tmp_path / "log"
    child = Child(*arguments, log=log, CELERY_BROKER_URL=None, REDIS_URL=None, **SHORT)
    processes.enter_context(child)

    assert child.process.wait(60) == 1
    assert "set CELERY_BROKER_URL" in log.read_text(encoding="utf-8")
