"""What a due scheduler opens: pure decisions about trials, catch-up and ends.

decide   which occurrences open, which are passed over, and under what rule
build    the feeds of a decision, once their lines are priced
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from audit.chain import Fact
from core.foreign import kept
from core.invalid import Invalid
from core.light import light
from core.money import Money
from core.periods import Period
from invoices.naming import feed_id
from invoices.opening import NewFeed
from invoices.retry import Policy
from schedulers import follow_ups
from schedulers.claim import Due
from schedulers.models import FOR_EVER
from tasks import kinds
from tasks.pricing import Line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from schedulers.timers import Timer

UNPAID_TRIAL = "the trial ended without a funding instrument"
MOST_MISSED = 1_000  # More occurrences missed at once than this need a person, not a rule.
GRACE = timedelta(days=3)  # Lateness that a weekend without workers may cause.


@light(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a due scheduler.

    `opens` are the occurrences to open, drafts where `draft`; one feed for all of them where
    `collapse`. `skipped` were passed over. `occurrence` and `next_run_at` are where it stands
    afterwards, `state` and `reason` how.
    """

    due: Due
    opens: tuple[int, ...] = ()
    draft: bool = False
    collapse: bool = False
    skipped: tuple[int, ...] = ()
    occurrence: int
    next_run_at: datetime
    state: str
    reason: str = ""


@light(frozen=True, slots=True, kw_only=True)
class Advance:
    """A decision with its feeds and the facts that follow them."""

    decision: Decision
    feeds: tuple[NewFeed, ...] = ()
    facts: tuple[Fact, ...] = ()


def decide(due: Due, timer: Timer, *, now: datetime) -> Decision:
    """Return what a due scheduler opens at `now`; raises Invalid where it cannot be run."""
    if due.instrument_foreign:
        raise Invalid(instrument="belongs to another customer")
    if not due.computed and due.task not in kinds.FIXED:
        raise Invalid(task="is no task of a fixed amount")
    if due.cancel_at is not None and due.next_run_at >= due.cancel_at:
        return _stopped(due, "canceled", "canceled at the end of the period")
    if due.occurrence < due.anchor_occurrence:
        return Decision(
            due=due,
            opens=(due.occurrence,),
            occurrence=due.occurrence + 1,
            next_run_at=timer.run_at(0),
            state="trialing",
        )
    if _trial_ends_unpaid(due):
        state = "paused" if due.without_instrument == "pause" else "canceled"
        return _stopped(due, state, UNPAID_TRIAL)
    return _caught_up(due, timer, now=now)


def build(decision: Decision, timer: Timer, lines: Mapping[int, tuple[Line, ...]]) -> Advance:
    """Return the feeds of a decision; `lines` are the computed ones, by occurrence.

    Whatever the price came to, more than the company moves at once parks the scheduler.
    """
    due = decision.due
    feeds: tuple[NewFeed, ...] = ()
    if decision.collapse:
        every = tuple(line for n in decision.opens for line in _lines(due, n, lines))
        first, last = period_of(due, timer, decision.opens[0]), decision.opens[-1]
        whole = Period(first.start, period_of(due, timer, last).end)
        feeds = (_feed(decision, timer, last, whole, every),)
    else:
        feeds = tuple(
            _feed(decision, timer, n, period_of(due, timer, n), _lines(due, n, lines))
            for n in decision.opens
        )
    if due.most is not None:
        for feed in feeds:
            if feed.total > due.most:
                return parked(due, _above(feed, due.most))
    return Advance(decision=decision, feeds=feeds, facts=tuple(_facts(decision)))


def _above(feed: NewFeed, most: int) -> str:
    kind = "payout" if feed.direction == "credit" else "charge"
    return (
        f"a {kind} of {feed.total} minor units is above the company's limit:"
        f" it may be at most {most}"
    )


def parked(due: Due, reason: str) -> Advance:
    """Return a scheduler that stops where it stands, until a person has looked."""
    decision = _stopped(due, "parked", kept(reason))
    return Advance(decision=decision, facts=tuple(_facts(decision)))


def period_of(due: Due, timer: Timer, occurrence: int) -> Period:
    """Return the span that an occurrence is for: the trial, or the timer's own period."""
    place = occurrence - due.anchor_occurrence
    if place < 0:
        return Period(due.started_at, timer.occurrence(0))
    return Period(timer.occurrence(place), timer.occurrence(place + 1))


def elapsed_of(due: Due, timer: Timer, occurrence: int) -> Period | None:
    """Return the span that ended when the occurrence began, None for the first one."""
    if occurrence <= 0:
        return None
    return period_of(due, timer, occurrence - 1)


def _trial_ends_unpaid(due: Due) -> bool:
    return (
        due.trial_ends_at is not None
        and due.occurrence == due.anchor_occurrence
        and due.instrument_id is None
        and due.without_instrument != "invoice"
    )


def _stopped(due: Due, state: str, reason: str) -> Decision:
    return Decision(
        due=due,
        occurrence=due.occurrence,
        next_run_at=due.next_run_at,
        state=state,
        reason=reason,
    )


def _caught_up(due: Due, timer: Timer, *, now: datetime) -> Decision:
    """Return one occurrence, or what the catch-up rule makes of several missed ones."""
    place = due.occurrence - due.anchor_occurrence
    left = FOR_EVER if due.ends_after is None else due.ends_after - place
    following = timer.run_at(place + 1)
    if left < 1:  # The last ones were skipped while it was paused.
        return _stopped(due, "ended", "its last occurrence was passed over")
    rule = "each" if following > now else _rule(due, timer, place, now=now)
    if rule == "each":
        return _moved(due, count=1, left=left, following=following, opens=(due.occurrence,))
    count = min(left, timer.count_until(now, place))
    if count > MOST_MISSED:
        raise Invalid(catch_up=f"more than {MOST_MISSED} occurrences were missed")
    missed = tuple(range(due.occurrence, due.occurrence + count))
    moved = _moved(due, count=count, left=left, following=timer.run_at(place + count))
    if rule == "latest":
        return replace(moved, opens=missed[-1:], skipped=missed[:-1])
    if rule == "collapse":
        return replace(moved, opens=missed, skipped=missed[:-1], collapse=True)
    return replace(moved, opens=missed, draft=True)


def _rule(due: Due, timer: Timer, place: int, *, now: datetime) -> str:
    """Return the catch-up rule: unless one was chosen, being very late means to ask a person."""
    if due.catch_up != "auto":
        return due.catch_up
    period = timer.occurrence(place + 1) - timer.occurrence(place)
    return "hold" if now - due.next_run_at > max(GRACE, period) else "each"


def _moved(
    due: Due, *, count: int, left: int, following: datetime, opens: tuple[int, ...] = ()
) -> Decision:
    """Return where it stands after so many occurrences, of which these open."""
    state = "active" if due.state == "trialing" else due.state
    return Decision(
        due=due,
        opens=opens,
        occurrence=due.occurrence + count,
        next_run_at=following,
        state="ended" if count >= left else state,
    )


def _lines(due: Due, occurrence: int, lines: Mapping[int, tuple[Line, ...]]) -> tuple[Line, ...]:
    if occurrence < due.anchor_occurrence:
        free = Line(description=f"{due.description} (trial)".strip(), amount=Money(0, due.currency))
        return (free,)
    if due.computed:
        return lines[occurrence]
    if due.amount is None:
        raise Invalid(amount="there is no fixed amount to charge")
    return (Line(description=due.description, amount=Money(due.amount, due.currency)),)


def _feed(
    decision: Decision, timer: Timer, occurrence: int, period: Period, lines: tuple[Line, ...]
) -> NewFeed:
    due = decision.due
    place = occurrence - due.anchor_occurrence
    due_at = due.next_run_at if occurrence == due.occurrence or place < 0 else timer.run_at(place)
    return NewFeed(
        id=feed_id(trail=due.trail_id, due_at=due_at, occurrence=occurrence),
        company_id=due.company_id,
        trail_id=due.trail_id,
        customer_id=due.customer_id,
        plan_id=due.plan_id,
        occurrence=occurrence,
        kind="period",
        direction=due.direction,
        period=period,
        currency=due.currency,
        lines=lines,
        terms=terms_of(due),
        due_at=due_at,
        draft=decision.draft,
        instrument_id=due.instrument_id if due.instrument_usable else None,
        instrument_kind=due.instrument_kind,
        instrument_uri=due.instrument_uri,
        statement_text=due.statement_text,
        processor_account=due.processor_account,
    )


def terms_of(due: Due) -> dict[str, Any]:
    """Return what is in force, to be copied into the feed: nothing later reads the plan again.

    Raises Invalid where an outcome could not be settled by it.
    """
    if due.retry_policy:
        Policy.parse(due.retry_policy)  # A refusal is settled by it: too late to find it broken.
    if due.follow_ups:
        follow_ups.sound(due.follow_ups)
    terms: dict[str, Any] = {
        "description": due.description,
        "task": due.task,
        "time_zone": due.time_zone,
        "version": due.version,
    }
    if due.statement_text:
        terms["statement_text"] = due.statement_text
    if due.retry_policy:
        terms["retry"] = due.retry_policy
    if due.follow_ups:
        terms["follow_ups"] = due.follow_ups
    return terms


def _facts(decision: Decision) -> list[Fact]:
    due = decision.due
    facts = []
    if decision.skipped:
        body: dict[str, Any] = {
            "from": decision.skipped[0],
            "to": decision.skipped[-1],
            "reason": "collapsed into one invoice" if decision.collapse else "missed",
        }
        facts.append(fact(due, "occurrences.skipped", body, dedupe=f"skip/{decision.skipped[0]}"))
    if decision.state != due.state:
        kind = "activated" if decision.state == "active" else decision.state
        body = {"from": due.state}
        if decision.reason:
            body["reason"] = decision.reason
        facts.append(fact(due, f"scheduler.{kind}", body, dedupe=f"state/{due.version + 1}"))
    return facts


def fact(due: Due, kind: str, body: dict[str, Any], *, dedupe: str) -> Fact:
    """Return a fact of the scheduler's own trail."""
    return Fact(
        trail_id=due.trail_id,
        company_id=due.company_id,
        kind=kind,
        currency=due.currency,
        body=body,
        dedupe=dedupe,
    )
