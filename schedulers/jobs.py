"""Celery's doors to the cycle: doorbells that carry nothing, so one may be lost or doubled."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from celery import shared_task
from celery.signals import worker_process_init, worker_process_shutdown
from django.conf import settings
from django.db import connection, connections

import processors
from accounts.clock import database_now
from schedulers import cycle, limits

if TYPE_CHECKING:
    from schedulers.cycle import Report

RING_EXPIRES_SECONDS = 5  # A bell that nobody answered by then is rung again anyway.
JOIN_SECONDS = 25  # Less than a worker's soft shutdown.

_busy = threading.Lock()  # One batch at a time in a process, whoever rang.
_stop = threading.Event()
_poll: list[threading.Thread] = []


@shared_task(name="billy.tick")
def tick(**_: object) -> None:
    """Run one batch of what is due; ring again while there is more."""
    if _pass(cycle.tick).worked:
        tick.apply_async(expires=RING_EXPIRES_SECONDS)


@shared_task(name="billy.sweep")
def sweep(**_: object) -> None:
    """Finish what was cut off."""
    _pass(cycle.sweep)


def _pass(work: object) -> Report:
    with _busy:
        report: Report = work(  # type: ignore[operator]  # One of the cycle's two passes.
            processor=processors.load(settings.BILLY_PROCESSOR),
            now=database_now(),
            limits=limits.from_settings(),
        )
    return report


@worker_process_init.connect
def start_poll(**_: object) -> None:
    """Let every worker process ask the database itself: a deaf worker, or a dead broker, goes on.

    The connection that the parent may have opened must not be shared with it.
    """
    connections.close_all()
    _stop.clear()
    poll = threading.Thread(target=_poll_for_ever, name="billy-poll", daemon=True)
    _poll.append(poll)
    poll.start()


@worker_process_shutdown.connect
def stop_poll(**_: object) -> None:
    """End the poll, letting a batch under way finish."""
    _stop.set()
    for poll in _poll:
        poll.join(JOIN_SECONDS)


def _poll_for_ever() -> None:
    while not _stop.wait(settings.BILLY_POLL_SECONDS * random.uniform(0.67, 1.33)):  # noqa: S311  # To spread the workers.
        try:
            while not _stop.is_set() and _pass(cycle.tick).worked:
                pass
            _pass(cycle.sweep)
        except Exception:  # noqa: BLE001  # The database may be away; the poll is there to outlive that.
            connection.close()
