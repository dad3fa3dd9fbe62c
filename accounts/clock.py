"""The clocks: the database's, which every process of an installation shares, and a worker's own.

What is due goes by the database's clock. The worker's is only a witness: a database whose clock
jumped would bill early, and nobody else would notice.
"""

from __future__ import annotations

import logging
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from audit.sets import fetch

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

logger = logging.getLogger(__name__)

WARN_SECONDS = 5.0
# Whatever the clocks say: nothing is begun that lies further ahead of the worker's own clock.
AHEAD = timedelta(minutes=10)


class ClocksApart(RuntimeError):
    """The clocks of the database and of this worker are too far apart: it sends nothing."""


def database_now() -> datetime:
    """Return the database's time, aware, in UTC. Verbs do not call it: they are told `now`."""
    now: datetime = fetch("SELECT clock_timestamp()")[0][0]
    return now.astimezone(UTC)


def shared_now(
    *,
    clock: Callable[[], datetime],
    most_seconds: float,
    ask: Callable[[], datetime] = database_now,
) -> datetime:
    """Return the time to dispatch by: the database's, never far ahead of this worker's `clock`.

    The worker's clock is read before and after, so that a slow answer is no difference. Raises
    ClocksApart above `most_seconds`, and warns from five on.
    """
    before = clock()
    now = ask()
    after = clock()
    apart = max((before - now).total_seconds(), (now - after).total_seconds(), 0.0)
    if apart > most_seconds:
        raise ClocksApart(
            f"the clocks of the database ({now:%H:%M:%S}) and of this worker ({after:%H:%M:%S}) are"
            f" {apart:,.0f} s apart, and {most_seconds:g} are allowed: it sends nothing"
        )
    if apart > WARN_SECONDS:
        logger.warning("the clocks of the database and of this worker are %.0f s apart", apart)
    return min(now, after + AHEAD)
