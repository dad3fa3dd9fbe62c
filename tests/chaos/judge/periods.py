"""Condition (a): each period of each scheduler once, or one recorded reason why not."""

from collections import Counter, defaultdict
from datetime import timedelta

EARLIEST = timedelta(hours=1)  # So far ahead was the clock that one worker was given.
TICKING = frozenset({"trialing", "active", "past_due"})
STOPPED = {"canceled", "paused", "parked", "held", "errored", "ended"}
REFUSED = frozenset({"declined", "rejected", "returned"})


def complaints(books, payers):
    """Yield everything that is wrong with who was billed for what."""
    by_name = {each.external_id: each for each in books.schedulers if each.external_id}
    skipped = defaultdict(set)
    for each in books.skips:
        skipped[each.trail_id] |= set(range(each.body["from"], each.body["to"] + 1))
    stops = defaultdict(list)
    for each in books.stops:
        stops[each.trail_id].append((each.seq, each.kind))
    for payer in payers:
        scheduler = by_name.get(payer.name)
        if scheduler is None:
            yield f"a: {payer.name} was never subscribed"
            continue
        yield from _of_scheduler(books, payer, scheduler, skipped[scheduler.id])
        yield from _stops(payer, scheduler, sorted(stops[scheduler.id]))
    for feed in books.feeds:
        yield from _of_feed(books, feed)


def _of_scheduler(books, payer, scheduler, skipped):
    """Compare a scheduler's feeds with the calendar that the run had in mind."""
    feeds = [each for each in books.feeds_of[scheduler.id] if each.kind == "period"]
    count = Counter(each.occurrence for each in feeds)
    for n in range(scheduler.occurrence):
        if count[n] + (n in skipped) != 1:
            yield f"a: {payer.name} has period {n} {count[n]} times, skipped: {n in skipped}"
    for feed in feeds:
        yield from _of_period(books, payer, scheduler, feed)
    if scheduler.state == "ended" and scheduler.occurrence != payer.periods:
        yield f"a: {payer.name} ended after {scheduler.occurrence} of {payer.periods} periods"
    if scheduler.state in TICKING and scheduler.is_due:
        yield f"g: {payer.name} is still due, at {scheduler.next_run_at}"


def _of_period(books, payer, scheduler, feed):
    """See that one feed is for its own period, in its time, and for what was agreed."""
    due = payer.instant(feed.occurrence)
    what = f"a: {payer.name} period {feed.occurrence}"
    if not 0 <= feed.occurrence < scheduler.occurrence:
        yield f"{what} lies beyond its counter"
    if feed.period_start != due:
        yield f"{what} begins {feed.period_start}, not {due}"
    if due > books.now + EARLIEST:
        yield f"{what} was opened before its time, {due}"
    if feed.total != payer.cents:
        yield f"{what} asks {feed.total}, not {payer.cents}"


def _stops(payer, scheduler, events):
    """See that what stopped is told with its reason, and that nothing was opened after a cancel."""
    kinds = [kind for _, kind in events]
    if scheduler.state in STOPPED and f"scheduler.{scheduler.state}" not in kinds:
        yield f"a: {payer.name} is {scheduler.state}, and no event says so"
    if scheduler.state in STOPPED - {"ended"} and not scheduler.reason:
        yield f"a: {payer.name} is {scheduler.state} without a reason"
    is_open = True
    for _, kind in events:
        if kind in {"scheduler.canceled", "scheduler.paused"}:
            is_open = False
        elif kind in {"scheduler.resumed", "scheduler.changed"}:
            is_open = is_open or kind == "scheduler.resumed"
        elif kind == "invoice.opened" and not is_open:
            yield f"a: {payer.name} was billed after it had been stopped"


def _of_feed(books, feed):
    """See that a feed was paid exactly once, or says why it was not."""
    paid = books.objects_of(feed)
    if len(paid) > 1:
        yield f"a: feed {feed.id} was paid {len(paid)} times"
    if feed.state == "settled":
        if feed.total and sum(each.amount for each in paid) != feed.total:
            yield f"a: feed {feed.id} is settled at {feed.total} and {len(paid)} payments"
        return
    if paid:
        yield f"a: feed {feed.id} was paid and is {feed.state}"
    if not _says_why(books, feed):
        yield f"a: feed {feed.id} is {feed.state}, and nothing says why"


def _says_why(books, feed):
    """Return whether a recorded fact explains why an invoice is not paid."""
    attempts = books.attempts_of[feed.id]
    if feed.state in {"waived", "voided", "draft"} or not attempts:
        return bool(attempts) or feed.instrument_id is None or feed.state != "open"
    refused = any(each.state in REFUSED | {"voided"} for each in attempts)
    asked = any(each.state == "parked" and each.failure_count for each in attempts)
    waits = any(each.state == "pending" for each in attempts)
    return refused or asked or waits
