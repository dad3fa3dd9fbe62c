"""`manage.py tick`: one scheduling pass by hand, in this process."""

from __future__ import annotations

import resource
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from accounts import fence
from accounts.clock import database_now
from billy.passes import Tally, one_pass, one_sweep, until_idle
from schedulers import claim
from schedulers.watch import watch

if TYPE_CHECKING:
    from argparse import ArgumentParser

KILOBYTES = 1024
DRY_LIMIT = 20  # Rows shown by --dry-run.


class Command(BaseCommand):
    """Run what is due."""

    help = "Make one scheduling pass in this process, or as many as there is work for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the instant, and how far to go."""
        parser.add_argument("--now", help="the instant that counts as now, RFC 3339")
        parser.add_argument("--until-idle", action="store_true", help="go on while work is found")
        parser.add_argument("--dry-run", action="store_true", help="show what is due, move nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run, and print what was done."""
        now = instant(options["now"])
        if options["dry_run"]:
            self._show(now or database_now())
            return
        if frozen := watch.look(at_once=True):
            raise CommandError(
                f"dispatch is frozen, so nothing is sent: {frozen}; `manage.py reconcile` compares "
                "with the processor, `manage.py unfreeze` lets payments leave again"
            )
        if options["until_idle"]:
            tally = until_idle(now=now, told=self._progress)
            if sys.stdout.isatty():
                self.stdout.write("")
        else:
            tally = Tally()
            tally.add(one_pass(now=now))
            tally.add(one_sweep(now=now))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES
        self.stdout.write(f"{tally}, peak memory {peak:,.0f} MB")

    def _progress(self, tally: Tally) -> None:
        if sys.stdout.isatty():
            self.stdout.write(f"\r{tally}", ending="")
            self.stdout.flush()

    def _show(self, now: datetime) -> None:
        companies = claim.work(now=now).companies
        due = claim.due(companies, now=now, limit=DRY_LIMIT)
        for each in due:
            amount = "computed" if each.amount is None else f"{each.amount} {each.currency}"
            self.stdout.write(
                f"{each.next_run_at:%Y-%m-%d %H:%M} {each.direction:6} {amount:>16} "
                f"{each.task} #{each.occurrence} {each.description}"
            )
        self.stdout.write(f"{len(due)} shown of what is due at {now:%Y-%m-%d %H:%M} UTC")
        if on_hold := claim.companies_on_hold(now=now):
            self.stdout.write(f"companies on hold since their calls failed: {on_hold}")
        if frozen := fence.reason():
            self.stdout.write(f"dispatch is frozen, so nothing would be sent: {frozen}")


def instant(text: str | None, *, option: str = "--now") -> datetime | None:
    """Return the instant that was given; raises CommandError for anything else."""
    if text is None:
        return None
    try:
        now = datetime.fromisoformat(text)
    except ValueError:
        now = None
    if now is None or now.tzinfo is None:
        message = f"{option}: must be an instant with a time zone, such as 2026-11-01T00:00:00Z"
        raise CommandError(message)
    return now
