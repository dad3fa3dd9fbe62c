"""The stage of a scenario: a company, people by the dozen, processes that may die, and time.

Every run has people and schedulers of its own, and ends with all of them at rest for good, so that
hundreds of runs share one database and one company without meeting each other.
"""

from __future__ import annotations

from collections import defaultdict, deque
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import processors
from accounts.enroll import enroll
from accounts.models import Customer, FundingInstrument
from billy import passes
from conftest import change, subscribe
from core.ids import uuid7
from invoices.models import AuditFeed, Transaction
from invoices.states import LEASED
from plans.models import Payout, Plan
from tests.crash import edge as edges
from tests.crash.boundaries import MACHINE, Process, Watch

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
DOZENS = 60  # People are made in sets: one by one they would cost more than the runs.
MOST_PASSES = 30
MOST_LOOKS = 8  # More than a processor of class L is asked before a person is.
WORKER, PERSON, ASIDE = "worker", "person", "a person meanwhile"


class Stage:
    """Where the runs of one scenario are played; close it."""

    def __init__(self, *, edge, tick=passes.one_pass, sweep=passes.one_sweep):
        self.edge = edge
        self.tick = tick
        self.sweep = sweep
        self.company, _ = enroll(name="Stage", account=edge.account, processor=edge, now=START)
        self.processes = {}
        self._offers = {}
        self._people = defaultdict(deque)
        edges.EDGES.append(self.edge)
        processors.load.cache_clear()

    def close(self):
        """Let go of every connection and of the processor."""
        for process in self.processes.values():
            process.close()
        self.edge.close()
        edges.EDGES.remove(self.edge)
        processors.load.cache_clear()

    # -- the cast -------------------------------------------------------------------------------

    def offer(self, *, amount=100, payout=False, **terms):
        """Return a monthly plan or payout; the same terms give the same offer."""
        name = (amount, payout, *sorted(terms.items()))
        if name not in self._offers:
            self._offers[name] = self.new_offer(amount=amount, payout=payout, **terms)
        return self._offers[name]

    def new_offer(self, *, amount, payout=False, **terms):
        """Return a monthly plan or payout that no other run uses."""
        kind = Payout if payout else Plan
        return kind.create(
            company=self.company, amount=amount, frequency="monthly", now=START, **terms
        )

    def person(self, kind="card"):
        """Return a new customer and an instrument of theirs."""
        if not self._people[kind]:
            self._people[kind].extend(self._dozens(kind))
        return self._people[kind].popleft()

    def instrument(self, customer, kind="card"):
        """Give a customer another instrument."""
        made = self._instrument(customer, kind)
        made.created_at += timedelta(seconds=1)
        made.save(force_insert=True)
        return made

    def _dozens(self, kind):
        customers = [
            Customer.drafted(
                name=f"{number}",
                email="",
                external_id=None,
                time_zone="",
                company=self.company,
                now=START,
            )
            for number in range(DOZENS)
        ]
        Customer.insert(customers, now=START)
        made = [self._instrument(customer, kind) for customer in customers]
        FundingInstrument.objects.bulk_create(made)
        return zip(customers, made, strict=True)

    def _instrument(self, customer, kind):
        return FundingInstrument(
            id=uuid7(now=START),
            company=self.company,
            customer=customer,
            uri=self.edge.uri(kind),
            kind=kind.replace(" ", "_"),
            label=kind,
            can_debit=True,
            can_credit=kind == "bank account",
            created_at=START,
            updated_at=START,
        )

    # -- processes ------------------------------------------------------------------------------

    @contextmanager
    def process(self, name):
        """Let a process act; one that died before is replaced by a fresh one."""
        if name not in self.processes:
            self.processes[name] = Process(MACHINE)
        with self.processes[name].running():
            yield

    def bury(self):
        """Forget the processes that died."""
        dead = [name for name, process in self.processes.items() if not process.alive]
        for name in dead:
            self.processes.pop(name).close()
        return bool(dead)


class Run:
    """One telling of a scenario, perhaps with crashes: its cast, its clock, what was found."""

    def __init__(self, stage, scenario, crashes=()):
        self.stage = stage
        self.scenario = scenario
        self.watch = MACHINE.watch = Watch(crashes)
        self.now = START
        self.customers = []
        self.instruments = []
        self.schedulers = []
        self.again = deque()  # What a person whose request died will ask for once more.
        self.recovered_at = 0  # The number of the last boundary of the first recovery.
        self.edge.begin()

    # -- the cast -------------------------------------------------------------------------------

    @property
    def edge(self):
        return self.stage.edge

    def joins(self, kind="card", *, answers=()):
        """Bring a customer in whose new orders are answered so; returns them and their means."""
        customer, instrument = self.stage.person(kind)
        self.customers.append(customer)
        self.instruments.append(instrument)
        self.edge.answers[instrument.uri].extend(answers)
        return customer, instrument

    def subscribes(self, kind="card", *, offer=None, answers=(), **terms):
        """Put a new customer on an offer for one period, or for `ends_after` of them."""
        customer, instrument = self.joins(kind, answers=answers)
        scheduler = subscribe(
            offer or self.stage.offer(),
            customer,
            instrument=instrument,
            now=self.now,
            **({"ends_after": 1, "catch_up": "each"} | terms),
        )
        self.schedulers.append(scheduler)
        return scheduler

    # -- what happens ---------------------------------------------------------------------------

    def play(self):
        """Tell the scenario to its end, with a fresh process after every crash, and come to rest.

        A step whose process died is repeated after the recovery: beat rings again, and a person
        who got no answer asks again.
        """
        self.scenario.cast(self)
        for step in self.scenario.steps:
            while not self._done(step):
                self.recover()
            while step.who == WORKER and self.edge.meanwhile:
                self.edge.meanwhile.popleft()()  # The call that it was to happen in was not made.
            if self.again:
                self.recover()
        self._come_to_rest()
        self.edge.clear()
        return self

    def _come_to_rest(self):
        """Go on until nothing is left to do and no answer is missing, however long that takes."""
        for _ in range(MOST_LOOKS):
            while self.again or not self._done(Step(WORKER, work)):
                self.recover()
            if not self.attempts().filter(state__in=LEASED).exists():
                return
            time_passes(self)

    def _done(self, step):
        """Let a process take a step; returns whether it lived to its end."""
        if step.who is None:
            step.act(self)
            return True
        try:
            with self.stage.process(step.who):
                step.act(self)
        except BaseException:
            if not self.stage.bury():
                raise
            return False
        return not self.stage.bury()

    def recover(self):
        """Let time pass, and a fresh worker finish what was cut off, through the usual doors."""
        time_passes(self)
        while not self._done(Step(WORKER, finish)):
            time_passes(self)
        while self.again:
            if self._done(Step(PERSON, self.again[0])):
                self.again.popleft()
            else:
                time_passes(self)
        if not self.recovered_at:
            self.recovered_at = len(self.watch.names)

    def person_acts(self, act):
        """Let a person act beside the worker, in a thread and a process that serve them."""
        process = self.stage.processes.setdefault(ASIDE, Process(MACHINE))
        try:
            with process.running(aside=True):
                act(self)
        except BaseException:
            if process.alive:
                raise
            self.again.append(act)
        finally:
            process.close()

    # -- what is looked at ----------------------------------------------------------------------

    @property
    def ledger(self):
        """What the processor did for this run, as it says itself."""
        return self.edge.ledger(self.instruments)

    def feeds(self):
        return AuditFeed.objects.filter(customer__in=self.customers).order_by("due_at", "id")

    def attempts(self):
        return Transaction.objects.filter(feed__customer__in=self.customers)


class Step:
    """What a process does next; where it is nobody's, it happens in the world outside."""

    def __init__(self, who, act):
        self.who = who
        self.act = act


def time_passes(run):
    """End every lease, and let every look be due."""
    run.edge.hang_up()
    change(
        "UPDATE billy_invoices_transaction SET next_look_at = clock_timestamp() - interval '1 s',"
        " lease_until = CASE WHEN lease_until IS NOT NULL"
        " THEN clock_timestamp() - interval '1 s' END"
        " WHERE company_id = %s AND state IN ('intent', 'unknown', 'pending')",
        [run.stage.company.pk],
    )


def finish(run):
    """Sweep, let come what is still on the wire, and go on with what is due."""
    run.stage.sweep(now=run.now)
    run.edge.deliver()
    run.stage.tick(now=run.now)


def work(run):
    """Make passes until there is nothing left to do."""
    for _ in range(MOST_PASSES):
        swept, ticked = run.stage.sweep(now=run.now), run.stage.tick(now=run.now)
        if not (swept.worked or ticked.worked):
            return
    message = "it never comes to rest"
    raise AssertionError(message)
