"""From runs to figures: the least, the middle and the most of each, costs a cycle, ratios."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from billy.bench.growth import Point
    from billy.bench.measure import Sample
    from billy.bench.wire import WireCase

MILLI = 1000
GROWS_FROM = 10_000  # What is due in the run that larger ones are compared with.
KILOBYTE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the runs of one case came to; costs are medians over the runs, for each cycle."""

    key: str
    title: str
    samples: Sequence[Sample]

    @property
    def rates(self) -> tuple[float, float, float]:
        """Return cycles per second: the least, the median and the most."""
        rates = [sample.rate for sample in self.samples]
        return min(rates), median(rates), max(rates)

    def each(self, cost: Callable[[Sample], float]) -> float:
        """Return the median over the runs of a cost for each cycle."""
        return median(cost(sample) / sample.cycles for sample in self.samples)

    @property
    def statements(self) -> float:
        """Return SQL statements for each cycle."""
        return self.each(lambda sample: sample.statements)

    @property
    def commits(self) -> float:
        """Return commits for each cycle."""
        return self.each(lambda sample: sample.commits)

    @property
    def rows(self) -> float:
        """Return rows inserted or updated for each cycle."""
        return self.each(lambda sample: sample.rows)

    @property
    def cpu_ms(self) -> float:
        """Return the client's processor time for each cycle, in milliseconds."""
        return self.each(lambda sample: sample.cpu_seconds * MILLI)

    @property
    def wal_kb(self) -> float:
        """Return the WAL of each cycle, in units of 1024 bytes."""
        return self.each(lambda sample: sample.wal_bytes / KILOBYTE)

    @property
    def peak_mb(self) -> float:
        """Return the most memory that any run took, in MB."""
        return max(sample.peak_mb for sample in self.samples)

    def told(self) -> dict[str, Any]:
        """Return it as JSON values, with the runs that it came from."""
        least, middle, most = self.rates
        return {
            "title": self.title,
            "cycles_per_second": {"min": least, "median": middle, "max": most},
            "statements_per_cycle": self.statements,
            "commits_per_cycle": self.commits,
            "rows_per_cycle": self.rows,
            "client_cpu_ms_per_cycle": self.cpu_ms,
            "wal_kb_per_cycle": self.wal_kb,
            "peak_memory_mb": self.peak_mb,
            "runs": [sample.told() for sample in self.samples],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A promise: what was measured, and the bar that it must reach (or stay below)."""

    name: str
    value: float
    bar: float
    at_least: bool
    unit: str = ""
    spread: tuple[float, float] | None = None

    @property
    def reached(self) -> bool:
        """Return whether the promise is kept."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def told(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "bar": self.bar,
            "at_least": self.at_least,
            "reached": self.reached,
            "spread": self.spread,
        }


@dataclass(slots=True, kw_only=True)
class Book:
    """Everything that one run of the benchmark has found out."""

    about: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Figures] = field(default_factory=dict)
    ratios: list[Ratio] = field(default_factory=list)
    ticks: list[Point] = field(default_factory=list)
    growth: list[Point] = field(default_factory=list)
    # (cycles done, MB held) of a worker, by the number of schedulers that it works off.
    weights: dict[int, list[tuple[int, float]]] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            **self.about,
            "cases": {key: each.told() for key, each in self.figures.items()},
            "tick_ms_while_idle": [each.told() for each in self.ticks],
            "cycles_per_second_by_due": [each.told() for each in self.growth],
            "memory_mb_by_cycles": {str(due): found for due, found in self.weights.items()},
            "promises": [each.told() for each in self.ratios],
        }


def side_by_side(figures: dict[str, Figures]) -> Iterable[Ratio]:
    """Yield the promises about cases (a) to (e), as far as those were run."""
    for name, above, below, bar in (
        ("b / a   Billy beside the limit", "b", "a", 0.40),
        ("b / e   Billy beside a plain loop", "b", "e", 12.0),
        ("c / b   two processes beside one", "c", "b", 1.4),
    ):
        if above in figures and below in figures:
            yield _paired(name, figures[above], figures[below], bar=bar)
    if "b" in figures:
        billy = figures["b"]
        for name, value, bar, unit in (
            ("b       SQL statements a cycle", billy.statements, 0.05, ""),
            ("b       commits a cycle", billy.commits, 0.01, ""),
            ("b       client CPU a cycle", billy.cpu_ms, 0.30, "ms"),
            ("b       WAL a cycle", billy.wal_kb, 6.0, "KB"),
        ):
            yield Ratio(name=name, value=value, bar=bar, at_least=False, unit=unit)


def _paired(name: str, above: Figures, below: Figures, *, bar: float) -> Ratio:
    """Return the median over the rounds: noise that lasts for a round hits both of a pair."""
    pairs = zip(above.samples, below.samples, strict=True)
    ratios = [one.rate / other.rate for one, other in pairs]
    spread = (min(ratios), max(ratios))
    return Ratio(name=name, value=median(ratios), bar=bar, at_least=True, spread=spread)


def waited(figures: Figures, case: WireCase) -> Ratio:
    """Return how near a slow processor's answers are used as well as they can be."""
    ratios = [sample.rate / case.ideal for sample in figures.samples]
    return Ratio(
        name=f"{case.key:<8}of {case.at_once} ÷ {case.latency_seconds:g} s",
        value=median(ratios),
        bar=0.85,
        at_least=True,
        spread=(min(ratios), max(ratios)),
    )


def ticked(ticks: Sequence[Point]) -> Iterable[Ratio]:
    """Yield what a tick costs among the most schedulers, beside one among the fewest."""
    some = [each for each in ticks if each.schedulers]
    if len(some) > 1:
        name = f"f       tick over {some[-1].schedulers:,} ÷ {some[0].schedulers:,}"
        yield _grown(name, some[-1], some[0], bar=1.5, at_least=False)


def grown(growth: Sequence[Point]) -> Iterable[Ratio]:
    """Yield how much of the speed is left where there is more due, and more past."""
    base = next((each for each in growth if each.schedulers >= GROWS_FROM), None)
    for each in growth:
        if base is not None and each.schedulers > base.schedulers:
            past = " + past" if each.past else ""
            name = f"g       {each.schedulers:,} due{past} ÷ {base.schedulers:,}"
            yield _grown(name, each, base, bar=0.8, at_least=True)


def weighed(weights: dict[int, list[tuple[int, float]]]) -> Iterable[Ratio]:
    """Yield what a worker's memory grows by, and its peak."""
    peaks = [found[-1][1] for _, found in sorted(weights.items())]
    if len(peaks) > 1:
        few, many = min(weights), max(weights)
        name = f"g       memory, {few:,} to {many:,} due"
        yield Ratio(name=name, value=peaks[-1] - peaks[0], bar=20, at_least=False, unit="MB")
    if peaks:
        yield Ratio(
            name="g       a worker's memory", value=max(peaks), bar=200, at_least=False, unit="MB"
        )


def _grown(name: str, one: Point, other: Point, *, bar: float, at_least: bool) -> Ratio:
    ratios = [mine / its for mine, its in zip(one.values, other.values, strict=True)]
    spread = (min(ratios), max(ratios))
    return Ratio(name=name, value=median(ratios), bar=bar, at_least=at_least, spread=spread)
