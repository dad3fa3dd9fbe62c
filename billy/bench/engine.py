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
    worked = True
    while worked and (cycles is None or done < cycles):
        worked = False
        batches = None if cycles is None else -(-(cycles - done) // limits.batch_size)
        for report in cycle.flow(processor=processor, now=now, limits=limits, batches=batches):
            done += len(report.settled)
            worked = worked or report.worked
    return done
