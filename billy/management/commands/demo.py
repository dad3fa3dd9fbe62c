"""`manage.py demo`: the main job end to end, as a story, in seconds."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from billy.demo.children import ChildFailed
from billy.demo.database import NoDatabase
from billy.demo.desk import DeskError
from billy.demo.screen import Screen
from billy.demo.story import tell
from billy.demo.year import Stuck
from billy.embedded import EmbeddedUnavailable

INTERRUPTED = 130  # What shells say of a command that Ctrl-C ended.


class Command(BaseCommand):
    """Tell the story of a shop's year."""

    help = (
        "Live a year of a small shop in seconds: plans, trials, payroll, metered billing, a "
        "declined card, bank debits, a refund. Uses a fresh database and a fresh sandbox, compares "
        "every transaction with the sandbox in the end, and leaves nothing behind."
    )
    requires_system_checks = ()

    def handle(self, *_: Any, **options: Any) -> None:
        """Tell it; exits 1 where Billy and Balanced, or the audit trails, do not agree."""
        signal.signal(signal.SIGTERM, _stop)
        plain = False if options["no_color"] else None
        screen = Screen(sys.stdout, colours=True if options["force_color"] else plain)
        try:
            good = tell(screen)
        except KeyboardInterrupt:
            screen.line()
            screen.line("stopped; nothing is left behind")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:  # Whoever read it has seen enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(INTERRUPTED)
        except (ChildFailed, DeskError, EmbeddedUnavailable, NoDatabase, Stuck) as error:
            raise CommandError(str(error)) from error
        if not good:
            sys.exit(1)


def _stop(*_: object) -> NoReturn:
    """End as on Ctrl-C: through every block that still has something to clear away."""
    raise KeyboardInterrupt
