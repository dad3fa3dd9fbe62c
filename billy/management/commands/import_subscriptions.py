"""`manage.py import_subscriptions FILE`: subscribers from CSV."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.clock import database_now
from accounts.models import Company
from billy.ready import migrate_if_empty
from core.ids import PREFIXES, parse_guid
from core.invalid import Invalid
from schedulers import limits
from schedulers.importing import COLUMNS, Import, import_rows

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

LINE_LIMIT = 64 * 1024  # Characters; a file without line feeds must not fill the memory.
TOLD_EVERY = 1_000  # Rows between two lines of progress where the output is no terminal.


class Command(BaseCommand):
    """Import subscribers; each bad row is named with its line, and the rest goes in."""

    help = (
        "Import subscribers from a CSV file with the columns "
        f"{', '.join(COLUMNS)}. It can be run again without doubling anything."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file, and for whom."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--company", help="the company's guid (default: the default company)")
        parser.add_argument("--dry-run", action="store_true", help="check the rows, write nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        """Import, with progress; exits 1 where a row was refused."""
        migrate_if_empty()
        into = Import(
            company=_company(options["company"], dry_run=options["dry_run"]),
            processor=limits.processor(),
            calls_at_once=settings.BILLY_CALLS_AT_ONCE,
            dry_run=options["dry_run"],
        )
        added = known = refused = told = 0
        for done in import_rows(_rows(options["file"]), into=into, now=database_now()):
            added, known = added + done.added, known + done.known
            refused += len(done.refused)
            for each in done.refused:
                self.stderr.write(f"line {each.line}: {each.reason}")
            total = added + known + refused
            if sys.stdout.isatty():
                self.stdout.write(f"\r{total:,} rows", ending="")
                self.stdout.flush()
            elif total - told >= TOLD_EVERY:
                told = total
                self.stdout.write(f"{total:,} rows")
        verb = "would be imported" if options["dry_run"] else "imported"
        summary = f"{added:,} {verb}, {known:,} there already, {refused:,} refused"
        self.stdout.write(("\n" if sys.stdout.isatty() else "") + summary)
        if refused:
            sys.exit(1)


def _company(text: str | None, *, dry_run: bool) -> Company:
    if text is None and not dry_run:
        return Company.default()
    companies = Company.objects.filter(installation__isnull=False)
    if text is not None:
        try:
            companies = Company.objects.filter(pk=parse_guid(text, PREFIXES["company"]))
        except Invalid as invalid:
            message = f"--company: {invalid}"
            raise CommandError(message) from invalid
    company = companies.first()
    if company is None:
        message = "--company: there is no such company; `manage.py bootstrap` makes one"
        raise CommandError(message)
    return company


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str] | Invalid]]:
    """Yield each row with its line; a row that is no row says why.

    Each line is read by itself: no field may hold a line feed, and so a quote that is not closed
    costs one line and not all that follow.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            lines = _lines(file)
            _, first = next(lines, (1, ""))
            header = _cells(first)
            if isinstance(header, Invalid):
                message = f"file: the header {header.errors['row']}"
                raise CommandError(message)
            _check_header(header)
            for number, text in lines:
                cells = _cells(text)
                if cells:
                    yield number, _row(header, cells)
    except OSError as error:
        message = f"file: {error.strerror}: {path}"
        raise CommandError(message) from error


def _lines(file: TextIO) -> Iterator[tuple[int, str | None]]:
    """Yield each line with its number, None for one that is too long to be kept in memory."""
    number = 0
    while text := file.readline(LINE_LIMIT):
        number += 1
        is_whole = text.endswith("\n") or len(text) < LINE_LIMIT
        yield number, text if is_whole else None
        while not is_whole:
            rest = file.readline(LINE_LIMIT)
            is_whole = rest.endswith("\n") or len(rest) < LINE_LIMIT


def _cells(text: str | None) -> list[str] | Invalid:
    if text is None:
        return Invalid(row=f"has more than {LINE_LIMIT} characters")
    try:
        text.encode()
        return next(csv.reader([text], strict=True), [])
    except UnicodeEncodeError:
        return Invalid(row="is not UTF-8")
    except csv.Error as error:
        return Invalid(row=f"is no CSV: {error}")


def _row(header: list[str], cells: list[str] | Invalid) -> dict[str, str] | Invalid:
    if isinstance(cells, Invalid):
        return cells
    if len(cells) != len(header):
        return Invalid(row=f"has {len(cells)} fields; the header has {len(header)}")
    return dict(zip(header, cells, strict=True))


def _check_header(header: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown or len(set(header)) < len(header):
        told = [f"it lacks {', '.join(missing)}"] if missing else []
        told += [f"{len(unknown)} columns are not known"] if unknown else []
        told += ["a column stands twice"] if len(set(header)) < len(header) else []
        message = f"file: the header is not that of an import file: {'; '.join(told)}"
        raise CommandError(message)
