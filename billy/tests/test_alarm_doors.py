"""Whoever works looks for too many payments: the bell of Celery, and the plain worker."""

import threading

import pytest

from accounts.clock import database_now
from accounts.limits import change as limit
from audit.models import AuditEvent
from billy import passes
from conftest import crowd, tick
from invoices import jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def too_many(goat, memory, now):
    """Two payments within the last minutes, where one is expected."""
    limit(goat.company, {"payments_alarm": 1}, now=now)
    at = database_now()
    crowd(goat, memory, count=2, now=at)
    tick(memory, now=at)


def alarms():
    return AuditEvent.objects.filter(kind="company.alarmed").count()


def test_the_bell_raises_the_alarm_once(too_many):
    jobs.ring()
    jobs.ring(unknown="words of another version")

    assert alarms() == 1


def test_the_plain_worker_raises_the_alarm(too_many, settings):
    settings.BILLY_PROCESSOR = "memory"
    settings.BILLY_TICK_SECONDS = 0.01
    stop, said = threading.Event(), []
    worker = threading.Thread(target=passes._tell_apps, args=(stop, said.append))

    worker.start()
    for _ in range(500):
        if alarms():
            break
        stop.wait(0.01)
    stop.set()
    worker.join()

    assert (alarms(), said) == (1, [])
