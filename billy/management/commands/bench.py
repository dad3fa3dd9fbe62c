"""`manage.py bench`: Billy's cycle beside the limit of the database, and beside a plain loop."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from billy.bench import cases, experiments, plot, report, web
from billy.bench.database import NoDatabase, Server, server
from billy.bench.figures import Book
from billy.bench.rounds import KEYS, Rounds
from billy.demo.children import ChildFailed

if TYPE_CHECKING:
    from argparse import ArgumentParser

MEGABYTE = 1024 * 1024


class Command(BaseCommand):
    """Measure."""

    help = "Measure Billy's cycle, side by side with the limit of the database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to measure, how much of it, and where the figures go."""
        parser.add_argument("--quick", action="store_true", help="a part of it, within 2 minutes")
        parser.add_argument("--only", metavar="CASES", help=f"some of {','.join(KEYS)}")
        parser.add_argument("--runs", type=int, metavar="N", help="runs of each (3)")
        parser.add_argument("--json", metavar="FILE", help="write all figures there as well")
        parser.add_argument(
            "--experiments", action="store_true", help="measure what was tried, instead"
        )
        parser.add_argument(
            "--api", action="store_true", help="measure the REST API beside bare views, instead"
        )
        parser.add_argument("--plot", metavar="FILE.png", help="draw (f) and (g) there")

    def handle(self, *_: Any, **options: Any) -> None:
        """Measure, and print what was found."""
        self._started = time.monotonic()
        if options["experiments"]:
            self._experiments(options["runs"] or experiments.RUNS)
            return
        if options["api"]:
            self._api(turns=options["runs"] or web.TURNS)
            return
        only = chosen(options["only"])
        sizes = cases.QUICK if options["quick"] else cases.FULL
        sizes = replace(sizes, runs=options["runs"] or sizes.runs)
        try:
            with server() as found:
                book = Book(about=about(found))
                Rounds(server=found, sizes=sizes, only=only, book=book, say=self._say).run()
        except (NoDatabase, ChildFailed) as error:
            raise CommandError(str(error)) from error
        for line in report.lines(book):
            self.stdout.write(line)
        if options["json"]:
            Path(options["json"]).write_text(json.dumps(book.told(), indent=1), encoding="utf-8")
        if options["plot"]:
            draw_plot(book, Path(options["plot"]))

    def _api(self, *, turns: int) -> None:
        """Print what the API does in a second, beside bare views."""
        try:
            with server() as found:
                for line in web.measure(found, turns=turns):
                    self.stdout.write(line)
        except (NoDatabase, ChildFailed) as error:
            raise CommandError(str(error)) from error

    def _experiments(self, runs: int) -> None:
        """Print the figures of what was tried, as they come."""
        sizes = cases.Sizes(cycles=experiments.CYCLES)
        try:
            with server() as found:
                cases.set_stage(found, sizes)
                for each in experiments.ALL:
                    self._say(each.question)
                    for line in each.lines(found, runs=runs):
                        self.stdout.write(line)
                for line in experiments.planning(found):
                    self.stdout.write(line)
        except (NoDatabase, ChildFailed) as error:
            raise CommandError(str(error)) from error

    def _say(self, what: str) -> None:
        """Show progress, on the error stream: the report may go into a file."""
        seconds = time.monotonic() - self._started
        sys.stderr.write(f"{seconds:>6.0f} s  {what}\n")
        sys.stderr.flush()


def draw_plot(book: Book, path: Path) -> None:
    """Draw what grows; raises CommandError where that cannot be done."""
    try:
        plot.draw(book, path)
    except plot.NoPlotter as error:
        raise CommandError(f"--plot: {error}") from error


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
