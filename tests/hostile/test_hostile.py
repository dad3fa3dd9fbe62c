"""Thousands of hostile requests at every route: nothing breaks, is told, or changes."""

import os
import random
import sys

import pytest

from tests.hostile.cast import Web
from tests.hostile.corpus import Maker
from tests.hostile.judge import judged

pytestmark = pytest.mark.hostile

REQUESTS = int(os.environ.get("HOSTILE_REQUESTS", "1500"))
SEED = int(os.environ.get("HOSTILE_SEED", "20260101"))
FLOODS = {"BILLY_CALLBACKS_PER_SECOND": "100000", "BILLY_CALLBACKS_AT_ONCE": "1000000"}


def shots(maker, count):
    """Yield so many requests: half of them chosen from the list, half made by chance.

    Each is built when it is its turn: all of them together would be hundreds of megabytes.
    """
    chance = random.Random(SEED)
    listed = by_class(maker.listed(), count // 2, chance)
    generated = maker.generated(SEED)
    turns = [True] * len(listed) + [False] * (count - len(listed))
    chance.shuffle(turns)
    chance.shuffle(listed)
    for is_listed in turns:
        yield maker.shot(*listed.pop()) if is_listed else next(generated)


def by_class(listed, count, chance):
    """Return so many of the list: what is forged, each route, each class at it, then the rest."""
    chances, chosen = {}, []
    for each in listed:
        kind, route, _ = each
        forged = kind in {"forged callback", "replayed callback"}
        (chosen if forged else chances.setdefault((kind, route.name), [])).append(each)
    for some in chances.values():
        chance.shuffle(some)
    pairs = list(chances)
    chance.shuffle(pairs)
    # Where there is room for a few only, no route is left out for another class at the same one.
    first = {route: (kind, route) for kind, route in pairs}
    pairs.sort(key=lambda pair: first[pair[1]] != pair)
    while pairs and len(chosen) < count:
        chosen += [chances[pair].pop() for pair in pairs]
        pairs = [pair for pair in pairs if chances[pair]]
    return chosen[:count]


def test_hostile_requests_break_nothing_tell_nothing_and_change_nothing(world, tmp_path, capsys):
    maker = Maker(world)

    with Web(tmp_path / "web.log", **FLOODS) as web:
        verdict = judged(shots(maker, REQUESTS), world=world, web=web)

    half = verdict.counts["generated"].total()
    with capsys.disabled():
        sys.stdout.write(f"\n{verdict}\nseed {SEED}, {half} of them made by chance\n")
    assert {route.name for route in maker.routes} == verdict.routes
    assert verdict.complaints == []
    assert (len(verdict.seconds), half) == (REQUESTS, REQUESTS - REQUESTS // 2)


def test_no_broken_frame_breaks_anything(world, tmp_path):
    """Each way of it at each route that reads a body: a sample would miss the one that matters."""
    maker = Maker(world)
    framed = [each for each in maker.listed() if each[0] == "framing" and reads_body(each[1])]

    with Web(tmp_path / "web.log", BILLY_OPEN_REGISTRATION="1", **FLOODS) as web:
        verdict = judged((maker.shot(*each) for each in framed), world=world, web=web)

    assert verdict.complaints == []
    assert any("callbacks" in route.pattern for _, route, _ in framed)


def reads_body(route):
    return route.entry.method == "POST" and not route.entry.is_form
