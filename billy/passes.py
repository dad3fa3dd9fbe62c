"""Passes of the cycle as the commands make them: until idle, or for ever, with their progress."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from accounts import requests
from accounts.clock import database_now
from audit import checkpoints
from core.collector import look_seldom
from invoices.alarm import alarm
from invoices.models import Transaction
from invoices.states import LEASED
from schedulers import claim, cycle, limits
from schedulers.cycle import Report
from schedulers.watch import watch
from webhooks import deliver, receive
from webhooks.jobs import outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

CHECKPOINT_SECONDS = 600  # Between two looks for trails whose last checkpoint is an hour old.
ALARM_SECONDS = 60  # Between two counts of the payments of companies that want to be warned.
PRUNE_SECONDS = 3600  # Between two looks for answers that are kept long enough.
JOIN_SECONDS = 20  # What is on its way to an app is waited for as long as it may take.
IDLE_SECONDS = 0.5  # Between two looks for answers that are still out.


@dataclass(slots=True)
class Tally:
    """What the passes of a command did so far."""

    opened: int = 0
    parked: int = 0
    unanswered: int = 0
    on_hold: int = 0
    states: dict[str, int] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def add(self, report: Report) -> None:
        """Count a pass."""
        self.opened += report.opened
        self.parked += report.parked
        for each in report.settled:
            self.states[each.state] = self.states.get(each.state, 0) + 1

    def __str__(self) -> str:
        seconds = time.monotonic() - self.started
        told = [f"{self.opened:,} invoices opened"]
        told += [f"{count:,} {state}" for state, count in sorted(self.states.items())]
        if self.parked:
            told.append(f"{self.parked:,} schedulers parked")
        if self.unanswered:
            told.append(f"{self.unanswered:,} without an answer yet")
        if self.on_hold:
            told.append(f"companies on hold since their calls failed: {self.on_hold:,}")
        rate = self.opened / seconds if seconds else 0
        return f"{', '.join(told)} in {seconds:,.0f} s ({rate:,.0f} a second)"


def one_pass(*, now: datetime | None = None) -> Report:
    """Make one pass: one batch of what is due at `now` (default: the database's clock).

    Does nothing where the clocks of the database and of this process are too far apart.
    """
    at = now or watch.now(clock=worker_clock)
    if at is None:
        return Report()
    return cycle.tick(processor=limits.processor(), now=at, limits=limits.from_settings())


def flow(*, now: datetime | None = None, stop: Callable[[], bool] = bool) -> Iterator[Report]:
    """Make passes back to back, as one process does best; tells what each step did."""
    at = now or watch.now(clock=worker_clock)
    if at is None:
        return iter(())
    return cycle.flow(
        processor=limits.processor(), now=at, limits=limits.from_settings(), stop=stop
    )


def one_sweep(*, now: datetime | None = None, stop: Callable[[], bool] = bool) -> Report:
    """Finish what was cut off, callbacks included."""
    at = now or watch.now(clock=worker_clock)
    if at is None:
        return Report()
    processor, within = limits.processor(), limits.from_settings()
    report = cycle.sweep(processor=processor, now=at, limits=within, stop=stop)
    receive.sweep(processor=processor, now=at, limits=within)
    return report


def worker_clock() -> datetime:
    """Return this process's own time: a witness of the database's clock, and no more."""
    return datetime.now(UTC)  # noqa: TID251  # What is due goes by the database's clock.


def one_checkpoint() -> Report:
    """Take the checkpoints that are due; it is no work that is worth another pass."""
    now = database_now()
    checkpoints.take(now=now, older_than_seconds=checkpoints.HOUR_SECONDS)
    return Report()


def until_idle(*, now: datetime | None, told: Callable[[Tally], None]) -> Tally:
    """Make passes until nothing is due and no answer is near; tells its tally after each.

    An attempt whose next look is further away than a lease is left to the workers.
    """
    look_seldom()
    tally = Tally()
    while True:
        worked = False
        for report in flow(now=now):
            tally.add(report)
            worked = worked or report.worked
            told(tally)
        report = one_sweep(now=now)
        tally.add(report)
        worked = worked or report.worked
        told(tally)
        if not worked:
            tally.unanswered = answers_out(within_seconds=None)
            if not answers_out(within_seconds=settings.BILLY_LEASE_SECONDS):
                tally.on_hold = claim.companies_on_hold(now=now or database_now())
                return tally
            time.sleep(IDLE_SECONDS)


def answers_out(*, within_seconds: float | None) -> int:
    """Return how many attempts were sent, or held to be sent, and have no answer yet.

    With `within_seconds`, only those whose lease ends or whose next look is due by then.
    """
    out = Transaction.objects.filter(state__in=LEASED)
    if within_seconds is not None:
        until = database_now() + timedelta(seconds=within_seconds)
        out = out.filter(lease_until__lte=until).exclude(next_look_at__gt=until)
    return out.count()


def for_ever(*, stop: Event, told: Callable[[str], None]) -> None:
    """Make passes until told to stop, sweeping every few seconds; outlives a lost database."""
    look_seldom()
    telling = threading.Thread(target=_tell_apps, args=(stop, told), name="billy-webhooks")
    telling.start()
    try:
        _bill(stop, told)
    finally:
        telling.join(JOIN_SECONDS)


def _tell_apps(stop: Event, told: Callable[[str], None]) -> None:
    """Send webhooks until told to stop, in a thread of its own: a receiver may take its time."""
    pruned_at = time.monotonic()
    counted_at = 0.0
    while not stop.is_set():
        worked = _tried(lambda: bool(deliver.run(outside=outside(), now=database_now())), told=told)
        if time.monotonic() - pruned_at >= PRUNE_SECONDS:
            pruned_at = time.monotonic()
            _tried(lambda: bool(requests.prune(now=database_now())), told=told)
        if time.monotonic() - counted_at >= ALARM_SECONDS:
            counted_at = time.monotonic()
            _tried(lambda: bool(alarm(now=database_now())), told=told)
        if not worked:
            stop.wait(settings.BILLY_TICK_SECONDS)
    connection.close()


def _bill(stop: Event, told: Callable[[str], None]) -> None:
    swept_at = checkpoints_at = 0.0
    said = ""
    while not stop.is_set():
        worked = _tried(lambda: _flowed(stop), told=told)
        if watch.reason != said:
            said = watch.reason
            told(f"nothing is sent: {said}" if said else "payments leave again")
        if not stop.is_set() and time.monotonic() - swept_at >= settings.BILLY_SWEEP_SECONDS:
            swept_at = time.monotonic()
            worked = _tried(lambda: one_sweep(stop=stop.is_set).worked, told=told) or worked
        if time.monotonic() - checkpoints_at >= CHECKPOINT_SECONDS:
            checkpoints_at = time.monotonic()
            _tried(lambda: one_checkpoint().worked, told=told)
        if not worked:
            stop.wait(settings.BILLY_TICK_SECONDS)


def _flowed(stop: Event) -> bool:
    worked = False
    for report in flow(stop=stop.is_set):
        worked = worked or report.worked
    return worked


def _tried(work: Callable[[], bool], *, told: Callable[[str], None]) -> bool:
    """Make a pass and return whether it worked; what stops one must not stop the other."""
    try:
        return work()
    except (DatabaseError, InterfaceError) as error:
        told(f"the database is away, or refuses: {error}".strip())
        connection.close()
    except Exception as error:  # noqa: BLE001  # The loop is there to outlive it; the log says what.
        told(f"{type(error).__name__}: {error}")
    return False
