"""Random histories of two companies, each compared with a model after every step."""

from __future__ import annotations

import os
import random
import sys

import pytest

pytestmark = [pytest.mark.machine]

PARTS = 6
HISTORIES = int(os.environ.get("BILLY_HISTORIES", "60"))


def seed_of(part):
    """The same in CI for everybody, else a new one; BILLY_SEED repeats one that was printed."""
    chosen = os.environ.get("BILLY_SEED")
    if chosen or os.environ.get("CI"):
        return int(chosen or 0) * 1_000 + part
    return random.SystemRandom().randrange(10**6) * 1_000 + part


@pytest.mark.parametrize("part", range(PARTS))
def test_every_history_keeps_every_promise(tell, part):
    number = seed_of(part)
    sys.stdout.write(f"BILLY_SEED={number // 1_000} tells part {part} again\n")

    tell(number, histories=max(1, HISTORIES // PARTS))
