"""What a process of the benchmark can be asked to do. Takes and returns plain JSON values."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from django.core.management import call_command

from accounts.models import Company, FundingInstrument
from accounts.open import account_of
from billy.bench import checked, engine, limit, plain, stage, wire
from billy.bench import past as past_invoices
from billy.bench.child import wait_for_the_others
from billy.bench.measure import Meter, memory_mb, peak_mb
from billy.bench.twins import Apart, Forgetful
from billy.demo.desk import Desk
from processors.memory import Memory
from schedulers import cycle
from schedulers import limits as limits_of
from schedulers.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

MILLI = 1000
A_GREAT_MANY = 50_000  # From here on rows are written before their indexes are made.
WEIGHED_EVERY = 5_000
WARM_UP = 50  # So many cycles go before, unmeasured: code is loaded, plans and caches are made.


def migrate() -> None:
    """Make the tables."""
    call_command("migrate", verbosity=0, interactive=False)


def prepare(*, count: int, past: bool = False) -> None:
    """Set the stage with so many schedulers, and an invoice in the past of each if so asked."""
    stage.open_companies()
    with past_invoices.unguarded() if count >= A_GREAT_MANY else nullcontext():
        stage.add_schedulers(count)
        if past:
            past_invoices.add()
    stage.tidy(full=past)


def prepare_wire(*, count: int, address: str) -> None:
    """Set the stage with cards that the sandbox at this address knows."""
    processor = limits_of.processor()
    accounts = [processor.open_account(url=address) for _ in stage.ZONES]
    stage.open_companies([(each, processor.identify(account=each)) for each in accounts])
    stage.add_schedulers(count)
    for company in Company.objects.all():
        cards = FundingInstrument.objects.filter(company=company).order_by("pk")
        desk = Desk(account_of(company))
        uris = wire.enter_cards(cards.count(), desk.card)
        desk.close()
        stage.name_cards([card.pk for card in cards], uris)
    stage.tidy()


def tidy() -> None:
    """Clear away what a run has left behind, and let nothing be written later."""
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


def by_wire(*, address: str, cycles: int) -> dict[str, Any]:
    """Measure Billy through HTTP, with the limits of the environment."""
    Company.objects.update(processor_url=address)
    within = limits_of.from_settings()
    run = partial(engine.run, processor=limits_of.processor(), now=stage.DUE_AT)
    run(cycles=WARM_UP, limits=replace(within, batch_size=WARM_UP))
    return _measured(lambda: run(cycles=cycles, limits=within))


def tick_while_idle(*, times: int) -> float:
    """Return the median milliseconds of a tick that finds nothing due."""
    tick = partial(cycle.tick, processor=Forgetful(), now=stage.IDLE_AT, limits=Limits())
    seconds = []
    for _ in range(times + WARM_UP):
        began = time.perf_counter()
        report = tick()
        seconds.append(time.perf_counter() - began)
        if report.worked:
            raise checked.WorkNotDone("something was due where nothing should be")
    return median(seconds[WARM_UP:]) * MILLI


def drain(*, cycles: int, past: bool = False) -> dict[str, Any]:
    """Measure a part of what is due, with a processor that keeps nothing."""
    now = stage.NEXT_DUE_AT if past else stage.DUE_AT
    run = partial(engine.run, processor=Forgetful(), now=now)
    run(cycles=WARM_UP, limits=Limits(batch_size=WARM_UP))
    done = _measured(lambda: run(cycles=cycles, limits=Limits()), check=False)
    if done["cycles"] < cycles:
        raise checked.WorkNotDone(f"{done['cycles']} of {cycles} cycles were made")
    return done


def drain_and_weigh() -> list[tuple[int, float]]:
    """Work off everything; returns (cycles done, MB held) every few thousand cycles."""
    run = partial(engine.run, processor=Forgetful(), now=stage.DUE_AT, limits=Limits())
    weighed: list[tuple[int, float]] = []
    done = 0
    while made := run(cycles=WEIGHED_EVERY):
        done += made
        weighed.append((done, memory_mb()))
    weighed.append((checked.cycles_done(chains=False), peak_mb()))
    return weighed


def check() -> int:
    """Look at what was done; returns how many cycles it was. Raises WorkNotDone."""
    return checked.cycles_done()


def _measured(work: Callable[[], int], *, check: bool = True) -> dict[str, Any]:
    with Meter() as meter:
        meter.sample.cycles = work()
    if check:
        checked.cycles_done()
    return meter.sample.told()
