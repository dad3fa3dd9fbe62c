"""Tell a scenario again and again: once for each boundary and side, and with two crashes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from tests.crash.boundaries import SIDES, Point
from tests.crash.invariants import problems
from tests.crash.stage import Run

TRIES = 4  # A flush that a slow machine cut in two moves the boundaries after it.


@dataclass(kw_only=True)
class Account:
    """What was found, covered and wrong."""

    scenario: str
    names: list[str] = field(default_factory=list)
    covered: set[tuple[int, str]] = field(default_factory=set)
    doubles: int = 0
    in_recovery: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    @property
    def missed(self):
        """Return the boundaries that were found and not crossed by a crash on both sides."""
        return [
            Point(number, side, name)
            for number, name in enumerate(self.names, 1)
            for side in SIDES
            if (number, side) not in self.covered
        ]


class Teller:
    """Tells one scenario on one stage, and keeps the account."""

    def __init__(self, stage, scenario):
        self.stage = stage
        self.scenario = scenario
        self.account = Account(scenario=scenario.name)
        self.recoveries = {}
        self._told()  # What a process looks up once in its life is looked up here.
        whole = self._told()
        self.account.names = whole.watch.names
        self.end = outcome(whole)

    def singles(self):
        """Die once at every boundary, on either side of it."""
        for number, name in enumerate(self.account.names, 1):
            for side in SIDES:
                self._single(Point(number, side, name))

    def _single(self, point):
        for _ in range(TRIES):
            run = self._told(point)
            if [str(each) for each in run.watch.struck] == [str(point)]:
                self.account.covered.add((point.number, point.side))
                self.recoveries[point] = range(point.number + 1, run.recovered_at + 1)
                return

    def doubles(self, count, *, seed):
        """Die twice so many times: the second time while others recover from the first."""
        chance = random.Random(f"{seed}/{self.scenario.name}")
        points = [point for point, recovery in self.recoveries.items() if recovery]
        while self.account.doubles < count:
            first = chance.choice(points)
            second = Point(chance.choice(self.recoveries[first]), chance.choice(SIDES))
            run = self._told(first, second)
            if len(run.watch.struck) > 1:
                self.account.doubles += 1
                self.account.in_recovery.add(run.watch.struck[1].name)

    def _told(self, *crashes):
        """Tell it once, and look at everything."""
        run = Run(self.stage, self.scenario, crashes).play()
        wrong = problems(run)
        if crashes and not wrong and (end := outcome(run)) != self.end:
            odd = self.scenario.ends_well
            if odd is None or not odd(run):
                wrong = [f"it ends as {end}, undisturbed as {self.end}"]
        if wrong:
            struck = ",".join(map(str, run.watch.struck)) or "no crash"
            self.account.wrong += [f"{self.scenario.name}, {struck}: {each}" for each in wrong]
        return run


def outcome(run):
    """Return how a run ended, in values that are the same for the same end."""
    names = {each.pk: place for place, each in enumerate(run.customers)}
    feeds = {feed.pk: feed for feed in run.feeds()}
    return {
        "invoices": sorted(
            (names[each.customer_id], str(each.occurrence), each.state, each.total, each.owed)
            for each in feeds.values()
        ),
        "attempts": sorted(
            (names[feeds[each.feed_id].customer_id], str(feeds[each.feed_id].occurrence))
            + (each.kind, each.attempt, each.state, each.amount)
            for each in run.attempts()
        ),
        "ledger": sorted(
            Counter((str(each.kind), str(each.status), each.amount) for each in run.ledger).items()
        ),
        "schedulers": sorted(
            (names[each.customer_id], each.state, each.occurrence) for each in run.of_all()
        ),
    }
