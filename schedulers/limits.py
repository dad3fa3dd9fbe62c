"""How much at once, how long, and through whom: what a door takes from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings

import processors
from invoices.settle import Looks

if TYPE_CHECKING:
    from processors.base import Processor

# Soon after a crash the answer is waiting; later hourly for a day, then daily for a week.
LOST_SECONDS = (2, 10, 60, 300, 900, *[3600] * 24, *[86_400] * 6)
LOOKS = Looks(lost_seconds=LOST_SECONDS, pending_seconds=3600)
# However long the lease: with the last price and the last call, a job of Celery's must end within
# its soft limit of 60 seconds.
LONGEST_BATCH_SECONDS = 25
LONGEST_QUOTING_SECONDS = 10
LONGEST_FLOW_SECONDS = 10  # After so long a flow begins no batch: its `now` must not grow old.
MARGIN_SECONDS = 2  # Between the last call's end and the lease's: time to write the answer down.


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one process; seconds throughout."""

    batch_size: int = 500  # One batch must end well before its lease.
    calls_at_once: int = 32
    lease_seconds: float = 120.0
    call_seconds: float = 15.0
    pricing_seconds: float = 5.0
    looks: Looks = LOOKS
    company_share: int = 10  # At least this many of each company with work, in every batch.

    @property
    def budget_seconds(self) -> float:
        """Return how long after its claim a batch may still begin calls."""
        return min(self.lease_seconds - self.call_seconds - MARGIN_SECONDS, LONGEST_BATCH_SECONDS)

    @property
    def flow_seconds(self) -> float:
        """Return how long a flow may begin one batch after the other."""
        return min(self.budget_seconds, LONGEST_FLOW_SECONDS)

    @property
    def quoting_seconds(self) -> float:
        """Return how long a batch may run merchants' own code before its claim."""
        return min(self.lease_seconds / 4, LONGEST_QUOTING_SECONDS)


def from_settings() -> Limits:
    """Return the limits that the environment asks for."""
    return Limits(
        batch_size=settings.BILLY_BATCH_SIZE,
        calls_at_once=settings.BILLY_CALLS_AT_ONCE,
        lease_seconds=settings.BILLY_LEASE_SECONDS,
        call_seconds=settings.BILLY_CALL_TIMEOUT_SECONDS + settings.BILLY_CONNECT_TIMEOUT_SECONDS,
        pricing_seconds=settings.BILLY_PRICING_SECONDS,
        looks=Looks(
            lost_seconds=tuple(settings.BILLY_LOOK_SECONDS),
            pending_seconds=settings.BILLY_PENDING_LOOK_SECONDS,
        ),
    )


def processor() -> Processor:
    """Return the installation's processor, with the time-outs that the leases allow for."""
    return processors.load(
        settings.BILLY_PROCESSOR,
        connect_timeout_seconds=settings.BILLY_CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=settings.BILLY_CALL_TIMEOUT_SECONDS,
    )
