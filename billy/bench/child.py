"""A process of the benchmark: does one thing on one database, and prints what it measured.

Started as `python -m billy.bench.child JSON`; the JSON says what (`do`) and with what. One that is
to start together with others says `ready` and waits for SIGUSR1.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

RESULT: Final = "result "


def main() -> None:
    """Do what the argument says."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    told: dict[str, Any] = json.loads(sys.argv[1])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")

    import django

    django.setup()

    from billy.bench import trials, web, work
    from billy.bench.counted import counting
    from core.collector import look_seldom

    name = told.pop("do")
    found = next(each for each in (work, trials, web) if hasattr(each, name))
    do: Callable[..., Any] = getattr(found, name)
    look_seldom()  # As every worker does.
    with counting():
        result = do(**told)
    sys.stdout.write(f"{RESULT}{json.dumps(result)}\n")


def wait_for_the_others() -> None:
    """Say that everything is prepared, and wait to be told to go."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGUSR1})


if __name__ == "__main__":
    main()
