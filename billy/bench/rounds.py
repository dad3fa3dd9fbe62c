"""Run what was asked for, in turns, and gather the figures.

The runs of a group are interleaved (a b e, a b e, …): whatever else the machine does hits all of
them alike, and a ratio compares what ran within the same minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billy.bench import cases, growth, wire
from billy.bench.figures import (
    Book,
    Figures,
    grown,
    side_by_side,
    ticked,
    waited,
    weighed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from billy.bench.database import Server
    from billy.bench.measure import Sample

    Say = Callable[[str], None]

KEYS = (*(case.key for case in cases.SIDE_BY_SIDE), "d", "f", "g")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """One run of the benchmark: on which server, how much, which cases; `say` tells progress."""

    server: Server
    sizes: cases.Sizes
    only: Collection[str]
    book: Book
    say: Say

    def run(self) -> None:
        """Measure everything that was asked for."""
        wanted = [case for case in cases.SIDE_BY_SIDE if case.key in self.only]
        if wanted:
            self._side_by_side(wanted)
        if "d" in self.only:
            self._wire()
        if {"f", "g"} & set(self.only):
            self._growth()

    def _side_by_side(self, wanted: Sequence[cases.Case]) -> None:
        self.say(f"setting the stage: {self.sizes.schedulers:,} schedulers")
        cases.set_stage(self.server, self.sizes)
        samples: dict[str, list[Sample]] = {case.key: [] for case in wanted}
        for number in range(self.sizes.runs):
            for case in wanted:
                sample = case.run(self.server, self.sizes)
                samples[case.key].append(sample)
                self._say_rate(number, case.key, case.title, sample)
        self.server.drop(cases.STAGE)
        found = {
            case.key: Figures(key=case.key, title=case.title, samples=samples[case.key])
            for case in wanted
        }
        self.book.figures |= found
        self.book.ratios += side_by_side(found)

    def _wire(self) -> None:
        self.say("setting the stage: cards at the sandbox")
        with wire.staged(self.server, self.sizes) as ledger:
            self._waiting(ledger)

    def _waiting(self, ledger: Path) -> None:
        slow = [wire.waiting(at_once) for at_once in self.sizes.waiting_cycles]
        wanted = (wire.FAST, *slow)
        counts = (self.sizes.wire_cycles, *self.sizes.waiting_cycles.values())
        samples: dict[str, list[Sample]] = {case.key: [] for case in wanted}
        for number in range(self.sizes.runs):
            for case, count in zip(wanted, counts, strict=True):
                sample = case.run(self.server, ledger, cycles=count)
                samples[case.key].append(sample)
                self._say_rate(number, case.key, case.title, sample)
        for case in wanted:
            self.book.figures[case.key] = Figures(
                key=case.key, title=case.title, samples=samples[case.key]
            )
        self.book.ratios += [waited(self.book.figures[case.key], case) for case in slow]

    def _growth(self) -> None:
        sizes = self.sizes
        grounds = {count: growth.Ground(schedulers=count) for count in (*sizes.idle, *sizes.due)}
        past = [growth.Ground(schedulers=count, past=count) for count in sizes.past]
        idle = [grounds[count] for count in sizes.idle] if "f" in self.only else []
        due = [*(grounds[count] for count in sizes.due), *past] if "g" in self.only else []
        for ground in dict.fromkeys([*idle, *due]):
            self.say(f"setting the stage: {ground}")
            ground.prepare(self.server)
        if idle:
            self._ticks(idle)
        if due:
            self._cycles(due)
            self._weights([grounds[count] for count in sizes.weighed if count in grounds])
        for ground in dict.fromkeys([*idle, *due]):
            self.server.drop(ground.name)

    def _ticks(self, idle: Sequence[growth.Ground]) -> None:
        self.book.ticks = growth.measure(
            idle,
            lambda ground: ground.tick_ms(self.server),
            runs=self.sizes.runs,
            told=lambda ground, value: self.say(f"f  {ground}: {value:.2f} ms a tick, idle"),
        )
        self.book.ratios += ticked(self.book.ticks)

    def _cycles(self, due: Sequence[growth.Ground]) -> None:
        self.book.growth = growth.measure(
            due,
            lambda ground: ground.cycles_a_second(self.server, cycles=self.sizes.cycles),
            runs=self.sizes.runs,
            told=lambda ground, value: self.say(f"g  {ground}: {value:,.0f} cycles a second, due"),
        )
        self.book.ratios += grown(self.book.growth)

    def _weights(self, grounds: Sequence[growth.Ground]) -> None:
        for ground in grounds:
            self.book.weights[ground.schedulers] = ground.memory(self.server)
            self.say(
                f"g  {ground}: {self.book.weights[ground.schedulers][-1][1]:.0f} MB at the most"
            )
        self.book.ratios += weighed(self.book.weights)

    def _say_rate(self, number: int, key: str, title: str, sample: Sample) -> None:
        self.say(
            f"run {number + 1} of {self.sizes.runs}  {key:<5}{title:<25}"
            f"{sample.rate:>8,.0f} cycles a second"
        )
