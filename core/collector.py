"""Python's collector of reference cycles, told how a worker lives."""

from __future__ import annotations

import gc

# A batch makes tens of thousands of objects, keeps them until it is written, and then drops them
# all: nothing in it refers back. Python looks after every 700 by default, which took a fifth of a
# worker's time and found nothing.
OBJECTS_BETWEEN_LOOKS = 50_000


def look_seldom() -> None:
    """Let the collector look after a batch or two, rather than dozens of times in each."""
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS)
