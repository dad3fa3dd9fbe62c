"""What must hold of a run at rest: the processor's own ledger against our tables, to the cent.

Each function yields what is wrong, in words. They look at rows, not at the engine's own sums.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from audit.chain import Fact, digest
from audit.models import AuditEvent, AuditTrail
from billy.verification import examine
from invoices.models import AuditFeed, NumberSeries, Transaction
from invoices.states import LIVE
from processors.base import Status
from schedulers.models import Scheduler
from tests.crash.stage import START

CHARGES = frozenset({"debit", "credit"})
GIVEN_UP = frozenset({"declined", "rejected", "returned", "voided"})  # Another may follow these.
STATUSES = {
    "succeeded": Status.SUCCEEDED,
    "declined": Status.FAILED,
    "returned": Status.FAILED,
    "pending": Status.PENDING,
}


class Books:
    """Everything of one run at rest."""

    def __init__(self, run, *, ledger, feeds, attempts, schedulers, events, trails):
        self.customers = run.customers
        self.ledger = ledger
        self.feeds = feeds
        self.attempts = attempts
        self.schedulers = schedulers
        self.events = events
        self.trails = trails
        self.of_feed = defaultdict(list)
        for each in attempts:
            self.of_feed[each.feed_id].append(each)


def books_of(runs):
    """Read the books of several runs, given with their ledgers, at once: with five statements."""
    customers = [each.pk for run, _ in runs for each in run.customers]
    schedulers = _by("customer_id", Scheduler.objects.filter(customer__in=customers))
    trails = [*customers, *(each.pk for mine in schedulers.values() for each in mine)]
    feeds = _by(
        "customer_id", AuditFeed.objects.filter(customer__in=customers).order_by("due_at", "id")
    )
    attempts = _by(
        "feed_id",
        Transaction.objects.filter(feed__customer__in=customers).order_by(
            "feed_id", "kind", "attempt"
        ),
    )
    events = _by(
        "trail_id", AuditEvent.objects.filter(trail__in=trails).order_by("trail_id", "seq")
    )
    chains = _by("pk", AuditTrail.objects.filter(pk__in=trails))
    for run, ledger in runs:
        own = [each.pk for each in run.customers]
        theirs = _all(schedulers, own)
        told = sorted([*own, *(each.pk for each in theirs)])
        invoices = sorted(_all(feeds, own), key=lambda each: (each.due_at, each.pk))
        yield Books(
            run,
            ledger=ledger,
            feeds=invoices,
            attempts=_all(attempts, sorted(each.pk for each in invoices)),
            schedulers=theirs,
            events=_all(events, told),
            trails=_all(chains, told),
        )


def _by(name, rows):
    found = defaultdict(list)
    for each in rows:
        found[getattr(each, name)].append(each)
    return found


def _all(found, keys):
    return [each for key in keys for each in found[key]]


def problems(books):
    """Return all that is wrong with a run that came to rest."""
    return [problem for look in LOOKS for problem in look(books)]


def problems_at_the_end(stage):
    """Return what is wrong with a whole stage once all of its runs are over.

    What looks at everything at once belongs here: `verify` in full depth, for one.
    """
    return [*numbers(stage.company), *verified(stage)]


def verified(stage):
    """Ask `verify --full` about all that the runs of a scenario left."""
    for result in examine(depth="full", now=START):
        # A scenario raises a plan's price by hand, as no verb does: that has no event.
        known = result.id == "I10" and all(each.where[:2] == "PL" for each in result.offenders)
        if result.status not in {"clean", "person"} and not known:
            yield f"{result.id} {result.status}: {result.offenders[:2]} {result.error}"


def numbers(company):
    """Invoice numbers have no gap, in each series, and the counter is the last one given."""
    for series in NumberSeries.objects.filter(company=company):
        given = AuditFeed.objects.filter(company=company, series=series.series)
        found = sorted(given.values_list("number", flat=True))
        if found != [*range(1, series.last + 1)]:
            yield f"{series} were given, and there are {len(found)} of them, up to {found[-1:]}"


def once_or_a_reason(books):
    """Per (scheduler, period): exactly one successful object, or a reason on record why none."""
    by_key = defaultdict(list)
    for receipt in books.ledger:
        by_key[receipt.key].append(receipt)
    told = {(each.feed_id, each.kind) for each in books.events}
    for feed in books.feeds:
        charges = [each for each in books.of_feed[feed.pk] if each.kind in CHARGES]
        paid = [
            receipt
            for each in charges
            for receipt in by_key[each.key]
            if receipt.status is Status.SUCCEEDED
        ]
        if len(paid) > 1:
            yield f"{_named(feed)} was paid {len(paid)} times"
        if feed.total and not paid and not _explained(feed, charges, told):
            yield f"{_named(feed)} is {feed.state}, was not paid, and nothing says why"
        if paid and feed.state != "settled" and not any(e.state == "parked" for e in charges):
            yield f"{_named(feed)} was paid and is {feed.state}"


def _explained(feed, charges, told):
    """Return whether an event says why a feed was not paid: given up, parked, or still a draft."""
    reasons = {"invoice.uncollected", "invoice.waived", "invoice.voided", "invoice.reopened"}
    parked = any(each.state == "parked" for each in charges)
    planned = any(each.state == "queued" and each.attempt > 1 for each in charges)
    return (
        any((feed.pk, reason) in told for reason in reasons)
        or (parked and (feed.pk, f"{feed.direction}.parked") in told)
        or (planned and (feed.pk, f"{feed.direction}.queued") in told)
        or feed.state == "draft"
    )


def keys(books):
    """No key with two objects, no object without its attempt, no attempt's object missing."""
    by_key = {each.key: each for each in books.attempts}
    counted = Counter(receipt.key for receipt in books.ledger)
    yield from (f"{count} objects under one key" for count in counted.values() if count > 1)
    objects = {receipt.key: receipt for receipt in books.ledger}
    for key, receipt in objects.items():
        attempt = by_key.get(key)
        if attempt is None:
            yield f"{receipt.uri} belongs to no attempt"
        elif (attempt.amount, attempt.currency, attempt.kind) != (
            receipt.amount,
            receipt.currency,
            receipt.kind,
        ):
            yield f"{receipt.uri} is not what its attempt asked for"
    for each in books.attempts:
        receipt = objects.get(each.key)
        wanted = STATUSES.get(each.state)
        if wanted is not None and (receipt is None or receipt.status is not wanted):
            yield f"{each} is {each.state}, and the processor says {receipt and receipt.status}"
        if wanted is not None and receipt is not None and receipt.uri != each.processor_uri:
            yield f"{each} names another object than its own"


def attempts(books):
    """At rest nobody waits for an answer; one live attempt; the next only after a proven no."""
    for each in books.attempts:
        if each.state in {"intent", "unknown"}:
            yield f"{each} is left {each.state}"
    for feed in books.feeds:
        charges = [each for each in books.of_feed[feed.pk] if each.kind in CHARGES]
        if sum(each.state in LIVE for each in charges) > 1:
            yield f"{_named(feed)} has two live attempts"
        if [each.attempt for each in charges] != [*range(1, len(charges) + 1)]:
            yield f"{_named(feed)} has attempts {[each.attempt for each in charges]}"
        for each in charges[:-1]:
            if each.state not in GIVEN_UP:
                yield f"{each} is {each.state}, and another attempt follows it"


def sums(books):
    """The sums of every feed are those of its events and attempts, and of the processor's books."""
    told, moved = Counter(), Counter()
    for each in books.events:
        told[each.feed_id] += each.amount
        moved[each.feed_id] += each.moved or 0
    for feed in books.feeds:
        counted = _counted(books.of_feed[feed.pk])
        kept = (feed.live, feed.captured, feed.returned, feed.refunded)
        if kept != counted:
            yield f"{_named(feed)} says {kept}, its attempts {counted}"
        if feed.total != told[feed.pk]:
            yield f"{_named(feed)} is over {feed.total}, its events over {told[feed.pk]}"
        sign = 1 if feed.direction == "debit" else -1
        if sign * (feed.captured - feed.returned - feed.refunded) != moved[feed.pk]:
            yield f"{_named(feed)} moved {moved[feed.pk]} by its events"
        if (feed.state == "settled") != (feed.owed == 0 and feed.state != "draft"):
            yield f"{_named(feed)} is {feed.state} and owes {feed.owed}"
    yield from _sums_there(books)


def _counted(attempts):
    """Return what attempts come to: live, captured, returned and refunded."""
    live = sum(each.amount for each in attempts if each.kind in CHARGES and each.state in LIVE)
    captured = sum(
        each.amount
        for each in attempts
        if each.kind in CHARGES and each.state in {"succeeded", "returned"}
    )
    returned = sum(
        each.amount for each in attempts if each.kind in CHARGES and each.state == "returned"
    )
    refunded = sum(
        each.amount for each in attempts if each.kind not in CHARGES and each.state == "succeeded"
    )
    return live, captured, returned, refunded


def _sums_there(books):
    """Compare with the processor, but for what waits for a person."""
    ours, theirs = Counter(), Counter()
    parked = {each.key for each in books.attempts if each.state == "parked"}
    for feed in books.feeds:
        back = "refund" if feed.direction == "debit" else "reversal"
        ours[feed.direction, feed.currency] += feed.captured - feed.returned
        ours[back, feed.currency] += feed.refunded
    for receipt in books.ledger:
        if receipt.status is Status.SUCCEEDED and receipt.key not in parked:
            theirs[str(receipt.kind), receipt.currency] += receipt.amount
    if +ours != +theirs:
        yield f"money: {dict(+ours)} here, {dict(+theirs)} there"


def chains(books):
    """Every chain is whole, without a gap, and its head is its last event."""
    heads = {}
    for each in books.events:
        seq, prev = heads.get(each.trail_id, (0, b""))
        hashed = digest(prev=prev, seq=seq + 1, at=each.at, fact=_fact(each))
        if (each.seq, bytes(each.prev), bytes(each.hash)) != (seq + 1, prev, hashed):
            yield f"the chain is broken at {each.kind} #{each.seq}"
        heads[each.trail_id] = (each.seq, hashed)
    for trail in books.trails:
        if (trail.head_seq, bytes(trail.head_hash)) != heads.get(trail.pk, (0, b"")):
            yield f"the head of {trail} is not its last event"


def events(books):
    """Every attempt and every feed has the events that say how it stands."""
    told = {(each.transaction_id, each.kind.partition(".")[2]) for each in books.events}
    for each in books.attempts:
        if each.state != "queued" and (each.pk, each.state) not in told:
            yield f"{each} is {each.state}, and no event says so"
    feeds = {each.feed_id for each in books.events}
    yield from (f"{_named(feed)} has no events" for feed in books.feeds if feed.pk not in feeds)


def _fact(event):
    return Fact(
        trail_id=event.trail_id,
        company_id=event.company_id,
        kind=event.kind,
        currency=event.currency,
        dedupe=event.dedupe,
        amount=event.amount,
        moved=event.moved,
        feed_id=event.feed_id,
        transaction_id=event.transaction_id,
        body=event.body,
        actor=event.actor,
    )


def counters(books):
    """I1 and I2: no occurrence is missing or twice, periods tile, the next comes when it is due."""
    for scheduler in books.schedulers:
        mine = [each for each in books.feeds if each.trail_id == scheduler.pk]
        opened = Counter(each.occurrence for each in mine)
        for each in books.events:
            if each.trail_id == scheduler.pk and each.kind == "occurrences.skipped":
                opened.update(range(each.body["from"], each.body["to"] + 1))
        if opened != Counter(range(scheduler.occurrence)):
            yield f"{scheduler} opened {sorted(opened.elements())} of {scheduler.occurrence}"
        timer, first = scheduler.timer(), scheduler.anchor_occurrence
        if scheduler.next_run_at != timer.run_at(scheduler.occurrence - first):
            yield f"{scheduler} is due at {scheduler.next_run_at}"
        for feed in mine:
            place = feed.occurrence - first
            period = timer.occurrence(place), timer.occurrence(place + 1)
            if (feed.period_start, feed.period_end) != period:
                yield f"{_named(feed)} is for another period than its own"
        yield from _after_the_end(scheduler, books)


def _after_the_end(scheduler, books):
    """I21: a canceled scheduler opens nothing after the event that says so."""
    ended = 0
    for each in books.events:
        if each.trail_id == scheduler.pk:
            if ended and each.kind in {"invoice.opened", "invoice.drafted"}:
                yield f"{scheduler} opened an invoice after its end at #{ended}"
            if each.kind == "scheduler.canceled":
                ended = each.seq


def _named(feed):
    return f"invoice {feed} of occurrence {feed.occurrence}"


LOOKS = (once_or_a_reason, keys, attempts, sums, chains, events, counters)
