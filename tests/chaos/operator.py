"""The operator of F12: finds dispatch frozen, compares with the processor, and opens it again.

`python -m tests.chaos.operator FILE`, as `docs/operating.md` tells it: `reconcile` until every
company could be asked, then `unfreeze`. What was seen is written to FILE.
"""

import json
import os
import sys
import time
from pathlib import Path

FROZEN_SECONDS = 30  # Workers look at each new connection, and all of theirs are new.
TRIES = 60  # The processor has bad days meanwhile.
CLEAN, PERSON = 0, 3
PAUSE_SECONDS = 0.5


def main():
    """Act once; exit 1 where dispatch was never frozen, or cannot be opened."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")
    import django

    django.setup()
    from django.core.management import call_command

    started = time.monotonic()
    while not (reason := _asked(_reason)):
        if time.monotonic() - started > FROZEN_SECONDS:
            sys.exit("dispatch was not frozen")
        time.sleep(PAUSE_SECONDS)
    told = {"reason": reason, "seconds": time.monotonic() - started}
    told["reconcile"] = _asked(_reconciled)
    _asked(lambda: call_command("unfreeze", reason="the copy of a minute ago", actor="operator"))
    Path(sys.argv[1]).write_text(json.dumps(told))


def _reason():
    from accounts import fence

    return fence.reason()


def _reconciled():
    """Return the exit code of a comparison to which every company answered."""
    from django.core.management import call_command

    for _ in range(TRIES):
        try:
            call_command("reconcile")
        except SystemExit as ended:
            if ended.code == PERSON:
                return PERSON
            time.sleep(PAUSE_SECONDS)
        else:
            return CLEAN
    sys.exit("the processor could not be compared with")


def _asked(work):
    """Do it again where the database is down, or one of the cast was cut off by a fault."""
    from django.db import InterfaceError, OperationalError, connection

    for _ in range(TRIES):
        try:
            return work()
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(PAUSE_SECONDS)
    sys.exit("the database is away")


if __name__ == "__main__":
    main()
