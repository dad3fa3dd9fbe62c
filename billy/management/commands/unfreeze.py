"""`manage.py unfreeze`: let payments leave again, after the fence had frozen them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from accounts import fence
from accounts.clock import database_now
from billy.person import actor
from core.invalid import Invalid
from schedulers.watch import stores

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Open dispatch and take the mark by which the database is known from now on."""

    help = "Let payments leave again. Run reconcile first: it finds what the database forgot."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the reason, which goes into the trails."""
        parser.add_argument("--reason", default="", help="why it is safe, for the audit trail")
        parser.add_argument("--actor", default=actor(), help="who decides (default: you)")

    def handle(self, *_: Any, **options: Any) -> None:
        """Open, and say why it had been frozen."""
        try:
            was = fence.unfreeze(
                stores(), why=options["reason"], now=database_now(), actor=options["actor"]
            )
        except Invalid as invalid:
            raise CommandError(str(invalid)) from invalid
        self.stdout.write(f"payments leave again; they were frozen because {was}")
