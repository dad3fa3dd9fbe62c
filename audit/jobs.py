"""Celery's door to the checkpoints; like every bell of ours it may be lost or doubled."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from audit import checkpoints


@shared_task(name="billy.checkpoints")
def take(**_: object) -> None:
    """Take the checkpoints that are due: one an hour for each company whose trails moved."""
    now = timezone.now()  # noqa: TID251  # A door; this room lies below the one that knows the database's clock.
    checkpoints.take(now=now, older_than_seconds=checkpoints.HOUR_SECONDS)
