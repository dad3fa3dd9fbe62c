"""The Celery application: `celery -A billy worker`, `celery -A billy beat`.

Celery only rings a bell. What is due, who works on it and what came of it is decided by PostgreSQL,
so a message may be lost, doubled or late without effect. That is why messages are acknowledged
early, are never retried by the broker, carry no time, and answer nothing.
"""

import os
import sys
from typing import Any, Final

from celery import Celery
from celery.signals import (
    beat_init,
    celeryd_after_setup,
    setup_logging,
    worker_process_init,
    worker_ready,
)
from django.conf import settings

from core.collector import look_seldom

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")

REFUSED_POOLS: Final = ("gevent", "eventlet")
SWEEP_LIFE_SECONDS = 30
PRUNE_SECONDS = 3600
ALARM_SECONDS = 60
CHECKPOINT_SECONDS = 600  # Each time only what is an hour old is taken: a beat may start anew.
TICK_LIVES = 2.5  # A bell that was not heard for this many ticks has been rung again since.

app = Celery("billy")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL or None,
    task_acks_late=False,
    task_ignore_result=True,
    result_backend=None,
    task_time_limit=90,  # Seconds. Below the lease, so that a killed job's lease is still its own.
    task_soft_time_limit=60,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="billy",  # Another project on the same broker must not take our messages.
    task_publish_retry_policy={"max_retries": 2},
    worker_max_tasks_per_child=1000,
    worker_prefetch_multiplier=1,  # One busy worker must not hoard what another could do now.
    worker_disable_prefetch=True,
    worker_soft_shutdown_timeout=30,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 600,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "health_check_interval": 25,
        "retry_on_timeout": True,
    },
    # It keeps nothing: the usual one writes a file, over which two beats of a checkout would fight.
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={
        "tick": {
            "task": "billy.tick",
            "schedule": settings.BILLY_TICK_SECONDS,
            "options": {"expires": TICK_LIVES * settings.BILLY_TICK_SECONDS},
        },
        "sweep": {
            "task": "billy.sweep",
            "schedule": settings.BILLY_SWEEP_SECONDS,
            "options": {"expires": SWEEP_LIFE_SECONDS},
        },
        "checkpoints": {
            "task": "billy.checkpoints",
            "schedule": CHECKPOINT_SECONDS,
            "options": {"expires": CHECKPOINT_SECONDS},
        },
        "alarm": {
            "task": "billy.alarm",
            "schedule": ALARM_SECONDS,
            "options": {"expires": ALARM_SECONDS},
        },
        "webhooks": {
            "task": "billy.webhooks",
            "schedule": settings.BILLY_TICK_SECONDS,
            "options": {"expires": TICK_LIVES * settings.BILLY_TICK_SECONDS},
        },
        "prune": {
            "task": "billy.prune",
            "schedule": PRUNE_SECONDS,
            "options": {"expires": PRUNE_SECONDS},
        },
        "callbacks": {
            "task": "billy.callbacks",
            "schedule": settings.BILLY_SWEEP_SECONDS,
            "options": {"expires": SWEEP_LIFE_SECONDS},
        },
    },
    timezone="UTC",
)
app.autodiscover_tasks(related_name="jobs")


@celeryd_after_setup.connect  # Celery's own hook, not one between rooms.
def refuse_green_threads(instance: Any, **_: object) -> None:
    """End a worker that was started with gevent or eventlet.

    Their pools bring every unacknowledged message back at each start, and a long computation would
    stop the polling that makes up for lost messages.
    """
    pool = instance.pool_cls.__module__
    if any(name in pool for name in REFUSED_POOLS):
        raise SystemExit(f"Billy does not run on {pool}: use --pool prefork or --pool threads")


@celeryd_after_setup.connect
@beat_init.connect
def need_a_broker(**_: object) -> None:
    """End a worker or beat that would look for a broker nobody has named, for ever."""
    if not settings.CELERY_BROKER_URL:
        raise SystemExit(
            "Billy has no broker: set CELERY_BROKER_URL, such as redis://127.0.0.1:6379/0, "
            "or run `manage.py worker`, which needs none"
        )


@celeryd_after_setup.connect
@worker_process_init.connect
def collect_seldom(**_: object) -> None:
    """Tell the collector of a worker, and of each of its children, how batches live."""
    look_seldom()


@setup_logging.connect
def leave_logging_alone(**_: object) -> None:
    """Keep Celery from setting levels and handlers: those of the settings hold here as well."""


@worker_ready.connect
def tell_that_the_worker_is_ready(**_: object) -> None:
    """Print the one line that every process of ours prints."""
    _tell("celery worker ready")


@beat_init.connect
def tell_that_beat_is_ready(**_: object) -> None:
    """Print the one line that every process of ours prints."""
    _tell("celery beat ready")


def _tell(line: str) -> None:
    if sys.__stdout__ is not None:  # Celery hands what goes to `sys.stdout` to its log.
        sys.__stdout__.write(f"{line}\n")
        sys.__stdout__.flush()
