"""`manage.py parked`: what waits for a person, and how a person closes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from accounts.clock import database_now
from accounts.open import account_of
from billy.person import actor
from core.ids import PREFIXES, guid, parse_guid
from core.invalid import Invalid
from core.money import Money
from invoices import payments
from invoices.close import WORDS
from invoices.models import Transaction
from processors.base import ProcessorError, Receipt, Status
from schedulers import limits, rules
from schedulers.close import close
from schedulers.models import Scheduler

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from datetime import datetime

    from invoices.attempts import Held

WAITING = ("parked", "held", "errored")  # The states in which a scheduler waits for a person.


class Command(BaseCommand):
    """List what is parked, close an attempt, resume a scheduler."""

    help = (
        "List the attempts and schedulers that wait for a person. --close says what became of an "
        "attempt, and asks the processor whether that can be; --resume lets a scheduler go on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to do; without anything it lists."""
        parser.add_argument("--json", action="store_true", help="list as one JSON object")
        parser.add_argument("--close", metavar="TX…", help="the attempt to close")
        parser.add_argument("--as", dest="word", choices=WORDS, help="what became of it")
        parser.add_argument("--uri", default="", help="the object at the processor")
        parser.add_argument("--reason", default="", help="how you know, for the audit trail")
        parser.add_argument(
            "--unchecked", action="store_true", help="do not ask the processor whether it agrees"
        )
        parser.add_argument("--resume", metavar="SU…", help="the scheduler to let go on")
        parser.add_argument("--actor", default=actor(), help="who decides (default: you)")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do the one thing that was asked for."""
        try:
            if options["close"]:
                self._close(options)
            elif options["resume"]:
                self._resume(options)
            else:
                self._list(as_json=options["json"])
        except Invalid as invalid:
            raise CommandError(str(invalid)) from invalid
        except ProcessorError as error:
            raise CommandError(f"the processor could not be asked: {error.reason}") from error

    def _close(self, options: dict[str, Any]) -> None:
        identity = parse_guid(options["close"], PREFIXES["transaction"], field="--close")
        attempt = Transaction.objects.filter(pk=identity).first()
        if attempt is None or options["word"] is None:
            missing = "--as: must say what became of it" if attempt else "--close: there is none"
            raise CommandError(missing)
        if not options["unchecked"]:
            _check(attempt, options["word"], options["uri"])
        state = close(
            attempt,
            word=options["word"],
            reason=options["reason"],
            limits=limits.from_settings(),
            now=database_now(),
            uri=options["uri"],
            actor=options["actor"],
        )
        attempt.feed.refresh_from_db()
        self.stdout.write(
            f"{attempt.guid} is {state}; invoice {attempt.feed} is {attempt.feed.state}"
        )

    def _resume(self, options: dict[str, Any]) -> None:
        identity = parse_guid(options["resume"], PREFIXES["scheduler"], field="--resume")
        scheduler = Scheduler.objects.filter(pk=identity).first()
        if scheduler is None:
            raise CommandError("--resume: there is none")
        resumed = rules.resume(scheduler, now=database_now(), actor=options["actor"])
        at = f"{resumed.next_run_at:%Y-%m-%d %H:%M} UTC"
        self.stdout.write(f"{resumed.guid} is {resumed.state}; it runs at {at}")

    def _list(self, *, as_json: bool) -> None:
        now = database_now()
        attempts = [_attempt(each, now=now) for each in _parked_attempts()]
        schedulers = [_scheduler(each, now=now) for each in _waiting_schedulers()]
        if as_json:
            self.stdout.write(json.dumps({"attempts": attempts, "schedulers": schedulers}))
            return
        for each in attempts:
            money = Money(each["amount"], each["currency"])
            self.stdout.write(
                f"{each['transaction']} {each['kind']} {money} of {each['company']}, parked for"
                f" {each['hours']:,} hours, key {each['key']}: {each['reason']}"
            )
        for each in schedulers:
            self.stdout.write(
                f"{each['scheduler']} of {each['company']}, {each['state']} for"
                f" {each['hours']:,} hours: {each['reason']}"
            )
        self.stdout.write(f"{len(attempts)} attempts and {len(schedulers)} schedulers wait")


def _parked_attempts() -> list[Transaction]:
    parked = Transaction.objects.filter(state="parked").select_related("feed")
    return list(parked.defer("feed__terms").order_by("updated_at"))


def _waiting_schedulers() -> list[Scheduler]:
    return list(Scheduler.objects.filter(state__in=WAITING).order_by("state", "updated_at"))


def _attempt(attempt: Transaction, *, now: datetime) -> dict[str, Any]:
    last = attempt.failures[-1] if attempt.failures else {}
    return {
        "transaction": attempt.guid,
        "company": _company(attempt.company_id),
        "invoice": str(attempt.feed),
        "kind": attempt.kind,
        "amount": attempt.amount,
        "currency": attempt.currency,
        "key": attempt.key,
        "uri": attempt.processor_uri or "",
        "hours": _hours(attempt.updated_at, now),
        "reason": last.get("message", "") or last.get("code", ""),
    }


def _scheduler(scheduler: Scheduler, *, now: datetime) -> dict[str, Any]:
    return {
        "scheduler": scheduler.guid,
        "company": _company(scheduler.company_id),
        "state": scheduler.state,
        "reason": scheduler.reason,
        "hours": _hours(scheduler.updated_at, now),
    }


def _company(identity: Any) -> str:
    return guid(PREFIXES["company"], identity)


def _hours(since: datetime, now: datetime) -> int:
    return int((now - since).total_seconds() // 3600)


def _check(attempt: Transaction, word: str, uri: str) -> None:
    """Ask the processor whether that can be; raises Invalid where it says otherwise."""
    processor, account = limits.processor(), account_of(attempt.company)
    (held,) = payments.held([attempt.pk])
    if word == "succeeded":
        address = uri or held.processor_uri
        if not address:
            raise Invalid(uri="must be the address of the object at the processor")
        _check_moved(processor.fetch(account=account, uri=address), held)
        return
    found = processor.find(held.order(account))
    if found is not None and found.status is not Status.FAILED:
        raise Invalid(
            {"as": f"the processor has {found.uri} for it, {found.status}: that is no {word}"}
        )


def _check_moved(receipt: Receipt, held: Held) -> None:
    if receipt.status is not Status.SUCCEEDED:
        raise Invalid(uri=f"is {receipt.status} at the processor")
    if (str(receipt.kind), receipt.amount, receipt.currency) != (
        held.kind,
        held.amount,
        held.currency,
    ):
        told = Money(receipt.amount, receipt.currency)
        raise Invalid(uri=f"is a {receipt.kind} of {told}, which is not what was asked for")
    if receipt.key not in {None, held.key}:
        raise Invalid(uri=f"carries another key, {receipt.key}")
