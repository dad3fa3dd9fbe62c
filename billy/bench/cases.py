"""What is compared: each case makes the same cycles in another way, on the same stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from billy.bench import children
from billy.bench.measure import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from billy.bench.database import Server

STAGE = "stage"  # The prepared database that each run is given a copy of.
WITHOUT_LIMIT = {"BILLY_STATEMENT_TIMEOUT_SECONDS": "0"}  # Setting a million rows up takes longer.


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is done in each run."""

    runs: int = 3
    cycles: int = 10_000
    plain_cycles: int = 1_000  # The plain loop costs the same each cycle, and takes its time.
    wire_cycles: int = 3_000
    waiting_cycles: dict[int, int] = field(  # By calls at once; each takes 4 s or more.
        default_factory=lambda: {32: 1_000, 100: 2_000, 200: 4_000}
    )
    idle: tuple[int, ...] = (0, 1_000, 100_000, 1_000_000)
    due: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    past: tuple[int, ...] = (1_000_000,)
    weighed: tuple[int, ...] = (10_000, 100_000)

    @property
    def schedulers(self) -> int:
        """Return how many are due on the stage: those that warm a process up as well."""
        return self.cycles + SPARE


SPARE = 500
FULL = Sizes()
QUICK = Sizes(
    cycles=2_000,
    plain_cycles=150,
    wire_cycles=1_000,
    waiting_cycles={100: 2_000},
    idle=(1_000, 20_000),
    due=(2_000, 20_000),
    past=(),
    weighed=(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to make cycles; `run` makes a run on the server and returns what it cost."""

    key: str
    title: str
    run: Callable[[Server, Sizes], Sample]


def set_stage(server: Server, sizes: Sizes) -> None:
    """Prepare the database that the runs are copies of."""
    url = server.make(STAGE)
    children.ask("migrate", url=url)
    children.ask("prepare", url=url, count=sizes.schedulers, environment=WITHOUT_LIMIT)


def _bare(server: Server, sizes: Sizes) -> Sample:
    with server.copy(STAGE) as url:
        children.ask("bare", url=url)
        return Sample(**children.ask("by_limit", url=url, cycles=sizes.cycles))


def _limit(server: Server, sizes: Sizes) -> Sample:
    with server.copy(STAGE) as url:
        return Sample(**children.ask("by_limit", url=url, cycles=sizes.cycles))


def _billy(server: Server, sizes: Sizes) -> Sample:
    with server.copy(STAGE) as url:
        return Sample(**children.ask("by_billy", url=url, cycles=sizes.cycles))


def _two(server: Server, sizes: Sizes) -> Sample:
    """Two processes share what is due until nothing is left."""
    del sizes
    with server.copy(STAGE) as url:
        told = children.ask_at_once("by_billy", url=url, times=2)
        children.ask("check", url=url)
        return reduce(Sample.and_beside, [Sample(**each) for each in told])


def _plain(server: Server, sizes: Sizes) -> Sample:
    with server.copy(STAGE) as url:
        return Sample(**children.ask("by_plain_loop", url=url, cycles=sizes.plain_cycles))


SIDE_BY_SIDE = (
    Case(key="a0", title="SQL alone, bare tables", run=_bare),
    Case(key="a", title="SQL alone: the limit", run=_limit),
    Case(key="b", title="Billy, one process", run=_billy),
    Case(key="c", title="Billy, two processes", run=_two),
    Case(key="e", title="plain Django loop", run=_plain),
)
