"""What a process of the benchmark can be asked to do. Takes and returns plain JSON values."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.management import call_command

from billy.bench import checked, engine, limit, plain, stage
from billy.bench.child import wait_for_the_others
from billy.bench.measure import Meter
from billy.bench.twins import Apart
from processors.memory import Memory
from schedulers.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP = 50  # So many cycles go before, unmeasured: code is loaded, plans and caches are made.


def migrate() -> None:
    """Make the tables."""
    call_command("migrate", verbosity=0, interactive=False)


def prepare(*, count: int) -> None:
    """Set the stage with so many schedulers."""
    stage.open_companies()
    stage.add_schedulers(count)
    stage.tidy()


def bare() -> None:
    """Take away what keeps the tables' promises."""
    stage.strip()
    stage.tidy()


def by_limit(*, cycles: int, batch_size: int = 500, check: bool = True) -> dict[str, Any]:
    """Measure the limit."""
    run = partial(limit.run, now=stage.DUE_AT, batch_size=batch_size)
    run(cycles=WARM_UP)
    return _measured(lambda: run(cycles=cycles), check=check)


def by_billy(*, cycles: int | None = None, wait: bool = False, **limits: Any) -> dict[str, Any]:
    """Measure Billy's cycle with the processor in memory."""
    processor = Apart() if wait else Memory()
    run = partial(engine.run, processor=processor, now=stage.DUE_AT)
    run(cycles=WARM_UP, limits=Limits(batch_size=WARM_UP))
    if wait:
        wait_for_the_others()
    work = partial(run, cycles=cycles, limits=Limits(**limits))
    return _measured(work, check=not wait)


def by_plain_loop(*, cycles: int) -> dict[str, Any]:
    """Measure the plain loop."""
    run = partial(plain.run, processor=Memory(), now=stage.DUE_AT)
    run(cycles=WARM_UP)
    return _measured(lambda: run(cycles=cycles))


def check() -> int:
    """Look at what was done; returns how many cycles it was. Raises WorkNotDone."""
    return checked.cycles_done()


def _measured(work: Callable[[], int], *, check: bool = True) -> dict[str, Any]:
    with Meter() as meter:
        meter.sample.cycles = work()
    if check:
        checked.cycles_done()
    return meter.sample.told()
