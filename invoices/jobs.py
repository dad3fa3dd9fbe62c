"""Celery's door to the alarm; like every bell of ours it may be lost or doubled."""

from __future__ import annotations

from celery import shared_task

from accounts.clock import database_now
from invoices.alarm import alarm


@shared_task(name="billy.alarm")
def ring(**_: object) -> None:
    """Raise the alarms of companies that make more payments than they expect."""
    alarm(now=database_now())
