"""The database's clock, for the doors: every process of an installation reads the same one."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from audit.sets import fetch

if TYPE_CHECKING:
    from datetime import datetime


def database_now() -> datetime:
    """Return the database's time, aware, in UTC. Verbs do not call it: they are told `now`."""
    now: datetime = fetch("SELECT clock_timestamp()")[0][0]
    return now.astimezone(UTC)
