"""`manage.py reconcile`: compare with the processor after the database was set back, and adopt."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from accounts import fence
from accounts.clock import database_now
from accounts.models import Company
from accounts.secret import UnreadableSecret
from billy.management.commands.tick import instant
from core.invalid import Invalid
from core.money import Money
from processors.base import ProcessorError, Status
from schedulers import limits
from schedulers.reconcile import FOR_A_PERSON, Asking, Fate, Found, reconcile

if TYPE_CHECKING:
    from argparse import ArgumentParser

UNREACHABLE = 2  # The exit code where a company could not be compared.
NEEDS_A_PERSON = 3  # Where orphans or conflicts are left.
TELL_EVERY = 10_000


@dataclass(slots=True)
class Tally:
    """What a company's objects came to: how many, and how much of it moved or may yet."""

    company: Company
    counts: Counter[tuple[Fate, str]] = field(default_factory=Counter)
    sums: Counter[tuple[Fate, str, str]] = field(default_factory=Counter)
    left: list[Found] = field(default_factory=list)
    problem: str = ""

    def add(self, found: Found) -> None:
        """Count an object."""
        receipt = found.receipt
        self.counts[found.fate, str(receipt.kind)] += 1
        if receipt.status is not Status.FAILED:
            self.sums[found.fate, str(receipt.kind), receipt.currency] += receipt.amount
        if found.fate in FOR_A_PERSON:
            self.left.append(found)


class Command(BaseCommand):
    """Find what the database forgot, company by company."""

    help = (
        "List what the processor has of every company and settle by it what this database does not "
        "know. Exit code 0: nothing is left; 2: a company could not be compared; 3: a person must "
        "look at orphans or conflicts."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take from when on, and how far to go."""
        parser.add_argument("--since", help="leave out what was made before, RFC 3339")
        parser.add_argument("--now", help="the instant up to which payments will be made again")
        parser.add_argument("--dry-run", action="store_true", help="compare, and write nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        """Compare, adopt, tell."""
        asking = Asking(
            processor=limits.processor(),
            now=instant(options["now"]) or database_now(),
            limits=limits.from_settings(),
            since=instant(options["since"], option="--since"),
            dry_run=options["dry_run"],
        )
        if not fence.reason() and not asking.dry_run:
            self.stderr.write("dispatch is open: payments may leave while this compares")
        tallies = [self._compared(each, asking) for each in _companies()]
        if options["json"]:
            self.stdout.write(json.dumps(_document(tallies, asking)))
        else:
            for tally in tallies:
                self._tell(tally, asking)
        if any(tally.problem for tally in tallies):
            sys.exit(UNREACHABLE)
        if any(tally.left for tally in tallies):
            sys.exit(NEEDS_A_PERSON)

    def _compared(self, company: Company | Tally, asking: Asking) -> Tally:
        if isinstance(company, Tally):
            return company
        tally = Tally(company)
        try:
            for found in reconcile(company, asking):
                tally.add(found)
                if tally.counts.total() % TELL_EVERY == 0:
                    self.stderr.write(f"{company.name}: {tally.counts.total():,} compared")
        except ProcessorError as error:
            tally.problem = f"the processor could not be asked: {error.reason}"
        except Invalid as invalid:
            # Without a key nothing can have been paid, unless it was taken off since.
            tally.problem = str(invalid) if company.processor_account else ""
        return tally

    def _tell(self, tally: Tally, asking: Asking) -> None:
        self.stdout.write(f"{tally.company.name} ({tally.company.guid})")
        for fate in Fate:
            count = sum(n for (each, _), n in tally.counts.items() if each == fate)
            if count:
                told = "would be adopted" if fate == Fate.ADOPTED and asking.dry_run else str(fate)
                self.stdout.write(f"  {told:16} {count:8,}  {_sums(tally, fate)}".rstrip())
        for found in tally.left:
            receipt = found.receipt
            amount = Money(receipt.amount, receipt.currency)
            self.stdout.write(
                f"  {found.fate}: {receipt.kind} {receipt.uri} {amount} {receipt.status}"
                f"{' of ' + found.attempt if found.attempt else ''}: {found.why}"
            )
        if tally.problem:
            self.stdout.write(f"  not compared: {tally.problem}")
        elif not tally.counts:
            self.stdout.write("  nothing at the processor")


def _companies() -> list[Company | Tally]:
    """Return the companies; one whose secrets cannot be read comes as what is wrong with it."""
    found: list[Company | Tally] = []
    for identity in Company.objects.order_by("pk").values_list("pk", flat=True):
        try:
            found.append(Company.objects.get(pk=identity))
        except UnreadableSecret as error:
            hidden = Company.objects.defer("processor_key", "callback_key").get(pk=identity)
            found.append(Tally(hidden, problem=str(error)))
    return found


def _sums(tally: Tally, fate: Fate) -> str:
    """Return what moved, or may yet, by kind."""
    return ", ".join(
        f"{kind} {Money(amount, currency)}"
        for (each, kind, currency), amount in sorted(tally.sums.items())
        if each == fate
    )


def _document(tallies: list[Tally], asking: Asking) -> dict[str, Any]:
    return {
        "dry_run": asking.dry_run,
        "since": asking.since.isoformat() if asking.since else None,
        "companies": [
            {
                "company": tally.company.guid,
                "name": tally.company.name,
                "problem": tally.problem,
                "counts": {
                    str(fate): sum(n for (each, _), n in tally.counts.items() if each == fate)
                    for fate in Fate
                },
                "sums": [
                    {"fate": str(fate), "kind": kind, "currency": currency, "amount": amount}
                    for (fate, kind, currency), amount in sorted(tally.sums.items())
                ],
                "left": [_line(found) for found in tally.left],
            }
            for tally in tallies
        ],
    }


def _line(found: Found) -> dict[str, Any]:
    receipt = found.receipt
    return {
        "fate": str(found.fate),
        "kind": str(receipt.kind),
        "uri": receipt.uri,
        "amount": receipt.amount,
        "currency": receipt.currency,
        "status": str(receipt.status),
        "key": receipt.key,
        "transaction": found.attempt,
        "why": found.why,
    }
