"""Celery's doors to the cycle: doorbells that carry nothing, so one may be lost or doubled."""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import (
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)
from django.conf import settings
from django.db import connection, connections

from accounts.clock import database_now
from schedulers import cycle, limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from schedulers.cycle import Report

    Work = Callable[..., Report]  # One of the cycle's two passes.

logger = logging.getLogger(__name__)

RING_EXPIRES_SECONDS = 5  # A bell that nobody answered by then is rung again anyway.
JOIN_SECONDS = 25  # Less than a worker's soft shutdown.

_busy = threading.Lock()  # One batch at a time in a process, whoever rang.
_stop = threading.Event()
_poll: list[threading.Thread] = []


@shared_task(name="billy.tick")
def tick(**_: object) -> None:
    """Run one batch of what is due; ring again while there is more."""
    if _rung(cycle.tick):
        tick.apply_async(expires=RING_EXPIRES_SECONDS)


@shared_task(name="billy.sweep")
def sweep(**_: object) -> None:
    """Finish what was cut off; ring again while there is more."""
    if _rung(cycle.sweep):
        sweep.apply_async(expires=RING_EXPIRES_SECONDS)


def _rung(work: Work) -> bool:
    """Do one pass, unless the poll is at work in this process: it goes on until nothing is left.

    A job that waited for it would be killed by its time limit, with the poll's batch half done.
    """
    if not _busy.acquire(blocking=False):
        return False
    try:
        return _pass(work)
    finally:
        _busy.release()


def _pass(work: Work) -> bool:
    report = work(processor=limits.processor(), now=database_now(), limits=limits.from_settings())
    return report.worked


@worker_process_init.connect
def start_poll(**_: object) -> None:
    """Let every worker process ask the database itself: a deaf worker, or a dead broker, goes on.

    The connection that the parent may have opened must not be shared with it.
    """
    connections.close_all()
    _poll_in_background()


@worker_ready.connect
def start_poll_beside_threads(sender: Any = None, **_: object) -> None:
    """Poll in the worker itself where its pool is made of threads and so starts no process."""
    if not _poll and "prefork" not in type(sender.pool).__module__:
        _poll_in_background()


def _poll_in_background() -> None:
    _stop.clear()
    poll = threading.Thread(target=_poll_for_ever, name="billy-poll", daemon=True)
    _poll.append(poll)
    poll.start()


@worker_process_shutdown.connect
@worker_shutdown.connect
def stop_poll(**_: object) -> None:
    """End the poll, letting a batch under way finish."""
    _stop.set()
    for poll in _poll:
        poll.join(JOIN_SECONDS)
    _poll.clear()


def _poll_for_ever() -> None:
    while not _stop.wait(settings.BILLY_POLL_SECONDS * random.uniform(0.67, 1.33)):  # noqa: S311  # To spread the workers.
        with _busy:
            # In turns: what was cut off must not wait until nothing is due any more.
            while not _stop.is_set() and any([_tried(cycle.tick), _tried(cycle.sweep)]):
                pass


def _tried(work: Callable[..., Report]) -> bool:
    """Make a pass and return whether it worked; what stops a tick must not stop the sweep."""
    try:
        return _pass(work)
    except Exception:  # The database may be away; the poll is there to outlive that.
        logger.exception("The poll failed; it will be made again.")
        connection.close()
        return False
