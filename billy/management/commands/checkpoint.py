"""`manage.py checkpoint`: take checkpoints now, hand them out, and compare with what was kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from accounts.clock import database_now
from audit import checkpoints
from audit.models import Checkpoint

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator

NAMES = {"at", "company", "heads", "number", "previous", "root", "signature", "signer"}


class Command(BaseCommand):
    """Sign what the trails have come to."""

    help = (
        "Take a checkpoint of every company whose trails moved, and print it. Keep what is printed "
        "somewhere else: --check compares such a file with the database."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to print, and a file to compare."""
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument("--all", action="store_true", help="print all that were ever taken")
        parser.add_argument(
            "--check", metavar="FILE", help="compare lines that were kept; takes no checkpoint"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Take and print, or compare."""
        if options["check"]:
            self._check(Path(options["check"]))
            return
        made: Iterable[Checkpoint] = checkpoints.take(now=database_now())
        if options["all"]:
            made = Checkpoint.objects.order_by("company_id", "number").iterator()
        count = 0
        for count, each in enumerate(made, start=1):  # noqa: B007  # Counted for the last line.
            told = checkpoints.told(each)
            self.stdout.write(json.dumps(told) if options["json"] else _line(told))
        if not options["json"]:
            self.stdout.write(f"{count:,} checkpoints")

    def _check(self, path: Path) -> None:
        kept = list(_read(path))
        found = [*checkpoints.missing(kept), *checkpoints.problems()]
        for problem in found:
            self.stderr.write(problem)
        if found:
            raise CommandError(f"{len(found)} problems")
        self.stdout.write(f"{len(kept):,} checkpoints are as they were kept, and nothing is wrong")


def _line(told: dict[str, Any]) -> str:
    return (
        f"company {told['company']} number {told['number']} heads {told['heads']}"
        f" root {told['root']} signature {told['signature']}"
    )


def _read(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CommandError(f"--check: {error.strerror}: {path}") from error
    for number, line in enumerate(lines, start=1):
        # A line of the log is good too: what stands before the object is passed over.
        text = line[line.find("{") :] if "{" in line else ""
        try:
            told = json.loads(text) if text else None
        except ValueError:
            told = None
        if isinstance(told, dict) and told.keys() == NAMES:
            yield told
        elif line.strip():
            raise CommandError(f"--check: line {number} is no checkpoint")
