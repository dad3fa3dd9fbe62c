"""Tell a scenario again and again: once for each boundary and side, and with two crashes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from tests.crash.boundaries import SIDES, Point
from tests.crash.invariants import Books, problems, problems_at_the_end
from tests.crash.stage import Run

AGAIN = (
    "Again: python3 manage.py test"
    " tests/crash/test_crash.py::test_a_crash_at_any_boundary_loses_and_doubles_nothing"
)
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
        self.end = whole.end

    def singles(self, *, only=("",)):
        """Die once at every boundary (or where its name holds one of these), on either side."""
        for number, name in enumerate(self.account.names, 1):
            for side in SIDES if any(word in name for word in only) else ():
                self._single(Point(number, side, name))

    def _single(self, point):
        for _ in range(TRIES):
            run = self._told(point)
            if run.watch.struck == [point]:
                self.account.covered.add((point.number, point.side))
                self.recoveries[point] = range(point.number + 1, run.recovered_at + 1)
                return

    def ends(self):
        """Look at the whole stage, once everything was told."""
        self.account.wrong += problems_at_the_end(self.stage)

    def again(self, points):
        """Tell one run again."""
        self._told(*points)

    def doubles(self, count, *, seed):
        """Die twice so many times: the second time while others recover from the first."""
        chance = random.Random(f"{seed}/{self.scenario.name}")
        points = [point for point, recovery in self.recoveries.items() if recovery]
        for _ in range(TRIES * count):
            if self.account.doubles == count:
                return
            first = chance.choice(points)
            second = Point(chance.choice(self.recoveries[first]), chance.choice(SIDES))
            run = self._told(first, second)
            if len(run.watch.struck) > 1:
                self.account.doubles += 1
                self.account.in_recovery.add(run.watch.struck[1].name)

    def _told(self, *crashes):
        """Tell it once, and look at everything."""
        run = Run(self.stage, self.scenario, crashes).play()
        books = Books(run)
        wrong = problems(books)
        run.end = outcome(books)
        if crashes and not wrong and run.end != self.end:
            odd = self.scenario.ends_well
            if odd is None or not odd(books):
                wrong = [f"it ends as {run.end}, undisturbed as {self.end}"]
        if wrong:
            self._note(run, wrong)
        return run

    def _note(self, run, wrong):
        """Write down what is wrong, where the processes died, and how to see it again."""
        struck = run.watch.struck
        places = ", ".join(f"{each} at {each.name}" for each in struck) or "without a crash"
        points = ",".join(map(str, struck))
        again = f"{AGAIN}[{self.scenario}] --crash-at {points}" if struck else ""
        self.account.wrong += [
            f"{self.scenario.name}, {places}: {each}. {again}".rstrip() for each in wrong
        ]


def outcome(books):
    """Return how a run ended, in values that are the same for the same end."""
    names = {each.pk: place for place, each in enumerate(books.customers)}
    feeds = {feed.pk: feed for feed in books.feeds}
    return {
        "invoices": sorted(
            (names[each.customer_id], str(each.occurrence), each.state, each.total, each.owed)
            for each in books.feeds
        ),
        "attempts": sorted(
            (
                names[feeds[each.feed_id].customer_id],
                str(feeds[each.feed_id].occurrence),
                each.kind,
                each.attempt,
                each.state,
                each.amount,
            )
            for each in books.attempts
        ),
        "ledger": sorted(
            Counter(
                (str(each.kind), str(each.status), each.amount) for each in books.ledger
            ).items()
        ),
        "schedulers": sorted(
            (names[each.customer_id], each.state, each.occurrence) for each in books.schedulers
        ),
    }
