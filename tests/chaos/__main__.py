"""`python -m tests.chaos run|gate|mutants [--seed N]`: exit 0 green, 1 red, 2 void."""

import argparse
import random
import signal
import sys
import time
from contextlib import closing, suppress

import psycopg2

from tests.chaos import findings, mutants, report, verifying
from tests.chaos.bots import ONE_IN
from tests.chaos.children import wait_until
from tests.chaos.crowd import crowd
from tests.chaos.judge import chains, money, periods
from tests.chaos.judge.books import Books
from tests.chaos.plan import PLANS
from tests.chaos.probe import Probe
from tests.chaos.storm import LISTENING, OPEN, Storm
from tests.chaos.world import World

MOVED = 50  # Payments after which a run is under way.
SANDBOX = ("--ach-delay", "1", "--callback-retry", "2")


def main():
    """Run what was asked for. SIGTERM and Ctrl-C end everything that was started."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("what", choices=[*PLANS, "mutants"])
    parser.add_argument("--seed", type=int, default=None, help="repeat a run's chances")
    parser.add_argument("--only", help="mutants: this one alone")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if asked.what == "mutants":
        return mutants.run(only=asked.only)
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**6)
    return run(PLANS[asked.what], seed=seed)


def run(plan, *, seed):
    """Make one run and print what it came to."""
    started = time.monotonic()

    def told(text):
        report.say(f"{time.monotonic() - started:6.0f} s  {text}")

    report.say(f"{plan.name}, seed {seed}: {plan.schedulers * plan.periods:,} occurrences")
    with World(seed=seed) as world:
        try:
            storm, probe = rage(world, plan, seed=seed, told=told)
            told("the judge reads the books")
            lines, complaints, figures = judged(storm, probe)
        except BaseException:
            told(f"the harness itself failed; logs are in {world.keep()}")
            raise
        figures |= {"seed": seed, "seconds": round(time.monotonic() - started)}
        verdict = report.verdict_of(lines, complaints)
        logs = world.keep() if verdict != report.GREEN else None
    report.table(lines)
    report.conditions(complaints)
    for name, figure in figures.items():
        shown = f"{figure:,.2f}" if isinstance(figure, float) else f"{figure:,}"
        report.say(f"     {name:31} {shown}")
    file = report.keep(
        plan.name, verdict=verdict, lines=lines, complaints=complaints, figures=figures
    )
    report.say(f"{report.VERDICTS[verdict]}: {file}" + (f", logs in {logs}" if logs else ""))
    return verdict


def rage(world, plan, *, seed, told):
    """Start everything, bring the first of the load, and let it storm; all workers end at last."""
    chance = random.Random(seed)
    world.cluster.start()
    payers = crowd(plan, now=world.cluster.now(), chance=chance)
    sound = [each for n, each in enumerate(payers) if n % ONE_IN]  # The admin stops the others.
    poisoned = [each.name for each in chance.sample(sound, plan.poisoned)]
    world.cluster.make_database(world.database)
    world.start_redis()
    world.start_sandbox(*SANDBOX)
    world.load(
        {
            "companies": len(plan.shares),
            "payers": [each.as_json() for each in payers],
            "listening": [LISTENING],
            "poisoned": poisoned,
        }
    )
    if not world.run("-m", "tests.chaos.load", "wave", world.folder / "asked.json", 0):
        raise RuntimeError("the first wave could not be imported")
    world.start_web()
    for _ in range(plan.workers):
        world.start_worker(children=plan.children)
    for _ in range(plan.beats):
        world.start_beat()
    told("everything was started")
    wait_until(lambda: has_moved(world), what="the first money that moves")
    told("money moves")
    probe = Probe(world.web_url)
    probe.start()
    storm = Storm(world, plan, chance=chance, told=told)
    storm.payers, storm.poisoned = payers, poisoned
    storm.odd_payers = len([each for each in payers if each.zone != "UTC"])
    storm.run()
    probe.stop()
    for worker in world.workers():
        storm.killer.count_end(worker.name, world.end(worker.name))
    storm.notebook.read()
    return storm, probe


def has_moved(world):
    """Say whether the workers are at work: a storm over processes that start shows little."""
    with suppress(psycopg2.Error), closing(world.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(OPEN)
        return cursor.fetchone()[-1] >= MOVED
    return False


def judged(storm, probe):
    """Return the faults' lines, all complaints, and the figures of a run."""
    world = storm.world
    with closing(world.connect()) as connection:
        books = Books(world.ledger, connection)
        complaints = [
            *money.complaints(books),
            *periods.complaints(books, storm.payers),
            *chains.complaints(books, connection),
            *findings.complaints(storm, probe, books),
            *verifying.complaints(world, poisoned=findings.poisoned_guids(storm, books)),
        ]
    lines = findings.lines(storm, probe, books)
    hits = sum(storm.notebook.hits.values())
    figures = {
        "occurrences opened": sum(each.kind == "period" for each in books.feeds),
        "objects at the processor": len(books.objects),
        "SIGKILLs": storm.happened["F1"] + storm.happened["F2"] + hits,
        "storm, seconds": round(storm.storm_seconds),
        "seconds until calm": max(storm.calm_seconds.values(), default=0.0),
        "F12 seconds until found": storm.rewind.found_seconds,
        **storm.ratios,
    }
    return lines, complaints, figures


if __name__ == "__main__":
    sys.exit(main())
