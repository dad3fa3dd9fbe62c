"""`make chaos-mutants`: each broken variant of the protocol must turn its scene red.

A harness that has never failed is no evidence. So every scene is also played without a mutant, and
must then be green; and a mutant must break the condition that is named for it.
"""

import time
from contextlib import closing

from tests.chaos import report
from tests.chaos.judge import chains, money, periods
from tests.chaos.judge.books import Books
from tests.chaos.scenes import SCENES, Stage
from tests.chaos.world import World

# The mutant, the scene that brings it out, and the conditions of which it must break one.
PLAYED = (
    ("new-key", "lost answers", "abc"),
    ("blind-retry", "lost answers", "abc"),
    ("random-key", "set back", "abc"),
    ("late-move", "unguarded", "a"),
    ("no-quiet-time", "look-up only", "abc"),
    ("late-intent", "cut and canceled", "c"),
    ("loose-event", "cut after settling", "d"),
    ("lost-is-no", "lost answers", "bc"),
    ("look-without-failed", "look-up only", "c"),
    ("first-page", "look-up only", "c"),
    ("trusted-callback", "forged", "bc"),
    ("paid-when-pending", "banks", "bc"),
)
FENCE = "no-fence"
TEMPLATE = "billy_chaos_template"


def run(*, only=None):
    """Play every scene without and with its mutants; returns 0 where each was caught."""
    chosen = [each for each in PLAYED if only in {None, each[0]}]
    scenes = dict.fromkeys(scene for _, scene, _ in chosen)
    caught, wrong = 0, []
    with World(seed=1) as first:
        first.cluster.start()
        _make_template(first)
        for scene in scenes:
            found, seconds = _play(first.cluster, scene, mutant="")
            report.say(f"{'no mutant':20} {scene:20} {seconds:4.0f} s  {_words(found, '')}")
            wrong += [f"{scene} without a mutant: {found[0]}"] if found else []
        for mutant, scene, letters in chosen:
            found, seconds = _play(first.cluster, scene, mutant=mutant)
            is_caught = bool({text[0] for text in found} & set(letters))
            caught += is_caught
            report.say(f"{mutant:20} {scene:20} {seconds:4.0f} s  {_words(found, letters)}")
            wrong += [] if is_caught else [f"{mutant} was not caught"]
        if only in {None, FENCE}:
            caught += _fence(first.cluster, wrong)
    for text in wrong:
        report.say(f"  {text}"[:400])
    total = len(chosen) + (only in {None, FENCE})
    report.say(f"{caught} of {total} caught, {len(wrong)} wrong")
    return report.RED if wrong else report.GREEN


def _make_template(world):
    world.cluster.make_database(TEMPLATE)
    world.database = TEMPLATE
    if not world.run("manage.py", "migrate", "--verbosity", "0"):
        raise RuntimeError(f"the tables could not be made; see {world.keep()}")


def _play(cluster, name, *, mutant):
    """Play a scene and return the judge's complaints, and the seconds that it took."""
    scene, started = SCENES[name], time.monotonic()
    database = f"scene_{mutant or 'none'}".replace("-", "_")
    cluster.make_database(database, TEMPLATE)
    with World(seed=1, database=database, cluster=cluster, **scene.settings) as world:
        stage = Stage(world, scene, mutant=mutant)
        try:
            stage.set_up()
            scene.play(stage)
            found = _judged(stage)
        except BaseException:
            report.say(f"  logs are in {world.keep()}")
            raise
        stage.notebook.read()
        if mutant and not stage.notebook.counts["mutant"]:
            raise RuntimeError(f"the mutant {mutant} was not in the build")
    cluster.drop_database(database)
    return found, time.monotonic() - started


def _judged(stage):
    for name in [each for each in stage.world.children if each.startswith("plain")]:
        stage.world.end(name)
    with closing(stage.world.connect()) as connection:
        books = Books(stage.world.ledger, connection)
        found = [
            *money.complaints(books),
            *periods.complaints(books, stage.payers),
            *chains.complaints(books, connection),
        ]
        held = books.states()
    if held["intent"] + held["unknown"]:
        found.append(f"e: {held['intent'] + held['unknown']} attempts are still under way")
    return found


def _fence(cluster, wrong):
    """Ask for the guard of T3 with and without it; returns 1 where its absence was seen."""
    answers = []
    for mutant in ("", FENCE):
        database = f"fence_{mutant or 'none'}".replace("-", "_")
        cluster.make_database(database, TEMPLATE)
        scene = SCENES["cut after settling"]
        with World(seed=1, database=database, cluster=cluster) as world:
            Stage(world, scene, mutant=mutant).set_up()
            answers.append(world.run("-m", "tests.chaos.fence", BILLY_MUTANT=mutant))
            if answers == [False]:
                wrong.append(f"the fence did not hold; logs are in {world.keep()}")
        cluster.drop_database(database)
    is_caught = answers == [True, False]
    report.say(f"{FENCE:20} {'the guard of T3':20}         {'caught' if is_caught else 'NOT SEEN'}")
    if answers[1]:
        wrong.append(f"{FENCE} was not caught")
    return int(is_caught)


def _words(found, letters):
    kinds = sorted({text.partition(":")[0] for text in found})
    if not letters:
        return f"RED: {found[0]}"[:120] if found else "green"
    if not kinds:
        return "NOT SEEN"
    return f"red by ({', '.join(kinds)}), {len(found):,} complaints"
