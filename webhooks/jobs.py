"""Celery's doors to callbacks and webhooks; like every bell of ours they may be lost or doubled."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from accounts import requests
from accounts.clock import database_now
from schedulers import limits
from webhooks import deliver, receive
from webhooks.outside import Outside

LONGEST_PASSES = 20  # A job ends well before its limit; the next bell goes on.


def outside() -> Outside:
    """Return the way out, as the settings allow it."""
    return Outside(is_local=settings.BILLY_WEBHOOKS_LOCAL)


@shared_task(name="billy.prune")
def prune(**_: object) -> None:
    """Forget the answers to requests that are kept long enough."""
    requests.prune(now=database_now())


@shared_task(name="billy.webhooks")
def webhooks(**_: object) -> None:
    """Tell apps what happened, as long as there is something to tell."""
    for _pass in range(LONGEST_PASSES):
        if not deliver.run(outside=outside(), now=database_now()):
            return


@shared_task(name="billy.callbacks")
def callbacks(**_: object) -> None:
    """Finish callbacks that were stored and could not be applied at once."""
    receive.sweep(
        processor=limits.processor(),
        now=database_now(),
        limits=limits.from_settings(),
    )
