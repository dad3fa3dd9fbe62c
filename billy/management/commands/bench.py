"""`manage.py bench`: Billy's cycle beside the limit of the database, and beside a plain loop."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from billy.bench import cases, report
from billy.bench.database import NoDatabase, Server, server
from billy.bench.figures import Book, Figures, side_by_side
from billy.demo.children import ChildFailed

if TYPE_CHECKING:
    from argparse import ArgumentParser

KEYS = tuple(case.key for case in cases.SIDE_BY_SIDE)
MEGABYTE = 1024 * 1024


class Command(BaseCommand):
    """Measure."""

    help = "Measure Billy's cycle, side by side with the limit of the database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to measure, how much of it, and where the figures go."""
        parser.add_argument("--quick", action="store_true", help="a part of it, within 2 minutes")
        parser.add_argument("--only", metavar="CASES", help=f"some of {','.join(KEYS)}")
        parser.add_argument("--json", metavar="FILE", help="write all figures there as well")

    def handle(self, *_: Any, **options: Any) -> None:
        """Measure, and print what was found."""
        self._started = time.monotonic()
        only = chosen(options["only"])
        sizes = cases.QUICK if options["quick"] else cases.FULL
        try:
            with server() as found:
                book = Book(about=about(found))
                self._side_by_side(found, sizes, only, book)
        except (NoDatabase, ChildFailed) as error:
            raise CommandError(str(error)) from error
        for line in report.lines(book):
            self.stdout.write(line)
        if options["json"]:
            Path(options["json"]).write_text(json.dumps(book.told(), indent=1), encoding="utf-8")

    def _side_by_side(self, found: Server, sizes: cases.Sizes, only: set[str], book: Book) -> None:
        wanted = [case for case in cases.SIDE_BY_SIDE if case.key in only]
        if not wanted:
            return
        self._say(f"setting the stage: {sizes.schedulers:,} schedulers")
        cases.set_stage(found, sizes)
        samples: dict[str, list[Any]] = {case.key: [] for case in wanted}
        for number in range(sizes.runs):
            for case in wanted:
                sample = case.run(found, sizes)
                samples[case.key].append(sample)
                self._say(
                    f"run {number + 1} of {sizes.runs}  {case.key:<3}{case.title:<24}"
                    f"{sample.rate:>8,.0f} cycles a second"
                )
        book.figures = {
            case.key: Figures(key=case.key, title=case.title, samples=samples[case.key])
            for case in wanted
        }
        book.ratios += side_by_side(book.figures)

    def _say(self, what: str) -> None:
        """Show progress, on the error stream: the report may go into a file."""
        seconds = time.monotonic() - self._started
        sys.stderr.write(f"{seconds:>6.0f} s  {what}\n")
        sys.stderr.flush()


def chosen(only: str | None) -> set[str]:
    """Return the cases that were asked for; raises CommandError for one that does not exist."""
    if only is None:
        return set(KEYS)
    asked = {word.strip() for word in only.split(",") if word.strip()}
    if unknown := sorted(asked - set(KEYS)):
        raise CommandError(f"--only: there is no {', '.join(unknown)}; there are {', '.join(KEYS)}")
    return asked


def about(found: Server) -> dict[str, Any]:
    """Return where and when this was measured."""
    names = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")
    told = [f"{name}={found.says(f'SHOW {name}')}" for name in names]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MEGABYTE / 1024
    return {
        "date": found.says(
            "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'"
        ),
        "server": f"PostgreSQL {found.says('SHOW server_version').split()[0]}",
        "settings": " ".join(told[:3]) + "\n            " + " ".join(told[3:]),
        "machine": f"{os.cpu_count()} processors, {memory:.0f} GB, Python "
        f"{platform.python_version()}, load {os.getloadavg()[0]:.1f}",
    }
