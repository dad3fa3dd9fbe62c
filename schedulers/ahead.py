"""What schedulers will do, and what may be asked of them: computed to be shown, nothing written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.sets import array, fetch
from core.invalid import Invalid
from invoices.payments import FEED, TRANSACTION
from invoices.states import LIVE
from schedulers.models import FOR_EVER, OWED
from schedulers.states import TICKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from schedulers.models import Scheduler

IN_HAND = LIVE - {"queued"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An occurrence that is still to come: when it runs, and the period that it is for."""

    occurrence: int
    run_at: datetime
    period_start: datetime
    period_end: datetime


def runs(scheduler: Scheduler, count: int) -> list[Run]:
    """Return the next runs as things stand, at most so many; none of one that does not tick."""
    if scheduler.state not in TICKING:
        return []
    found: list[Run] = []
    for run in _to_come(scheduler):
        ends = scheduler.cancel_at is not None and run.run_at >= scheduler.cancel_at
        if ends or len(found) == count:
            break
        found.append(run)
    return found


def _to_come(scheduler: Scheduler) -> Iterator[Run]:
    timer = scheduler.timer()
    first, anchor = scheduler.occurrence, scheduler.anchor_occurrence
    last = anchor + (FOR_EVER if scheduler.ends_after is None else scheduler.ends_after)
    for occurrence in range(first, last):
        place = occurrence - anchor
        try:
            start = scheduler.started_at if place < 0 else timer.occurrence(place)
            end = timer.occurrence(place + 1)
            run_at = scheduler.next_run_at if occurrence == first else timer.run_at(place)
        except Invalid:  # Beyond the years that there are.
            return
        yield Run(occurrence=occurrence, run_at=run_at, period_start=start, period_end=end)


def retryable(schedulers: Sequence[Scheduler]) -> set[UUID]:
    """Return those whose newest invoice may be tried again: one statement for all of them.

    As `Scheduler.retryable` says it of one; each must come with its instrument.
    """
    able = {
        each.pk
        for each in schedulers
        if each.instrument is not None and each.instrument.state == "active"
    }
    if not able:
        return set()
    rows = fetch(
        "SELECT id FROM unnest(%s::uuid[]) AS w (id) CROSS JOIN LATERAL ("
        f"SELECT f.id AS feed, f.state FROM {FEED} f WHERE f.trail_id = w.id AND f.kind = 'period'"
        " ORDER BY f.occurrence DESC LIMIT 1) AS newest"
        " WHERE newest.state = ANY(%s::text[]) AND NOT EXISTS ("
        f"SELECT 1 FROM {TRANSACTION} a WHERE a.feed_id = newest.feed"
        " AND a.state = ANY(%s::text[]))",
        [array("uuid", able), array("text", sorted(OWED)), array("text", sorted(IN_HAND))],
    )
    return {row[0] for row in rows}
