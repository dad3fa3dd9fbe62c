"""The Celery application rings bells, and promises nothing that PostgreSQL must keep."""

from types import SimpleNamespace

import pytest

from billy.celery import app, refuse_green_threads


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
