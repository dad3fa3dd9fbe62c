"""Random lives: whatever the processor answers and whenever workers die, every cent is explained.

Each example is a company of its own. When it is over its calls are stopped for good, so that no
later example meets its schedulers.
"""

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Customer
from accounts.open import account_of
from audit.chain import Fact, digest
from audit.models import AuditEvent, AuditTrail
from conftest import (
    LIMITS,
    abandon,
    change,
    give_instrument,
    hasten,
    open_company,
    send,
    subscribe,
    sweep,
    tick,
    unpause,
)
from core.frequency import Frequency
from core.invalid import Invalid
from invoices import refund
from invoices.models import AuditFeed, Transaction
from invoices.states import LIVE
from plans.models import Payout, Plan
from processors.base import Kind, ProcessorError, Status
from processors.memory import (
    Busy,
    Conflict,
    Declined,
    Late,
    Lost,
    LostBefore,
    Memory,
    Pending,
    Refused,
    Rejected,
    Succeeded,
    WrongBody,
)
from schedulers import cycle, rules
from schedulers.models import Scheduler

pytestmark = [pytest.mark.django_db, pytest.mark.stories]

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANSWERS = (
    *(Succeeded, Succeeded, Pending, Declined, Declined(hard=True), Declined(code="R01")),
    *(Lost, LostBefore, Late, WrongBody, Refused, Busy, Rejected, Conflict),
    *(Lost(after=Declined()), Lost(after=Pending())),
)
WAYS = st.tuples(
    st.sampled_from(["card", "bank account", "payee"]),
    st.sampled_from(["auto", "each", "collapse", "latest", "hold"]),
    st.sampled_from([None, 1, 3]),
    st.sampled_from([None, 5]),
)
EXAMPLES = 25


class Life:
    """A company, its schedulers and its processor, and what may happen to them."""

    def __init__(self, *, ways, script):
        self.now = START
        self.memory = Memory(script=script)
        self.company = open_company("A life", now=START)
        self.schedulers = [self._scheduler(*way) for way in ways]

    def _scheduler(self, who, catch_up, ends_after, trial):
        customer = Customer.create(company=self.company, now=START)
        offer = Payout if who == "payee" else Plan
        plan = offer.create(
            company=self.company,
            amount=100,
            description="x",
            frequency=Frequency.MONTHLY,
            trial_period=trial,
            now=START,
        )
        uri = self.memory.add_card() if who == "card" else self.memory.add_bank_account()
        instrument = give_instrument(customer, uri, memory=self.memory, now=START)
        return subscribe(
            plan,
            customer,
            now=START,
            instrument=instrument,
            catch_up=catch_up,
            ends_after=ends_after,
        )

    def tick(self):
        tick(self.memory, now=self.now)

    def sweep(self):
        sweep(self.memory, now=self.now)

    def a_day_passes(self):
        self.now += timedelta(days=1)
        unpause()
        self.tick()

    def a_month_passes(self):
        self.now += timedelta(days=31)
        unpause()
        self.tick()

    def workers_die_before_the_call(self):
        cycle.begin(now=self.now, limits=LIMITS())
        abandon()

    def workers_die_after_the_call(self):
        account = account_of(self.company)
        for held in cycle.begin(now=self.now, limits=LIMITS()).held:
            with suppress(ProcessorError):
                self.memory.submit(held.order(account))
        abandon()

    def leases_end(self):
        abandon()
        self.sweep()

    def late_ones_arrive(self):
        self.memory.arrive()

    def pending_ones_succeed(self):
        self._become(Status.PENDING, Status.SUCCEEDED)
        hasten()
        self.sweep()

    def pending_ones_fail(self):
        self._become(Status.PENDING, Status.FAILED, code="R01")
        hasten()
        self.sweep()

    def a_bank_takes_it_back(self):
        for receipt in self._become(Status.SUCCEEDED, Status.FAILED, code="R01")[:1]:
            attempt = Transaction.objects.filter(company=self.company, key=receipt.key).get()
            cycle.believe(attempt.pk, receipt, now=self.now, limits=LIMITS())

    def _become(self, before, after, *, code=""):
        found = [
            receipt
            for receipt in self.memory.ledger
            if receipt.status is before and receipt.kind is Kind.DEBIT
        ]
        if before is Status.SUCCEEDED:
            found = found[:1]
        return [self.memory.settle(receipt.uri, after, code) for receipt in found]

    def the_last_one_is_given_back(self):
        feed = AuditFeed.objects.filter(company=self.company).order_by("-due_at").first()
        if feed is not None:
            with suppress(Invalid):
                held = refund.give_back(feed, amount=40, now=self.now, lease_seconds=120)
                send([held], self.memory, now=self.now)

    def a_person_pauses(self):
        for scheduler in self.schedulers:
            with suppress(Invalid):
                rules.pause(scheduler, now=self.now)

    def a_person_resumes(self):
        for scheduler in self.schedulers:
            with suppress(Invalid):
                rules.resume(scheduler, now=self.now)

    def a_person_cancels(self):
        with suppress(Invalid):
            rules.cancel(self.schedulers[0], now=self.now, at="now")

    def comes_to_rest(self):
        """Answer everything that is still out."""
        self.memory.script.clear()
        self.memory.arrive()
        for _ in range(12):
            unpause()
            abandon()
            hasten()
            self.tick()
            self.sweep()

    def ends(self):
        """Stop the calls of this company for good."""
        change(
            "UPDATE billy_accounts_company SET calls_paused_until = 'infinity' WHERE id = %s",
            [self.company.pk],
        )


STEPS = sorted(
    name for name in vars(Life) if name[0] != "_" and name not in ("comes_to_rest", "ends")
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    ways=st.lists(WAYS, min_size=1, max_size=3),
    script=st.lists(st.sampled_from(ANSWERS), max_size=14),
    steps=st.lists(st.sampled_from(STEPS), max_size=16),
)
def test_every_cent_is_explained_whatever_happens(database, ways, script, steps):
    life = Life(ways=ways, script=script)

    try:
        life.tick()
        for step in steps:
            getattr(life, step)()
        life.comes_to_rest()
    finally:
        life.ends()

    assert problems_of(life) == []


def problems_of(life):
    """Return all that is wrong in a company at rest, in words."""
    feeds = list(AuditFeed.objects.filter(company=life.company))
    attempts = list(Transaction.objects.filter(company=life.company))
    events = list(AuditEvent.objects.filter(company_id=life.company.pk).order_by("trail_id", "seq"))
    return [
        *doubles(life, attempts),
        *sums(life, feeds, attempts, events),
        *chains(life, events),
        *counters(life, feeds, events),
    ]


def doubles(life, attempts):
    success = Counter(
        each.feed_id
        for each in attempts
        if each.state == "succeeded" and each.kind in {"debit", "credit"}
    )
    live = Counter(
        each.feed_id for each in attempts if each.state in LIVE and each.kind in {"debit", "credit"}
    )
    keys = Counter(receipt.key for receipt in life.memory.ledger)
    for what, counted in (("success", success), ("live", live), ("object", keys)):
        yield from (f"{what} twice: {name}" for name, count in counted.items() if count > 1)
    yield from (f"no answer: {each}" for each in attempts if each.state in {"intent", "unknown"})


def sums(life, feeds, attempts, events):
    yield from (problem for feed in feeds for problem in sums_of(feed, attempts, events))
    ours, theirs = Counter(), Counter()
    for feed in feeds:
        back = Kind.REFUND if feed.direction == "debit" else Kind.REVERSAL
        ours[Kind(feed.direction)] += feed.captured - feed.returned
        ours[back] += feed.refunded
    parked = {each.key for each in attempts if each.state == "parked"}
    for receipt in life.memory.ledger:
        if receipt.status is Status.SUCCEEDED and receipt.key not in parked:
            theirs[receipt.kind] += receipt.amount
    if +ours != +theirs:
        yield f"money: {+ours} here, {+theirs} there"
    moved = sum(event.moved or 0 for event in events)
    into = ours[Kind.DEBIT] + ours[Kind.REVERSAL] - ours[Kind.CREDIT] - ours[Kind.REFUND]
    if moved != into:
        yield f"events moved {moved}, feeds {into}"


def sums_of(feed, attempts, events):
    told = sum(event.amount for event in events if event.feed_id == feed.pk)
    live = sum(
        each.amount
        for each in attempts
        if each.feed_id == feed.pk and each.state in LIVE and each.kind == feed.direction
    )
    if (feed.total, feed.live) != (told, live):
        yield f"feed {feed.occurrence}: {feed.total} {told}, {feed.live} {live}"
    if (feed.state == "settled") != (feed.owed == 0 and feed.state != "draft"):
        yield f"feed {feed.occurrence} is {feed.state} and owes {feed.owed}"


def chains(life, events):
    heads = {}
    for event in events:
        seq, prev = heads.get(event.trail_id, (0, b""))
        fact = Fact(
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
        hashed = digest(prev=prev, seq=seq + 1, at=event.at, fact=fact)
        if (event.seq, bytes(event.prev), bytes(event.hash)) != (seq + 1, prev, hashed):
            yield f"the chain is broken at {event.kind} #{event.seq}"
        heads[event.trail_id] = (event.seq, hashed)
    for trail in AuditTrail.objects.filter(company_id=life.company.pk):
        if (trail.head_seq, bytes(trail.head_hash)) != heads[trail.pk]:
            yield f"the head of {trail} is not its last event"


def counters(life, feeds, events):
    for series in ("INV", "PAY"):
        numbers = sorted(feed.number for feed in feeds if feed.series == series)
        if numbers != [*range(1, len(numbers) + 1)]:
            yield f"numbers: {numbers}"
    for scheduler in Scheduler.objects.filter(company=life.company):
        opened = {feed.occurrence for feed in feeds if feed.trail_id == scheduler.pk}
        for event in events:
            if event.trail_id == scheduler.pk and event.kind == "occurrences.skipped":
                opened |= set(range(event.body["from"], event.body["to"] + 1))
        if opened != set(range(scheduler.occurrence)):
            yield f"{scheduler}: {sorted(opened)} of {scheduler.occurrence}"
