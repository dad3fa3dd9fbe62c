"""From runs to figures: the least, the middle and the most of each, costs a cycle, ratios."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from billy.bench.measure import Sample

MILLI = 1000
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

    def told(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            **self.about,
            "cases": {key: each.told() for key, each in self.figures.items()},
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
