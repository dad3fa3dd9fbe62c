"""`manage.py adopt --new-instance`: make a copy of a database an installation of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from accounts import fence
from accounts.clock import database_now
from billy.person import actor
from core.invalid import Invalid
from invoices import naming
from schedulers.watch import stores

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Give a copy a new instance id, from which its payment keys are derived."""

    help = "Make a copy of another installation's database an installation of its own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what must be said aloud."""
        parser.add_argument(
            "--new-instance", action="store_true", required=True, help="give it a new instance id"
        )
        parser.add_argument(
            "--clear-processor-keys",
            action="store_true",
            help="first take the processor keys off every company: no payment can leave without",
        )
        parser.add_argument("--actor", default=actor(), help="who decides (default: you)")

    def handle(self, *_: Any, **options: Any) -> None:
        """Adopt; refuses while a company could pay through the original's account."""
        now, by = database_now(), options["actor"]
        if options["clear_processor_keys"]:
            cleared = fence.clear_processor_keys(now=now, actor=by)
            self.stdout.write(f"processor keys taken off {cleared:,} companies")
        try:
            instance_id = fence.adopt(stores(), now=now, actor=by)
        except Invalid as invalid:
            raise CommandError(
                f"{invalid}; --clear-processor-keys takes them off, in this database only"
            ) from invalid
        naming.forget()
        self.stdout.write(f"this is now the installation {instance_id}")
