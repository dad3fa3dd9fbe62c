"""The bells: what Celery publishes are boundaries, by Celery's own signals around each message.

The broker is kombu's, in memory: a message lies in a queue that nobody reads. That is all that a
bell may be worth.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager

from celery.signals import after_task_publish, before_task_publish

from billy.celery import app
from tests.crash import boundaries

_here = threading.local()


@contextmanager
def watched():
    """Publish to a broker in memory, and count each message."""
    before = app.conf.broker_url
    app.conf.broker_url = "memory://"
    before_task_publish.connect(about_to_ring)
    after_task_publish.connect(has_rung)
    try:
        yield
    finally:
        after_task_publish.disconnect(has_rung)
        before_task_publish.disconnect(about_to_ring)
        app.conf.broker_url = before


def about_to_ring(sender=None, **_):
    """Count a message before it leaves."""
    process = boundaries.current()
    _here.side = process and process.enter(f"PUBLISH {sender}")


def has_rung(**_):
    """Let the process die once its message has left."""
    process = boundaries.current()
    if process is not None:
        process.leave(_here.side)
