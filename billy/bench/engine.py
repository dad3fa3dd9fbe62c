"""Billy's cycle as the worker runs it: batch after batch until nothing is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schedulers import cycle

if TYPE_CHECKING:
    from datetime import datetime

    from processors.base import Processor
    from schedulers.limits import Limits


def run(*, processor: Processor, now: datetime, limits: Limits, cycles: int | None = None) -> int:
    """Make at least so many cycles (default: as many as are due); returns how many settled."""
    done = 0
    while cycles is None or done < cycles:
        report = cycle.tick(processor=processor, now=now, limits=limits)
        done += len(report.settled)
        if not report.worked:
            break
    return done
