"""`manage.py rotate_secrets`: write every secret anew under the first of BILLY_ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from accounts.rotate import Rotation, rotate

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Re-encrypt the secret columns, so that the old keys can be taken away."""

    help = (
        "Write every secret in the database anew under the first of BILLY_ENCRYPTION_KEYS. "
        "When it is done, the other keys are needed for old backups only."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether anything is written."""
        parser.add_argument(
            "--dry-run", action="store_true", help="count what would be written, and write nothing"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Rotate, telling how far it is; exits 1 where a secret cannot be read."""
        states: dict[str, Rotation] = {}
        for state in rotate(dry_run=options["dry_run"]):
            states[state.column] = state
            self.stderr.write(f"{state.column}: {state.seen:,} read", style_func=str)
        would = "would be " if options["dry_run"] else ""
        for state in states.values():
            self.stdout.write(
                f"{state.column}: {state.seen:,} secrets, {state.renewed:,} {would}written anew"
            )
        unreadable = sum(state.unreadable for state in states.values())
        if unreadable:
            raise CommandError(
                f"{unreadable:,} secrets cannot be read: the key that wrote them is missing from "
                "BILLY_ENCRYPTION_KEYS"
            )
        self.stdout.write("done: all secrets are under the first key" if not would else "done")
