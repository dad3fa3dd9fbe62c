"""The Celery application rings bells, and promises nothing that PostgreSQL must keep."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

from accounts.clock import database_now
from billy.celery import app, need_a_broker, refuse_green_threads
from conftest import abandon, open_feed, subscribe
from invoices.models import AuditFeed
from schedulers import jobs
from schedulers.models import Scheduler


def test_messages_are_doorbells():
    found = {
        name: getattr(app.conf, name)
        for name in ("task_acks_late", "task_ignore_result", "accept_content", "task_time_limit")
    }

    assert found == {
        "task_acks_late": False,
        "task_ignore_result": True,
        "accept_content": ["json"],
        "task_time_limit": 90,
    }


def test_every_bell_of_beat_rings_a_task_that_exists_and_expires():
    app.loader.import_default_modules()

    for entry in app.conf.beat_schedule.values():
        assert entry["task"] in app.tasks
        assert entry["options"]["expires"] > 0


@pytest.mark.parametrize("pool", ["celery.concurrency.gevent", "celery.concurrency.eventlet"])
def test_green_threads_are_refused(pool):
    worker = SimpleNamespace(pool_cls=type("TaskPool", (), {"__module__": pool}))

    with pytest.raises(SystemExit, match="does not run on"):
        refuse_green_threads(worker)


@pytest.mark.parametrize("pool", ["celery.concurrency.prefork", "celery.concurrency.thread"])
def test_processes_and_threads_are_welcome(pool):
    worker = SimpleNamespace(pool_cls=type("TaskPool", (), {"__module__": pool}))

    assert refuse_green_threads(worker) is None


@pytest.fixture
def quiet(settings):
    """No broker is asked, and the poll makes one pass after another."""
    settings.BILLY_PROCESSOR = "memory"
    settings.BILLY_POLL_SECONDS = 0.01
    jobs._stop.clear()
    yield
    jobs.stop_poll()


@pytest.mark.django_db
def test_a_worker_that_is_told_to_end_begins_nothing(quiet, goat, alice, now):
    subscribe(goat, alice, now=now)

    jobs.leave()
    try:
        jobs.tick()
    finally:
        jobs._leaving.value = 0

    assert not AuditFeed.objects.exists()


@pytest.mark.django_db
def test_a_bell_does_not_wait_for_the_poll(quiet, goat, alice, now):
    subscribe(goat, alice, now=now)

    with jobs._busy:
        jobs.tick()
        jobs.sweep()

    assert not AuditFeed.objects.exists()


@pytest.mark.django_db
def test_a_bell_runs_what_is_due_and_rings_again(quiet, goat, alice):
    subscribe(goat, alice, now=database_now())
    app.conf.task_always_eager = True
    try:
        jobs.tick.delay(unknown="arguments are passed over")
    finally:
        app.conf.task_always_eager = False

    assert AuditFeed.objects.get().state == "settled"


@pytest.mark.django_db
@pytest.mark.parametrize(("pool", "polls"), [("thread", True), ("solo", True), ("prefork", False)])
def test_where_no_process_is_started_the_worker_itself_polls(pool, polls, quiet, goat, alice):
    subscribe(goat, alice, now=database_now())
    kind = type("TaskPool", (), {"__module__": f"celery.concurrency.{pool}"})

    jobs.start_poll_beside_threads(sender=SimpleNamespace(pool=kind()))

    assert bool(jobs._poll) is polls
    ends = time.monotonic() + 60
    while polls and not AuditFeed.objects.filter(state="settled").exists():
        assert time.monotonic() < ends
    jobs.stop_poll()
    assert AuditFeed.objects.exists() is polls


@pytest.mark.django_db
def test_what_was_cut_off_does_not_wait_until_nothing_is_due(quiet, settings, goat, alice, bob):
    settings.BILLY_BATCH_SIZE = 1
    settings.BILLY_LEASE_SECONDS = 20.2  # So short that a flow begins no batch after 0.2 seconds.
    now = database_now()
    cut_off = open_feed(goat, alice, now=now)
    abandon()
    subscribe(goat, bob, now=now, started_at=now - timedelta(days=30 * 200), catch_up="each")

    jobs._poll_in_background()
    ends = time.monotonic() + 60
    while not AuditFeed.objects.filter(pk=cut_off.pk, state="settled").exists():
        assert time.monotonic() < ends
    jobs.stop_poll()

    assert Scheduler.objects.filter(next_run_at__lte=now).exists()


@pytest.mark.django_db
def test_a_poll_that_fails_says_so_and_is_made_again(quiet, settings, goat, alice, caplog):
    subscribe(goat, alice, now=database_now())
    settings.BILLY_PROCESSOR = "nobody"

    jobs._poll_in_background()
    ends = time.monotonic() + 60
    while "there is no processor named nobody" not in caplog.text:
        assert time.monotonic() < ends
    settings.BILLY_PROCESSOR = "memory"
    while not AuditFeed.objects.filter(state="settled").exists():
        assert time.monotonic() < ends


def test_a_worker_without_a_broker_is_told_what_to_set(settings):
    settings.CELERY_BROKER_URL = ""

    with pytest.raises(SystemExit, match="set CELERY_BROKER_URL"):
        need_a_broker()
