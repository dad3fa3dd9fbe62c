"""The shop of `manage.py quickstart`: made once, found again ever after.

What must be the same next time and cannot be read back from the database (passwords and keys are
kept there as fingerprints only) is noted in one file that its owner alone can read.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import transaction

import processors
from accounts import open as opening
from accounts.enroll import enroll
from accounts.models import ApiKey, Company, Customer
from accounts.open import account_of
from audit.record import heads, record
from billy.demo.desk import Desk
from billy.management.commands.bootstrap import callback_address
from core.frequency import Frequency
from core.ids import PREFIXES, parse_guid
from plans.models import Payout, Plan
from processors.base import Account, Misconfigured
from schedulers.subscribe import Subscription, subscribe

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

ADMIN = "admin"
DECLINED_CARD = "4444444444444448"  # Balanced's own test number: every charge is declined.
SOON = timedelta(minutes=5)  # The payroll waits for the first charges: it is paid out of them.


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is remembered from one start to the next; empty and 0 where there is nothing yet."""

    password: str = ""
    company: str = ""
    api_key: str = ""
    web_port: int = 0
    sandbox_port: int = 0

    @classmethod
    def read(cls, path: Path) -> Note:
        """Return the note, an empty one where there is none or it cannot be understood."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(**found)
        except (FileNotFoundError, ValueError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        """Keep the note, readable by its owner only, all of it or nothing."""
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
        unfinished.rename(path)


def prepare(note: Note, *, sandbox_url: str, web_url: str, now: datetime) -> Note:
    """Return the note completed: company, key, admin and a few customers are there afterwards.

    What is there already is left as it is, but for the address of a sandbox that has moved.
    """
    note, company = _company(note, sandbox_url=sandbox_url, now=now)
    note = _admin(_api_key(note, company, now=now))
    account = account_of(company)
    processors.load("balanced").register_callback(
        account=account, url=callback_address(web_url, company)
    )
    if not Customer.objects.filter(company=company).exists():
        _customers(company, Desk(account), now=now)
    return note


def _company(note: Note, *, sandbox_url: str, now: datetime) -> tuple[Note, Company]:
    """Return the company of the note, if database and sandbox still know it, or a new one."""
    processor = processors.load("balanced")
    if note.company:
        identity = parse_guid(note.company, PREFIXES["company"])
        company = Company.objects.filter(pk=identity).first()
        if company is not None and _is_known(company, sandbox_url):
            _move(company, sandbox_url, now=now)
            return note, company
    company, clear = enroll(
        name="The Goat Shop",
        account=processor.open_account(url=sandbox_url),
        processor=processor,
        now=now,
    )
    return replace(note, company=company.guid, api_key=clear), company


def _is_known(company: Company, url: str) -> bool:
    """Return whether the sandbox still has the company's account: its ledger may be a new one."""
    account = Account(url=url, secret=company.processor_key)
    try:
        found = processors.load("balanced").identify(account=account)
    except Misconfigured:
        return False
    return found == company.processor_account


def _move(company: Company, url: str, *, now: datetime) -> None:
    """Write down that the company's sandbox listens elsewhere now."""
    if company.processor_url == url:
        return
    with transaction.atomic():
        chain = heads([company.pk])
        company.processor_url = url
        company.updated_at = now
        company.save(update_fields=["processor_url", "updated_at"])
        name = f"company.changed/{chain[company.pk].seq}"
        fact = company.fact("company.changed", {"processor_url": url}, dedupe=name)
        record([fact], heads=chain, now=now)


def _api_key(note: Note, company: Company, *, now: datetime) -> Note:
    known = ApiKey.find(note.api_key, now=now) if note.api_key else None
    if known is not None and known.company_id == company.pk:
        return note
    _, clear = ApiKey.issue(company, now=now)
    return replace(note, api_key=clear)


def _admin(note: Note) -> Note:
    """Make the user for the admin pages; one who has chosen another password keeps it."""
    users = get_user_model().objects
    if users.filter(username=ADMIN).exists():
        return note
    password = note.password or secrets.token_urlsafe(12)
    users.create_superuser(ADMIN, password=password)
    return replace(note, password=password)


def _customers(company: Company, desk: Desk, *, now: datetime) -> None:
    """Subscribe a few people, so that the pages have something to show."""
    silver = Plan.create(
        amount=100,
        description="the goat - silver",
        trial_period=timedelta(weeks=2),
        frequency=Frequency.MONTHLY,
        interval=3,
        company=company,
        now=now,
    )
    gold = Plan.create(amount=2_900, description="the goat - gold", company=company, now=now)
    payroll = Payout.create(
        amount=1_000,
        description="payroll",
        frequency=Frequency.WEEKLY,
        company=company,
        now=now,
    )
    people: tuple[tuple[str, Plan, str, datetime], ...] = (
        ("Alice", silver, desk.card(name="Alice"), now),
        ("Bob", gold, desk.bank_account(name="Bob", number="8800000011", verified=True), now),
        ("Carol", payroll, desk.bank_account(name="Carol", number="8800000022"), now + SOON),
        ("Dave", gold, desk.card(name="Dave", number=DECLINED_CARD), now),
        ("Erin", gold, desk.card(name="Erin"), now),
    )
    for name, plan, uri, starts_at in people:
        customer = Customer.create(name=name, company=company, now=now)
        instrument = opening.instrument(
            uri, customer=customer, processor=processors.load("balanced"), now=now
        )
        wanted = Subscription(
            plan=plan, customer=customer, instrument=instrument, started_at=starts_at
        )
        subscribe(wanted, now=now)
    desk.close()
