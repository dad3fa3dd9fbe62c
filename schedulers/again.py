"""Which payments this database will ask for by itself, up to now: their keys, before they are made.

Keys are derived, so what a database that was set back forgot is known by what it will ask again.
The decisions are those of production code. What only a person would ask for once more (a draft to
issue, a refund, a one-off) is not among them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from core.invalid import Invalid
from invoices.models import Transaction
from invoices.naming import charge_key, feed_id
from invoices.retry import Policy
from invoices.states import LIVE
from schedulers import claim
from schedulers.follow_ups import child_id
from schedulers.occurrences import MOST_MISSED, decide
from schedulers.states import TICKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from schedulers.claim import Due

PAGE = 2_000
FIRST_PLACE = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))  # Before every scheduler.


def among(wanted: Collection[str], *, company: UUID, now: datetime) -> set[str]:
    """Return those of the wanted keys that the database will make by itself."""
    left = set(wanted)
    if left:
        for key in _keys(company, now=now):
            left.discard(key)
            if not left:
                break
    return set(wanted) - left


def _keys(company: UUID, *, now: datetime) -> Iterator[str]:
    yield from _of_live_attempts(company)
    after = FIRST_PLACE
    while page := claim.to_come(company, now=now, after=after, limit=PAGE):
        for due in page:
            yield from _of_scheduler(due, now=now)
        after = (page[-1].next_run_at, page[-1].trail_id)


def _of_live_attempts(company: UUID) -> Iterator[str]:
    """Yield the keys of the retries that are still planned, should the live attempt be declined."""
    live = Transaction.objects.filter(
        company=company, state__in=LIVE, kind__in=("debit", "credit")
    ).select_related("feed")
    for attempt in live.iterator(PAGE):
        feed = attempt.feed
        left = 0
        if attempt.step is not None:
            left = len(_days(feed.terms.get("retry", {}))) - attempt.step
        for number in range(attempt.attempt + 1, attempt.attempt + left + 1):
            yield charge_key(
                company=company,
                trail=feed.trail_id,
                feed=feed.pk,
                occurrence=feed.occurrence,
                attempt=number,
            )
        for rule in feed.terms.get("follow_ups", ()):
            child = child_id(feed.trail_id, feed.pk, feed.occurrence, role=rule["role"])
            yield _first_key(company, child)


def _of_scheduler(due: Due, *, now: datetime) -> Iterator[str]:
    """Yield the keys of what a scheduler opens until now, of its retries and its follow-ups."""
    for _ in range(MOST_MISSED):
        try:
            decision = decide(due, due.timer(), now=now)
        except Invalid:
            return  # It will be parked, not run.
        if not decision.draft:
            # Several that are collapsed come as one invoice, under the number of the last.
            for number in decision.opens[-1:] if decision.collapse else decision.opens:
                yield from _of_occurrence(due, number)
        stopped = decision.state not in TICKING or decision.next_run_at > now
        if stopped or decision.occurrence == due.occurrence:
            return
        due = due._replace(
            occurrence=decision.occurrence,
            next_run_at=decision.next_run_at,
            state=decision.state,
        )


def _of_occurrence(due: Due, number: int) -> Iterator[str]:
    due_at = due.next_run_at
    if number != due.occurrence:
        due_at = due.timer().run_at(number - due.anchor_occurrence)
    feed = feed_id(trail=due.trail_id, due_at=due_at, occurrence=number)
    for attempt in range(1, len(_days(due.retry_policy)) + 2):
        yield charge_key(
            company=due.company_id,
            trail=due.trail_id,
            feed=feed,
            occurrence=number,
            attempt=attempt,
        )
    for rule in due.follow_ups:
        yield _first_key(due.company_id, child_id(due.trail_id, feed, number, role=rule["role"]))


def _first_key(company: UUID, child: UUID) -> str:
    return charge_key(company=company, trail=child, feed=child, occurrence=0, attempt=1)


def _days(policy: object) -> tuple[int, ...]:
    try:
        return Policy.parse(policy).days
    except Invalid:
        return ()
