"""Tell a scenario again and again: once for each boundary and side, and with two crashes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from tests.crash.boundaries import SIDES, Point
from tests.crash.invariants import books_of, problems, problems_at_the_end
from tests.crash.stage import Run

AGAIN = (
    "Again: python3 manage.py test"
    " tests/crash/test_crash.py::test_a_crash_at_any_boundary_loses_and_doubles_nothing"
)
AT_ONCE = 20  # Runs that are looked at together: to read the books of each took a quarter of all.
TRIES = 4  # A flush that a slow machine cut in two moves the boundaries after it.


@dataclass(kw_only=True)
class Account:
    """What was found, covered and wrong."""

    scenario: str
    thorough: bool = True
    names: list[str] = field(default_factory=list)
    covered: set[tuple[int, str]] = field(default_factory=set)
    doubles: int = 0
    in_recovery: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    @property
    def missed(self):
        """Return the boundaries that were found and not crossed by a crash, on either side.

        Where the scenario is not thorough, one of the sides is enough.
        """
        return [
            Point(number, side, name)
            for number, name in enumerate(self.names, 1)
            for side in SIDES
            if not {(number, each) for each in self._enough(side)} & self.covered
        ]

    def _enough(self, side):
        return (side,) if self.thorough else SIDES


class Teller:
    """Tells one scenario on one stage, and keeps the account."""

    def __init__(self, stage, scenario):
        self.stage = stage
        self.scenario = scenario
        self.account = Account(scenario=scenario.name, thorough=scenario.thorough)
        self.recoveries = {}
        self.unseen = []
        self.end = None  # How it ends undisturbed.
        self._told()  # What a process looks up once in its life is looked up here.
        self.account.names = self._told().watch.names
        self._look()

    def singles(self, *, only=("",), seed=""):
        """Die once at every boundary (or where its name holds one of these), on either side."""
        chance = random.Random(f"{seed}/{self.scenario.name}/sides")
        for number, name in enumerate(self.account.names, 1):
            sides = SIDES if self.scenario.thorough else (chance.choice(SIDES),)
            for side in sides if any(word in name for word in only) else ():
                self._single(Point(number, side, name))

    def _single(self, point):
        for _ in range(TRIES):
            run = self._told(point)
            if run.watch.struck == [point]:
                self.account.covered.add((point.number, point.side))
                self.recoveries[point] = range(point.number + 1, run.recovered_at + 1)
                return

    def ends(self):
        """Look at the last runs, and at the whole stage, once everything was told."""
        self._look()
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
        """Tell it once; it is looked at together with others."""
        run = Run(self.stage, self.scenario, crashes).play()
        self.unseen.append((run, run.ledger))
        if len(self.unseen) == AT_ONCE:
            self._look()
        return run

    def _look(self):
        """Look at everything of the runs that nobody looked at."""
        runs, self.unseen = self.unseen, []
        for (run, _), books in zip(runs, books_of(runs), strict=True):
            wrong = problems(books)
            end = outcome(books)
            if not run.watch.sides:
                self.end = self.end or end
            elif not wrong and end != self.end:
                odd = self.scenario.ends_well
                if odd is None or not odd(books):
                    wrong = [f"it ends as {end}, undisturbed as {self.end}"]
            if wrong:
                self._note(run, wrong)

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
