"""Spans of time, half-open: the start belongs to it, the end to the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from core.invalid import Invalid

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """`[start, end)` between two aware instants; raises Invalid when naive, empty or reversed.

    Both ends are kept in UTC: between two instants of one local zone Python subtracts what the
    clocks on the wall show, and would lose the hour of a change to summer time.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse what is no span of time."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise Invalid(period="both ends must have a time zone")
        for name, instant in (("start", self.start), ("end", self.end)):
            if instant.tzinfo is not UTC:
                object.__setattr__(self, name, instant.astimezone(UTC))
        if self.start >= self.end:
            raise Invalid(period="must end after it starts")

    @property
    def duration(self) -> timedelta:
        """The elapsed time, exact to the microsecond."""
        return self.end - self.start

    @property
    def seconds(self) -> Fraction:
        """The elapsed seconds, exact: the basis of proration by second."""
        return Fraction(self.duration // _MICROSECOND, 1_000_000)

    def contains(self, instant: datetime) -> bool:
        """Say whether the instant lies in it; the end does not."""
        return self.start <= instant < self.end

    def overlaps(self, other: Period) -> bool:
        """Say whether they share any time; periods that only touch do not."""
        return self.start < other.end and other.start < self.end

    def intersection(self, other: Period) -> Period | None:
        """Return the time that both share, or None."""
        if not self.overlaps(other):
            return None
        return Period(max(self.start, other.start), min(self.end, other.end))
