"""How much at once, and how long: the limits that the cycle runs within."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from invoices.settle import Looks

LOOKS = Looks(lost_seconds=(2, 10, 60, 300, 900, 3600), pending_seconds=3600)
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
        return self.lease_seconds - self.call_seconds - MARGIN_SECONDS


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
