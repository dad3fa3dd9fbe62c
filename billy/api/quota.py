"""How many live schedulers a company may have: a limit for floods and mistakes, not for bills.

They are counted, not kept count of: a counter would be one row that all who subscribe wait for.
The further a company is from its limit, the longer a count is good for: so far from it nearly
nothing is counted, and at it every time.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

from django.conf import settings

from billy.api.problems import Problem
from schedulers.models import Scheduler

if TYPE_CHECKING:
    from uuid import UUID

OVER = ("canceled", "ended")  # These cost nothing any more.
GOOD_SECONDS = 60.0  # At most.
LEFT_PER_SECOND = 1_000  # A count is good for a second for every so many that are left.
MOST_COMPANIES = 10_000

_good_until: dict[tuple[UUID, int], float] = {}
_lock = Lock()


def check(company: UUID) -> None:
    """Raise Problem (403) where the company has as many schedulers as it may."""
    most = settings.BILLY_SCHEDULERS_PER_COMPANY
    now = time.monotonic()
    with _lock:
        if now < _good_until.get((company, most), 0.0):
            return
    rows = Scheduler.objects.filter(company=company).exclude(state__in=OVER)
    left = most - rows.order_by()[:most].count()
    if left <= 0:
        raise Problem(403, "QuotaReached", REACHED.format(most))
    with _lock:
        if len(_good_until) >= MOST_COMPANIES:
            _good_until.clear()
        good_seconds = min(GOOD_SECONDS, left / LEFT_PER_SECOND)
        _good_until[company, most] = now + good_seconds


REACHED = (
    "The company has {} live schedulers, and BILLY_SCHEDULERS_PER_COMPANY allows no more. Cancel "
    "some, or ask whoever runs this Billy."
)
