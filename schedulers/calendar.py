"""When each scheduler runs next, and what each invoice is for: computed anew by the timers."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from audit.findings import Finding, Scope, shown
from audit.models import AuditEvent
from audit.sets import fetch
from audit.stream import pages
from core.frequency import Frequency
from core.invalid import Invalid
from invoices.payments import FEED
from schedulers.models import Scheduler
from schedulers.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from schedulers.holidays import Shift
    from schedulers.timers import MonthEnd

    Row = tuple[Any, ...]
    Folded = dict[tuple[UUID, int], int]

SCHEDULER = f'"{Scheduler._meta.db_table}"'
TERMS = (
    "s.id, s.frequency, s.interval, s.rule, s.month_end, s.shift, s.anchor_at, s.time_zone,"
    " s.anchor_occurrence, s.started_at"
)
NEXT_RUNS = f"SELECT {TERMS}, s.occurrence, s.next_run_at FROM {SCHEDULER} s"
PERIODS = (
    f"SELECT {TERMS}, f.id, f.occurrence, f.period_start, f.period_end FROM {SCHEDULER} s"
    f" JOIN {FEED} f ON f.trail_id = s.id AND f.kind = 'period' ORDER BY s.id"
)
# Several occurrences may have become one invoice: the skip that says so ends just before it.
FOLDED = (
    "SELECT trail_id, (body ->> 'from')::bigint, (body ->> 'to')::bigint"
    f" FROM \"{AuditEvent._meta.db_table}\" WHERE kind = 'occurrences.skipped'"
    " AND body ->> 'reason' = 'collapsed into one invoice'"
)
FIRST_OF_FEED = 10  # The columns before it are the scheduler's terms.


def next_runs(scope: Scope) -> Iterator[Finding]:
    """Yield schedulers whose next run is not the one that their timer gives for their counter."""
    for rows in pages(NEXT_RUNS, step=scope.step):
        for row in rows:
            *_, anchor_occurrence, started_at, occurrence, next_run_at = row
            place = occurrence - anchor_occurrence
            try:
                expected = started_at if place < 0 else _timer(row).run_at(place)
            except Invalid as error:
                yield Finding(shown("scheduler", row[0]), f"its timer cannot be read: {error}")
                continue
            if expected != next_run_at:
                why = f"runs next at {next_run_at:%Y-%m-%d %H:%M}, not at {expected:%Y-%m-%d %H:%M}"
                yield Finding(shown("scheduler", row[0]), why)


def periods(scope: Scope) -> Iterator[Finding]:
    """Yield invoices whose period is not that of their occurrence."""
    folded: Folded = {(trail, last + 1): first for trail, first, last in fetch(FOLDED)}
    for rows in pages(PERIODS, step=scope.step):
        for _, feeds in groupby(rows, key=itemgetter(0)):
            yield from _periods(list(feeds), folded)


def _periods(feeds: list[Row], folded: Folded) -> Iterator[Finding]:
    try:
        timer = _timer(feeds[0])
    except Invalid:
        return  # That is told of its next run.
    for row in feeds:
        identity, occurrence, *period = row[FIRST_OF_FEED:]
        number: int = occurrence
        first = folded.get((row[0], number), number)
        try:
            is_right = _period(timer, row, first, occurrence) == tuple(period)
        except Invalid:
            is_right = False  # An occurrence that the timer does not have.
        if not is_right:
            yield Finding(shown("feed", identity), f"its period is not that of #{occurrence}")


def _period(timer: Timer, row: Row, first: int, last: int) -> tuple[datetime, datetime]:
    anchor_occurrence, started_at = row[FIRST_OF_FEED - 2 : FIRST_OF_FEED]
    place = first - anchor_occurrence
    start = started_at if place < 0 else timer.occurrence(place)
    return start, timer.occurrence(last - anchor_occurrence + 1)


def _timer(row: Row) -> Timer:
    _, frequency, interval, rule, month_end, shift, anchor_at, time_zone, *_ = row
    return Timer(
        frequency=Frequency(frequency),
        interval=interval,
        rule=rule,
        month_end=cast("MonthEnd", month_end),
        shift=cast("Shift", shift),
        anchor_at=anchor_at,
        time_zone=time_zone,
    )
