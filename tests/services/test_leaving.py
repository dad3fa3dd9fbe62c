"""Workers that are told to end while a batch is under way: a deploy leaves nothing half done."""

import signal
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import call_command

from accounts.clock import database_now
from billy.tests.processes import Child, command, wait_for
from invoices.models import Transaction
from schedulers.importing import COLUMNS
from tests.services.test_workers import SHORT, celery, processes, redis, sandbox, teller

__all__ = ["celery", "processes", "redis", "sandbox", "teller"]  # Fixtures.

PEOPLE = 60
LONG_LEASE = {"BILLY_LEASE_SECONDS": "600", "BILLY_CALLS_AT_ONCE": "4"}

pytestmark = [pytest.mark.services, pytest.mark.django_db]


def subscribe(teller, path):
    start = (database_now() - timedelta(hours=1)).isoformat()
    lines = [",".join(COLUMNS)]
    for n in range(PEOPLE):
        terms = f"daily,debit,500,USD,daily,1,{start},UTC,1,{teller.card()},each"
        lines.append(f"sub-{n},Subscriber {n},,{terms}")
    path.write_text("\n".join(lines), encoding="utf-8")
    call_command("import_subscriptions", str(path))


def answered(number):
    return Transaction.objects.filter(state="succeeded").count() >= number


@pytest.fixture
def worker(request, celery, tmp_path, processes):
    """Start a worker of either kind whose leases outlive this test by far."""

    def start():
        if request.param == "celery":
            return celery("worker", "--concurrency", 2, name="worker", **LONG_LEASE)
        options = ["manage.py", "worker"]
        child = Child(*options, log=tmp_path / "log", **SHORT | LONG_LEASE)
        return processes.enter_context(child)

    return start


@pytest.mark.parametrize("worker", ["manage.py", "celery"], indirect=True)
def test_a_worker_that_is_told_to_end_in_a_batch_leaves_nothing_for_its_leases(
    worker, teller, sandbox, tmp_path
):
    subscribe(teller, tmp_path / "file.csv")
    teller.call("PUT", "/_sandbox/faults", slow={"seconds": 0.3})
    started = worker()
    wait_for(started, partial(answered, 8))

    _, code = started.end(signal.SIGTERM)

    states = sorted(Transaction.objects.values_list("state", flat=True))
    assert (0, PEOPLE) == (code, len(states))
    assert {"queued", "succeeded"} == set(states)
    teller.call("PUT", "/_sandbox/faults")
    told = command("tick", "--until-idle", **SHORT)
    assert f"{states.count('queued')} succeeded" in told.stdout
    debits = sandbox.objects("debit").values()
    assert PEOPLE == len(debits) == len({each["key"] for each in debits})
    assert {"succeeded"} == {each["status"] for each in debits}
