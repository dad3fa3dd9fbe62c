"""What was tried: variants of one thing, side by side, so that its figures can be printed again.

Each experiment is a question with a few variants; each variant is a run in a process of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from billy.bench import cases, children
from billy.bench.measure import Sample
from billy.demo.children import sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from billy.bench.database import Server

    Run = Callable[[Server], Sample]

ROWS: Final = 10_000
CYCLES: Final = 4_000
CALLS: Final = 2_000
TEXTS: Final = 100_000
RUNS: Final = 3
INDEXES: Final = (
    "nothing",
    "foreign keys",
    "event_seq_once",
    "event_fact_once",
    "event_by_feed",
    "feed_occurrence_once",
    "feed_period_once",
    "feed_number_once",
    "feed_by_customer",
    "transaction_attempt_once",
    "transaction_key_once",
    "transaction_remote_once",
    "transaction_one_live",
)
KILOBYTE, MILLI = 1024, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A question, what is counted, and its variants by their names."""

    question: str
    counted: str
    variants: dict[str, Run]

    def lines(self, server: Server, *, runs: int = RUNS) -> Iterator[str]:
        """Run all variants in turns; yield a table of medians."""
        samples: dict[str, list[Sample]] = {name: [] for name in self.variants}
        for _ in range(runs):
            for name, run in self.variants.items():
                samples[name].append(run(server))
        title = f"{self.question} ({self.counted})"
        yield f"{title:<44}{'a second':>12}{'CPU ms':>12}{'WAL KB':>12}"
        yield "-" * 80
        for name, found in samples.items():
            yield _line(name, found)
        yield ""


def _line(name: str, found: Sequence[Sample]) -> str:
    rate = median(each.rate for each in found)
    cpu = median(each.cpu_seconds * MILLI / each.cycles for each in found)
    wal = median(each.wal_bytes / KILOBYTE / each.cycles for each in found)
    return f"  {name:<42}{rate:>12,.0f}{cpu:>12.4f}{wal:>12.2f}"


def _asked(do: str, **told: Any) -> Run:
    """Return a run on a fresh copy of the stage."""

    def run(server: Server) -> Sample:
        with server.copy(cases.STAGE) as url:
            return Sample(**children.ask(do, url=url, **told))

    return run


def _together(times: int) -> Run:
    """Return a run of so many processes that share the work."""

    def run(server: Server) -> Sample:
        with server.copy(cases.STAGE) as url:
            told = children.ask_at_once("by_billy", url=url, times=times)
            return reduce(Sample.and_beside, [Sample(**each) for each in told])

    return run


def _called(*, keep: bool) -> Run:
    """Return a run of requests to a sandbox."""

    def run(server: Server) -> Sample:
        with sandbox("--port", "0") as started, server.copy(cases.STAGE) as url:
            address = started.wait_ready().split()[-1]
            told = children.ask("call_sandbox", url=url, address=address, keep=keep, cycles=CALLS)
            return Sample(**told)

    return run


ALL: Final = (
    Experiment(
        question="How rows are told",
        counted="events, 500 at a time",
        variants={
            "INSERT ... SELECT FROM unnest": _asked("write_events", way="unnest", cycles=ROWS),
            "INSERT ... VALUES, many rows": _asked("write_events", way="values", cycles=ROWS),
            "COPY": _asked("write_events", way="copy", cycles=ROWS),
        },
    ),
    Experiment(
        question="How many in a batch",
        counted="cycles of Billy",
        variants={
            str(size): _asked("by_billy", cycles=CYCLES, batch_size=size)
            for size in (50, 100, 200, 500, 1000, 2000)
        },
    ),
    Experiment(
        question="How many in a batch",
        counted="cycles of SQL alone",
        variants={
            str(size): _asked("by_limit", cycles=CYCLES, batch_size=size, check=False)
            for size in (50, 100, 200, 500, 1000, 2000)
        },
    ),
    Experiment(
        question="How a body becomes text",
        counted="bodies",
        variants={
            way: _asked("encode", way=way, cycles=TEXTS)
            for way in ("canonical", "encoder", "by hand")
        },
    ),
    Experiment(
        question="What a body is kept as",
        counted="rows",
        variants={
            kind: _asked("store_bodies", kind=kind, cycles=ROWS) for kind in ("jsonb", "text")
        },
    ),
    Experiment(
        question="What an index costs",
        counted="cycles of SQL alone",
        variants={
            f"without {index}": _asked("limit_without", index=index, cycles=CYCLES)
            for index in INDEXES
        },
    ),
    Experiment(
        question="HTTP connections",
        counted="requests",
        variants={
            "kept": _called(keep=True),
            "a new one each": _called(keep=False),
        },
    ),
    Experiment(
        question="Threads, processor answers at once",
        counted="cycles",
        variants={
            f"{threads} threads": _asked("by_billy", cycles=CYCLES, calls_at_once=threads)
            for threads in (1, 8, 32, 100)
        },
    ),
    Experiment(
        question="Processes, processor answers at once",
        counted="cycles",
        variants={f"{count} processes": _together(count) for count in (1, 2, 3)},
    ),
)


def planning(server: Server) -> Iterator[str]:
    """Yield what prepared statements could save: the time that goes into plans."""
    with server.copy(cases.STAGE) as url:
        told = [children.ask("plan_limit", url=url, cycles=0) for _ in range(RUNS)]
    plan, work = (median(each[name] for each in told) for name in ("planning", "executing"))
    yield f"Planning the limit's first statement: {plan:.1f} ms, executing it: {work:.1f} ms"
    yield f"  A prepared one would save at most {plan / (plan + work):.0%} of it."
