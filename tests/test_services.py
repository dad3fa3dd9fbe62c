"""Real Celery workers on a real Redis. Left out of an ordinary run; `make services` runs them."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from uuid import uuid4

import pytest

from accounts.outside import Kept, Redis
from billy.places import CHECKOUT

ANSWER_SECONDS = 60

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.fixture
def app():
    """The Celery application of this process, on the broker that REDIS_URL names."""
    assert os.environ.get("REDIS_URL"), "run these with `make services`: they need a Redis"
    from billy.celery import app

    yield app
    app.close()


@contextmanager
def running(*arguments):
    """Run a Celery command until the end of the block; it must then end well."""
    with subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "billy", *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(ANSWER_SECONDS) == 0
        finally:
            process.kill()


def hear(app, *, until, on_online=lambda: None):
    """Listen to the workers until one reports that it has done a task of this name."""
    names = {}
    with app.connection_for_read() as connection:

        def online(_event):
            on_online()

        def received(event):
            names[event["uuid"]] = event["name"]

        def succeeded(event):
            receiver.should_stop = names.get(event["uuid"]) == until

        receiver = app.events.Receiver(
            connection,
            handlers={
                "worker-online": online,
                "task-received": received,
                "task-succeeded": succeeded,
            },
        )
        receiver.capture(limit=None, timeout=ANSWER_SECONDS, wakeup=False)
    return until if receiver.should_stop else None


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.parametrize("task", ["billy.tick", "billy.sweep"])
def test_a_worker_hears_a_bell_and_ends_when_asked(app, pool, task):
    with running("worker", "--pool", pool, "--concurrency", "1", "--task-events"):
        heard = hear(app, until=task, on_online=lambda: app.send_task(task))

    assert heard == task


def test_beat_rings_and_two_beats_do_no_harm(app, tmp_path):
    worker = ("worker", "--pool", "threads", "--concurrency", "1", "--task-events")
    beats = [("beat", "--schedule", str(tmp_path / name), "--pidfile=") for name in "ab"]

    with running(*worker), running(*beats[0]), running(*beats[1]):
        heard = hear(app, until="billy.tick")

    assert heard == "billy.tick"


def test_the_fences_mark_in_redis_only_goes_up():
    store, installation = Redis(os.environ["REDIS_URL"]), uuid4()

    for number in (3, 5, 4):
        store.keep(installation, Kept(number=number, token=f"t{number}"))

    assert Kept(number=5, token="t5") == store.read(installation)
    assert store.read(uuid4()) is None
