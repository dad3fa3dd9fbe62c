"""The end of a history: let everything come to rest, then compare it all with the model."""

from __future__ import annotations

from accounts.models import FundingInstrument
from invoices.models import AuditFeed, Transaction
from processors.base import Status
from tests.machine.promise import TICKING
from tests.machine.world import Broken

MOST_TICKS = 400


def come_to_rest(world, office):
    """Answer everything that is out, open everything that is due, and tell all late news."""
    world.told("everything comes to rest")
    world.memory.mood = "well"
    for _ in range(3):
        world.memory.arrive()
        for receipt in world.memory.ledger:
            if receipt.status is Status.PENDING:
                world.memory.settle(receipt.uri, Status.SUCCEEDED)
        _tell_news(world, office)
        world.a_while_passes()
        world.work("sweep")
        world.check()
        _tick_until_idle(world)
    world.check()
    problems = [*world.books().problems(at_rest=True), *unkept(world), *sums(world)]
    if problems:
        raise Broken("\n".join([*problems, "", *world.story]))


def _tell_news(world, office):
    for receipt in world.memory.ledger:
        if receipt.key in world.late_news:
            office.callback(receipt, world.memory.event_ids(receipt.uri)[-1], "well")
            world.check()


def _tick_until_idle(world):
    for _ in range(MOST_TICKS):
        world.a_while_passes()
        futures = world.ticked()
        report = world.work("tick")
        world.check(futures)
        if not report.worked:
            return
    raise Broken("\n".join(["the ticks find no end", *world.story]))


def unkept(world):
    """Everything that had to be charged was charged once, or there is a reason why not."""
    for promise in world.mind.promises.values():
        if promise.state in TICKING and promise.next_run <= world.now:
            yield f"{promise.name} is due and was not opened"
        if {*promise.opened, *promise.skipped} != set(range(promise.counter)):
            yield f"{promise.name}: not every occurrence was opened or passed over"
    attempts = {}
    for attempt in Transaction.objects.filter(kind__in=["debit", "credit"]).order_by("attempt"):
        attempts.setdefault(attempt.feed_id, []).append(attempt)
    usable = set(FundingInstrument.objects.filter(state="active").values_list("pk", flat=True))
    for feed in AuditFeed.objects.all():
        tried = attempts.get(feed.pk, [])
        if not is_explained(feed, tried, usable, now=world.now, lost=world.lost):
            states = [each.state for each in tried]
            yield f"invoice {feed} of {feed.occurrence} is {feed.state}, tried: {states}"


def is_explained(feed, tried, usable, *, now, lost):
    """Whether an invoice is paid, or says itself why it is not."""
    last = tried[-1] if tried else None
    if feed.state == "settled":
        paid = [each.amount for each in tried if each.state == "succeeded"]
        return paid == ([feed.total] if feed.total else [])
    if feed.state in {"draft", "waived"}:
        return True  # A person must decide, or has decided.
    if last is None:
        return feed.state == "open"  # There was no usable instrument when it was opened.
    if feed.state == "uncollected":
        return last.state in {"declined", "rejected", "returned", "voided"}
    if last.state == "unknown":  # A backup was restored, and its key names another order.
        return last.key in lost
    waits = last.state == "queued" and (last.due_at > now or last.instrument_id not in usable)
    return feed.state == "open" and (last.state in {"parked", "returned"} or waits)


def sums(world):
    """Every cent that the processor moved is here, and the other way round.

    Left out is what a person must look at, and what a restored backup made us forget.
    """
    for company in world.companies:
        feeds = AuditFeed.objects.filter(company=company)
        ours = sum(
            signed(feed.direction, feed.captured - feed.returned - feed.refunded) for feed in feeds
        )
        theirs = 0
        attempts = {each.key: each for each in Transaction.objects.filter(company=company)}
        for receipt in world.memory.ledger:
            attempt = attempts.get(receipt.key)
            there = receipt.status is Status.SUCCEEDED
            here = attempt is not None and attempt.state == "succeeded"
            left_out = receipt.key in world.lost or (attempt and attempt.state == "parked")
            if attempt is None or (there != here and left_out):
                ours -= signed(receipt.kind, receipt.amount) if here else 0
            else:
                theirs += signed(receipt.kind, receipt.amount) if there else 0
        if ours != theirs:
            yield f"company {company}: {ours} here and {theirs} at the processor"


def signed(kind, amount):
    """Money that comes in is positive."""
    return amount if str(kind) in {"debit", "reversal"} else -amount
