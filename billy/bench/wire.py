"""Billy through HTTP, against the sandbox: as fast as it goes, and where each answer takes 200 ms.

The sandbox is a process of its own. Each run has a fresh one, which goes on from a copy of a ledger
with nothing but the cards in it: otherwise the keys of a second run would be known there already,
and its answers no more than repeated.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from billy.bench import cases, children
from billy.bench.measure import Sample
from billy.demo.children import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billy.bench.database import Server

STAGE: Final = "wire"
LATENCY_SECONDS: Final = 0.2
DESKS: Final = 4  # So many enter cards at once.


@contextmanager
def staged(server: Server, sizes: cases.Sizes) -> Iterator[Path]:
    """Prepare a database and a ledger that know the same cards; yields the ledger."""
    with TemporaryDirectory(prefix="billy-bench-") as folder:
        ledger = Path(folder, "cards.jsonl")
        url = server.make(STAGE)
        children.ask("migrate", url=url)
        count = max(sizes.wire_cycles, *sizes.waiting_cycles.values()) + cases.SPARE
        with _sandbox(ledger) as address:
            children.ask(
                "prepare_wire",
                url=url,
                count=count,
                address=address,
                environment=cases.WITHOUT_LIMIT,
            )
        yield ledger
        server.drop(STAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireCase:
    """One way to talk to the sandbox: so many calls at once, answered so late."""

    key: str
    title: str
    at_once: int
    latency_seconds: float

    def run(self, server: Server, ledger: Path, *, cycles: int) -> Sample:
        """Make a run and return what it cost the worker; the sandbox's own cost is not in it."""
        faults: dict[str, Any] = {}
        if self.latency_seconds:
            faults = {"slow": {"seconds": self.latency_seconds}}
        copied = ledger.with_name("run.jsonl")
        shutil.copyfile(ledger, copied)
        with server.copy(STAGE) as url, _sandbox(copied, faults=faults) as address:
            told = children.ask(
                "by_wire",
                url=url,
                address=address,
                cycles=cycles,
                environment={"BILLY_CALLS_AT_ONCE": str(self.at_once)},
            )
        return Sample(**told)

    @property
    def ideal(self) -> float:
        """Return the cycles per second that so many calls at once allow at the most."""
        return self.at_once / self.latency_seconds


FAST = WireCase(key="d", title="Billy through HTTP", at_once=32, latency_seconds=0)


def waiting(at_once: int) -> WireCase:
    """Return the case of so many calls at once, each answered late."""
    return WireCase(
        key=f"d{at_once}",
        title=f"HTTP, 200 ms, {at_once} at once",
        at_once=at_once,
        latency_seconds=LATENCY_SECONDS,
    )


@contextmanager
def _sandbox(ledger: Path, *, faults: dict[str, Any] | None = None) -> Iterator[str]:
    """Start a sandbox on a ledger; yields its address."""
    options = ["--port", "0", "--ledger", str(ledger)]
    if faults:
        options += ["--faults", json.dumps(faults)]
    with sandbox(*options) as started:
        yield started.wait_ready().split()[-1]


def enter_cards(count: int, enter: Any) -> list[str]:
    """Enter so many cards, a few at a time; returns their uris."""
    with ThreadPoolExecutor(max_workers=DESKS) as desks:
        return list(desks.map(partial(_entered, enter), range(count)))


def _entered(enter: Any, number: int) -> str:
    return str(enter(name=f"Customer {number}"))
