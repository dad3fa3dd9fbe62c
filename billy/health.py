"""Whether this process lives, and whether it could serve: `/livez` and `/readyz`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.views.decorators.http import require_safe

from accounts import fence

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

BROKER_SECONDS = 2


@require_safe
def livez(_request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process can answer at all."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 when each of CHECKS is in order, else 503 and which is not."""
    checks = {name: _told(check) for name, check in CHECKS.items()}
    good = all(word == "ok" for word in checks.values())
    body = {"status": "ok" if good else "unavailable", "checks": checks}
    return JsonResponse(body, status=200 if good else 503)


def _told(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:  # noqa: BLE001  # Whatever is wrong, the answer is "not ready", and never a 500.
        return type(error).__name__


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        row = cursor.fetchone()
    return "ok" if row is not None and not row[0] else "a standby cannot claim work"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(waiting)} migrations to apply" if waiting else "ok"


def _broker() -> str:
    """Ask the broker only where there is one; without it, workers poll the database."""
    if not settings.CELERY_BROKER_URL:
        return "ok"
    import redis

    timeouts = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS}
    client = redis.Redis.from_url(settings.CELERY_BROKER_URL, **timeouts)
    try:
        return "ok" if client.ping() else "no answer"
    finally:
        client.close()


def _dispatch() -> str:
    """Say why payments are held back, where the fence froze them."""
    why = fence.reason()
    return f"frozen: {why}" if why else "ok"


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker,
    "dispatch": _dispatch,
}
