"""The model: what one scheduler owes, and when, by a calendar of its own.

It is written from the words of `docs/time.md` and imports nothing of Billy's, so that it cannot be
wrong in the same way. One `Promise` says which occurrences must have been opened by now, at what
amount, and which were passed over and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

TICKING = frozenset({"trialing", "active", "past_due"})
OVER = frozenset({"canceled", "ended"})
UNSET = datetime.min.replace(tzinfo=UTC)
GRACE = timedelta(days=3)
STEPS = {
    "daily": relativedelta(days=1),
    "weekly": relativedelta(weeks=1),
    "monthly": relativedelta(months=1),
    "yearly": relativedelta(years=1),
}


@dataclass(frozen=True, slots=True)
class Opened:
    """An occurrence that was opened: its period, what it comes to, and whether as a draft."""

    start: datetime
    end: datetime
    total: int
    draft: bool = False


@dataclass(slots=True, kw_only=True)
class Promise:
    """One scheduler as it was asked for (above) and as it must stand now (below)."""

    name: str
    company: int
    amount: int
    frequency: str
    interval: int
    zone: str
    started_at: datetime
    trial_days: int = 0
    ends_after: int | None = None
    catch_up: str = "auto"
    end_of_dunning: str = "pause"
    without_instrument: str = "pause"
    has_instrument: bool = True
    direction: str = "debit"
    share: int = 0  # Of each settled charge, in percent, for a payee; 0 where there is none.
    parent: str = ""  # The scheduler whose charge started this one.

    state: str = ""
    counter: int = 0
    next_run: datetime = UNSET
    cancel_at: datetime | None = None
    only_if_stopped: bool = False  # True of a choice that needs the processor's word to have come.
    waits: bool = False  # Stopped at the end of its trial, for want of an instrument.
    opened: dict[int, Opened] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.next_run is UNSET:
            self.state = "trialing" if self.trial_days else "active"
            self.next_run = self.started_at

    def copy(self) -> Promise:
        return replace(self, opened=dict(self.opened), skipped=dict(self.skipped))

    # -- the calendar ----------------------------------------------------------------------------

    @property
    def first(self) -> int:
        """The occurrence at the anchor: 1 after a trial."""
        return 1 if self.trial_days else 0

    def at(self, occurrence: int) -> datetime:
        """When an occurrence begins; those before the anchor are the trial."""
        zone = ZoneInfo(self.zone)
        start = self.started_at.astimezone(zone)
        if occurrence < self.first:
            return self.started_at
        anchor = start
        if self.trial_days:
            wall = start.replace(tzinfo=None) + timedelta(days=self.trial_days)
            anchor = wall.replace(tzinfo=zone, fold=0).astimezone(UTC).astimezone(zone)
        step = STEPS[self.frequency] * (self.interval * (occurrence - self.first))
        wall = anchor.replace(tzinfo=None, fold=0) + step
        if wall.date() == anchor.date():
            return anchor.astimezone(UTC)
        return wall.replace(tzinfo=zone).astimezone(UTC)  # A gap moves on; of two, the first.

    def due(self, now: datetime) -> int:
        """How many occurrences from the counter on have begun."""
        count = 0
        while self.at(self.counter + count) <= now:
            count += 1
        return count

    # -- what happens ----------------------------------------------------------------------------

    def tick(self, now: datetime) -> Promise:
        """What it must be after one pass of a worker."""
        new = self.copy()
        if new.state in TICKING and new.next_run <= now:
            new._run(now)
        return new

    def _run(self, now: datetime) -> None:
        left = 10**9 if self.ends_after is None else self.ends_after - (self.counter - self.first)
        if self.cancel_at is not None and self.next_run >= self.cancel_at:
            self.state = "canceled"
        elif self.counter < self.first:
            self._open(1, 0)
        elif self._is_unpaid_trial():
            self.state = "paused" if self.without_instrument == "pause" else "canceled"
            self.waits = self.state == "paused"
        elif left < 1:
            self.state = "ended"
        else:
            self._catch_up(now, left)

    def _is_unpaid_trial(self) -> bool:
        at_anchor = self.trial_days and self.counter == self.first
        return bool(at_anchor and not self.has_instrument and self.without_instrument != "invoice")

    def _catch_up(self, now: datetime, left: int) -> None:
        count, rule = min(left, self.due(now)), self.catch_up
        if self.at(self.counter + 1) > now:
            rule = "each"
        elif rule == "auto":
            period = self.at(self.counter + 1) - self.at(self.counter)
            rule = "hold" if now - self.next_run > max(GRACE, period) else "each"
        if rule == "each":
            count = 1
            self._open(1, self.amount)
        elif rule == "hold":
            self._open(count, self.amount, draft=True)
        else:
            start = self.at(self.counter)
            self._skip(count - 1, "missed" if rule == "latest" else "collapsed into one invoice")
            self._open(1, self.amount * (1 if rule == "latest" else count))
            if rule == "collapse":
                last = self.counter - 1
                self.opened[last] = replace(self.opened[last], start=start)
        self.state = "ended" if count >= left else self.state
        self.state = "active" if self.state == "trialing" else self.state

    def _open(self, count: int, total: int, *, draft: bool = False) -> None:
        for _ in range(count):
            start, end = self.at(self.counter), self.at(self.counter + 1)
            self.opened[self.counter] = Opened(start, end, total, draft)
            self._go_on()

    def _skip(self, count: int, why: str) -> None:
        for _ in range(count):
            self.skipped[self.counter] = why
            self._go_on()

    def _go_on(self) -> None:
        self.counter += 1
        self.next_run = self.at(self.counter)

    # -- what people do; None where it is refused ------------------------------------------------

    def pause(self) -> Promise | None:
        return self._with("paused") if self.state in TICKING else None

    def resume(self, now: datetime) -> Promise | None:
        """Go on; what came due while it was paused is passed over."""
        if self.state not in {"paused", "held", "errored"}:
            return None
        new, trial = self.copy(), self.trial_days and now < self.at(self.first)
        new.state = "trialing" if trial or self.counter < self.first else "active"
        if new.state == "trialing" and self.state != "paused":
            return None
        if self.state == "paused":
            is_over = self.counter < self.first and self.at(self.first) <= now
            missed = self.due(now) if self.counter >= self.first or is_over else 0
            new._skip(missed - (1 if self.waits else 0), "paused")
        new.waits = False
        return new

    def cancel(self, *, at_once: bool) -> Promise | None:
        if self.state in OVER:
            return None
        if at_once or self.state not in TICKING:
            return self._with("canceled")
        if self.cancel_at is not None:
            return None
        new = self.copy()
        new.cancel_at = self.next_run
        return new

    def use_instrument(self) -> Promise | None:
        """Go on through another instrument: nothing is passed over."""
        if self.state in OVER:
            return None
        new = self._with("active" if self.state in {"held", "errored"} else self.state)
        new.has_instrument = True
        return new

    def priced(self, amount: int) -> Promise:
        """Ask another price from the next occurrence on."""
        new = self.copy()
        new.amount = amount
        return new

    def _with(self, state: str) -> Promise:
        new = self.copy()
        new.state, new.waits = state, self.waits and state == "paused"
        return new
