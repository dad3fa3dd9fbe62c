"""`manage.py verify`: whether every invariant holds, one line each."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from accounts.clock import database_now
from billy.management.commands.tick import instant
from billy.verification import (
    PERSON,
    RUNS,
    UNCHECKED,
    Result,
    environment,
    examine,
    exit_code,
    self_test,
)
from billy.verification.scratch import NoScratch, migrated

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from audit.findings import Finding
    from billy.verification.self_test import Verdict

WIDTH = 80
MOST_NAMED = 20
COULD_NOT_CHECK = 2


class Command(BaseCommand):
    """Put the invariants to the database."""

    help = (
        "Check that every invariant holds. Exit code: 0 clean, 1 violated, 2 could not check, "
        "3 waits for a person."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the depth, and the form of the answer."""
        depth = parser.add_mutually_exclusive_group()
        for name, what in DEPTHS.items():
            depth.add_argument(
                f"--{name}", dest="depth", action="store_const", const=name, help=what
            )
        depth.add_argument(
            "--self-test", action="store_true", help="damage a scratch database on purpose"
        )
        depth.add_argument(
            "--write-schema", action="store_true", help="for developers, after a migration"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument("--now", help="the instant that counts as now, RFC 3339")
        parser.set_defaults(depth="fast")

    def handle(self, *_: Any, **options: Any) -> None:
        """Check, print, and leave with the code that says how it went."""
        if options["write_schema"]:
            self._write_schema()
        elif options["self_test"]:
            sys.exit(self._self_test(as_json=options["json"]))
        else:
            sys.exit(self._examine(options))

    def _examine(self, options: dict[str, Any]) -> int:
        depth = options["depth"]
        processor = None
        if depth == "processor":
            from schedulers import limits

            processor = limits.processor()
        show = sys.stdout.isatty() and depth in {"full", "processor"} and not options["json"]
        results = examine(
            depth=depth,
            now=instant(options["now"]) or database_now(),
            processor=processor,
            told=_Progress() if show else None,
        )
        if options["json"]:
            self.stdout.write(json.dumps(as_json(results, depth=depth), indent=2))
        else:
            for line in lines(results):
                self.stdout.write(line)
        return exit_code(results)

    def _self_test(self, *, as_json: bool) -> int:
        """Say of each corruption whether it was found; returns 1 where one was not."""
        verdicts: list[Verdict] = []
        untouched: list[Result] = []

        def told(verdict: Verdict) -> None:
            verdicts.append(verdict)
            if not as_json:
                self.stdout.write(fitted(planted(verdict)))

        def clean(results: list[Result]) -> None:
            untouched.extend(results)
            bad = [each.id for each in results if each.status not in {"clean", PERSON}]
            if not as_json:
                said = (
                    f"not clean: {', '.join(bad)}" if bad else f"clean, {len(results)} invariants"
                )
                self.stdout.write(f"the copy that nobody touched is {said}")

        try:
            good = self_test.run(told=told, clean=clean)
        except NoScratch as error:
            self.stderr.write(f"no scratch database: {error}")
            return COULD_NOT_CHECK
        found = sum(verdict.found for verdict in verdicts)
        if as_json:
            self.stdout.write(json.dumps(self_tested(verdicts, untouched), indent=2))
        else:
            self.stdout.write(f"{found} of {len(verdicts)} found")
        return 0 if good else 1

    def _write_schema(self) -> None:
        with migrated():
            count = environment.write_schema()
        self.stdout.write(f"{count} things written to {environment.SCHEMA.name}")


DEPTHS = {
    "fast": "what indexes can tell, in seconds; every hour (the default)",
    "full": "everything, computed anew; every night",
    "processor": "compare with the processor, object by object; every day",
    "env": "the database's settings and tables; after every change of them",
}
assert DEPTHS.keys() == RUNS.keys()  # noqa: S101  # Each is an option.


class _Progress:
    """One line that tells what is being checked and how many rows were read for it."""

    def __init__(self) -> None:
        self._title = ""
        self._rows = 0

    def __call__(self, title: str, rows: int) -> None:
        self._rows = self._rows + rows if title == self._title else 0
        self._title = title
        told = f"{title}: {self._rows:,} rows" if self._rows else title
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{told[:width].ljust(width)}\r")
        sys.stderr.flush()


def lines(results: list[Result]) -> list[str]:
    """Return what people read: a line for each invariant, its first offenders below it."""
    told = []
    for each in results:
        count = f"{each.count:,}" if each.count else ""
        told.append(fitted(f"{each.id:<4} {each.status:<9} {count:>7}  {each.title}"))
        told += [fitted(f"       {said(finding)}") for finding in each.offenders[:MOST_NAMED]]
        if each.count > len(each.offenders):
            told.append(f"       and {each.count - len(each.offenders):,} more")
        told += [fitted(f"       warning: {said(finding)}") for finding in each.warnings]
        if each.error:
            told += textwrap.wrap(each.error, WIDTH, initial_indent=" " * 7)[:3]
    told.append(summary(results))
    return told


def summary(results: list[Result]) -> str:
    """Return the last line: how many invariants are how."""
    counts = {
        status: sum(each.status == status for each in results)
        for status in ("clean", "violated", UNCHECKED, PERSON)
    }
    said_of = [f"{count} {WORDS[status]}" for status, count in counts.items() if count]
    in_flight = sum(each.in_flight for each in results)
    if in_flight:
        said_of.append(f"{in_flight:,} attempts in flight")
    return f"{len(results)} invariants: {', '.join(said_of)}"


WORDS = {
    "clean": "clean",
    "violated": "violated",
    UNCHECKED: "could not be checked",
    PERSON: "waiting for a person",
}


def said(finding: Finding) -> str:
    """Return a finding as one sentence."""
    return f"{finding.where} {finding.why}"


def planted(verdict: Verdict) -> str:
    """Return what became of a corruption."""
    corruption = verdict.corruption
    word = "found " if verdict.found else "MISSED"
    return f"{word} {corruption.expected:<4} {corruption.name}: {verdict.said}"


def fitted(text: str) -> str:
    """Return text of one line that a terminal of 80 columns shows whole."""
    plain = " ".join(text.split("\n"))
    return plain if len(plain) <= WIDTH else f"{plain[: WIDTH - 1]}…"


def as_json(results: list[Result], *, depth: str) -> dict[str, Any]:
    """Return the answer for programs."""
    return {
        "depth": depth,
        "exit_code": exit_code(results),
        "in_flight": sum(each.in_flight for each in results),
        "results": [
            {
                "id": each.id,
                "title": each.title,
                "status": each.status,
                "count": each.count,
                "offenders": [{"where": f.where, "why": f.why} for f in each.offenders],
                "warnings": [{"where": f.where, "why": f.why} for f in each.warnings],
                "in_flight": each.in_flight,
                "error": each.error,
            }
            for each in results
        ],
    }


def self_tested(verdicts: list[Verdict], untouched: list[Result]) -> dict[str, Any]:
    """Return the answer of the self-test for programs."""
    return {
        "untouched": {each.id: each.status for each in untouched},
        "planted": len(verdicts),
        "found": sum(verdict.found for verdict in verdicts),
        "corruptions": [
            {
                "name": verdict.corruption.name,
                "expected": verdict.corruption.expected,
                "found": verdict.found,
                "said": verdict.said,
            }
            for verdict in verdicts
        ],
    }
