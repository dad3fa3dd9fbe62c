"""Celery's door to the sweep of callbacks; like every bell of ours it may be lost or doubled."""

from __future__ import annotations

from celery import shared_task

from accounts.clock import database_now
from schedulers import limits
from webhooks import receive


@shared_task(name="billy.callbacks")
def callbacks(**_: object) -> None:
    """Finish callbacks that were stored and could not be applied at once."""
    receive.sweep(
        processor=limits.processor(),
        now=database_now(),
        limits=limits.from_settings(),
    )
