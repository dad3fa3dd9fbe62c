"""The enumerator can fail: engines that are broken, each at an edge, and what it says of them."""

from dataclasses import replace
from itertools import count

import pytest

from accounts.models import Company
from accounts.open import account_of
from processors.base import Receipt, Status
from schedulers import begin, claim, cycle, limits, occurrences
from schedulers.cycle import Report
from tasks.carry import evidence
from tests.crash.backend import base
from tests.crash.edge import Edge
from tests.crash.scenarios import SCENARIOS
from tests.crash.telling import Teller

pytestmark = pytest.mark.crash

SUCCESS, *_ = SCENARIOS


def found(stage, *, at, scenario=SUCCESS):
    """Crash on both sides of the boundaries whose name holds one of these words; what is wrong?"""
    teller = Teller(stage, scenario)
    assert teller.account.wrong == [], "it must be broken by crashes alone"
    teller.singles(only=at)
    teller.ends()
    return "\n".join(teller.account.wrong)


class FreshKeys(Edge):
    """Each send has a key of its own, so a second send is a second order."""

    numbers = count(1)

    def submit(self, order):
        return super().submit(replace(order, key=f"{order.key}{next(self.numbers)}"))


class KeptOnce(FreshKeys):
    """The same, for an engine that remembers its key on the first send only."""

    def submit(self, order):
        return Edge.submit(self, order) if self.first(order) else super().submit(order)

    def first(self, order):
        known = self.__dict__.setdefault("known", set())
        return order.key not in known and not known.add(order.key)


class AbsentIsNo(Edge):
    """A look that finds nothing is taken for a decline."""

    def find(self, order):
        return super().find(order) or Receipt(
            kind=order.kind,
            uri=f"/debits/WD{order.key}",
            status=Status.FAILED,
            amount=order.amount,
            currency=order.currency,
            key=order.key,
        )


def no_sweep(*, now):
    """What was cut off stays so."""
    del now
    return Report()


def pays_first(*, now):
    """Call the processor, and only then write down what was meant: T1 commits after the call."""
    processor, within = limits.processor(), limits.from_settings()
    companies = claim.work(now=now).companies
    dues = claim.due(companies, now=now, limit=within.batch_size)
    answers = {}
    for due in dues:
        timer = due.timer()
        decision = occurrences.decide(due, timer, now=now)
        (feed,) = occurrences.build(decision, timer, {}).feeds
        held = feed.attempt(lease_token=None, now=now)
        account = account_of(Company.objects.get(pk=due.company_id))
        answers[held.key] = processor.submit(held.order(account))
    opened = begin.begin(now=now, limits=within).held
    results = [(held, evidence(held.job(None), answers[held.key])) for held in opened]
    return Report(settled=tuple(cycle.settle(results, now=now, limits=within)))


class Torn(base.Connection):
    """Each transaction is torn in two after its first statement that writes."""

    def cursor(self, *arguments, **options):
        return super().cursor(*arguments, **({"cursor_factory": TornCursor} | options))


class TornCursor(base.Cursor):
    def execute(self, query, variables=None):
        super().execute(query, variables)
        torn = self.connection.process is not None and not self.connection.autocommit
        if torn and base.name_of(query) == "UPDATE scheduler":
            self.connection.commit()


def test_fresh_keys_are_found(stage):
    wrong = found(stage(KeptOnce()), at=("HTTP",))

    assert "belongs to no attempt" in wrong
    assert "[success] --crash-at " in wrong


def test_an_absent_order_that_is_taken_for_a_no_is_found(stage):
    wrong = found(stage(AbsentIsNo()), at=("HTTP send", "INSERT auditfeed", "COMMIT"))

    assert "is declined, and the processor says" in wrong


def test_a_missing_sweep_is_found(stage):
    wrong = found(stage(Edge(), sweep=no_sweep), at=("HTTP",))

    assert "is left intent" in wrong


def test_an_engine_that_pays_before_it_writes_is_found(stage):
    wrong = found(stage(Edge(hide_keys=True), tick=pays_first), at=("HTTP", "COMMIT"))

    assert "2 objects under one key" in wrong
    assert "was paid 2 times" in wrong


def test_a_transaction_that_is_torn_in_two_is_found(stage):
    base.DatabaseWrapper.factory = Torn
    try:
        wrong = found(stage("memory"), at=("INSERT auditevent", "INSERT transaction"))
    finally:
        base.DatabaseWrapper.factory = base.Connection

    assert "opened [] of 1" in wrong


def test_a_boundary_that_was_not_crashed_at_is_told(stage):
    teller = Teller(stage("memory"), SUCCESS)

    teller.singles(only=("HTTP",))

    assert {"COMMIT", "UPDATE transaction"} <= {each.name for each in teller.account.missed}
    assert not any("HTTP" in each.name for each in teller.account.missed)
