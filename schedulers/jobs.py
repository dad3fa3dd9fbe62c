"""Celery's doors to the cycle: doorbells that carry nothing, so one may be lost or doubled."""

from __future__ import annotations

import logging
import random
import threading
from datetime import UTC, datetime
from multiprocessing.sharedctypes import RawValue
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import (
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from django.conf import settings
from django.db import connection, connections

from schedulers import cycle, limits
from schedulers.watch import watch

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[..., bool]  # One of the cycle's two passes; returns whether it worked.

logger = logging.getLogger(__name__)

RING_EXPIRES_SECONDS = 5  # A bell that nobody answered by then is rung again anyway.
JOIN_SECONDS = 25  # Less than a worker's soft shutdown.

_busy = threading.Lock()  # One batch at a time in a process, whoever rang.
_stop = threading.Event()
# Made before the worker forks, so that its children see it too: they get no signal of their own.
_leaving = RawValue("b", 0)
_poll: list[threading.Thread] = []


@shared_task(name="billy.tick")
def tick(**_: object) -> None:
    """Run what is due for a while; ring again while there is more."""
    if _rung(_flow):
        tick.apply_async(expires=RING_EXPIRES_SECONDS)


@shared_task(name="billy.sweep")
def sweep(**_: object) -> None:
    """Finish what was cut off; ring again while there is more."""
    if _rung(_sweep):
        sweep.apply_async(expires=RING_EXPIRES_SECONDS)


def _flow(**given: Any) -> bool:
    worked = False
    for report in cycle.flow(**given):  # To its end: what is out must be written down.
        worked = worked or report.worked
    return worked


def _sweep(**given: Any) -> bool:
    return cycle.sweep(**given).worked


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
    now = watch.now(clock=_worker_clock)
    if now is None:
        return False  # It says why, and tries again with the next bell.
    return work(
        processor=limits.processor(),
        now=now,
        limits=limits.from_settings(),
        stop=is_stopping,
    )


def is_stopping() -> bool:
    """Return whether this worker was told to end: then nothing more is sent."""
    return _stop.is_set() or bool(_leaving.value)


@worker_shutting_down.connect
def leave(**_: object) -> None:
    """Tell all processes of this worker that it was told to end."""
    _leaving.value = 1


def _worker_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # A door, and a witness: what is due goes by the database's clock.


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
            while not is_stopping() and any([_tried(_flow), _tried(_sweep)]):
                pass


def _tried(work: Work) -> bool:
    """Make a pass and return whether it worked; what stops a tick must not stop the sweep."""
    try:
        return _pass(work)
    except Exception:  # The database may be away; the poll is there to outlive that.
        logger.exception("The poll failed; it will be made again.")
        connection.close()
        return False
