"""Requests that named themselves: how long their answers are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from accounts.models import IdempotentRequest

if TYPE_CHECKING:
    from datetime import datetime

KEPT = timedelta(days=30)


def prune(*, now: datetime) -> int:
    """Forget requests that are older than a month; returns how many."""
    return IdempotentRequest.objects.filter(created_at__lt=now - KEPT).delete()[0]
