"""What grows: the tick with what is idle, the cycle with what is due and with what is past.

One database for each number of schedulers. Asked a day before anything is due, all of them are
idle; asked a day after, all of them are due.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from billy.bench import cases, children
from billy.bench.measure import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billy.bench.database import Server

COPIED_UP_TO: Final = 10_000  # Beyond it a run changes a small part only, and is not given a copy.
TICKS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was measured at one size; `past` invoices were there before."""

    schedulers: int
    past: int
    values: Sequence[float]

    @property
    def middle(self) -> float:
        """Return the median of the runs."""
        return median(self.values)

    def told(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "schedulers": self.schedulers,
            "past_invoices": self.past,
            "min": min(self.values),
            "median": self.middle,
            "max": max(self.values),
            "values": list(self.values),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A prepared database: so many schedulers, and as many invoices before them or none."""

    schedulers: int
    past: int = 0

    def __str__(self) -> str:
        past = f", {self.past:,} past invoices" if self.past else ""
        return f"{self.schedulers:,} schedulers{past}"

    @property
    def name(self) -> str:
        """Return the name of its database."""
        return f"ground_{self.schedulers}{'_past' if self.past else ''}"

    def prepare(self, server: Server) -> None:
        """Make it."""
        url = server.make(self.name)
        children.ask("migrate", url=url)
        children.ask(
            "prepare",
            url=url,
            count=self.schedulers,
            past=bool(self.past),
            environment=cases.WITHOUT_LIMIT,
        )

    def tick_ms(self, server: Server) -> float:
        """Return the milliseconds of a tick that finds nothing due: the median of many."""
        told = children.ask("tick_while_idle", url=server.url_of(self.name), times=TICKS)
        return float(told)

    def cycles_a_second(self, server: Server, *, cycles: int) -> float:
        """Return how fast a part of what is due is worked off, however much more there is."""
        if self.schedulers <= COPIED_UP_TO:
            with server.copy(self.name) as url:
                return self._drained(url, cycles=cycles).rate
        rate = self._drained(server.url_of(self.name), cycles=cycles).rate
        children.ask("tidy", url=server.url_of(self.name), environment=cases.WITHOUT_LIMIT)
        return rate

    def _drained(self, url: str, *, cycles: int) -> Sample:
        wanted = min(cycles, self.schedulers * 9 // 10)  # What is left warms the process up.
        told = children.ask("drain", url=url, cycles=wanted, past=bool(self.past))
        return Sample(**told)

    def memory(self, server: Server) -> list[tuple[int, float]]:
        """Return (cycles done, MB held) of one worker that works off everything."""
        with server.copy(self.name) as url:
            found = children.ask("drain_and_weigh", url=url)
            return [(int(cycles), float(megabytes)) for cycles, megabytes in found]


def measure(
    grounds: Sequence[Ground],
    run: Callable[[Ground], float],
    *,
    runs: int,
    told: Callable[[Ground, float], None],
) -> list[Point]:
    """Measure each ground so often, in turns."""
    values: dict[str, list[float]] = {ground.name: [] for ground in grounds}
    for _ in range(runs):
        for ground in grounds:
            value = run(ground)
            values[ground.name].append(value)
            told(ground, value)
    return [
        Point(schedulers=each.schedulers, past=each.past, values=values[each.name])
        for each in grounds
    ]
