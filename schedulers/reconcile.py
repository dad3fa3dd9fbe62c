"""After a database was set back: ask the processor for all that it has, and adopt what is ours.

Each object is known by the key that it carries. Of an attempt that the database has, the object is
evidence, as if a callback had told of it. A key that the database will make again needs nothing:
it is asked for again and answered with the same object. What is left belongs to nothing here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from accounts.open import account_of
from invoices.models import Transaction
from invoices.states import TRANSACTION_MOVES
from processors.base import Kind, Receipt, Status
from schedulers import again, cycle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from accounts.models import Company
    from processors.base import Processor
    from schedulers.limits import Limits

GROUP = 500  # Objects whose attempts are looked up in one go.


class Fate(StrEnum):
    """What an object at the processor is to this database."""

    KNOWN = "known"  # Its attempt says the same.
    ADOPTED = "adopted"  # Its attempt was settled by it.
    REPLAYS = "replays"  # Its key will be asked for again, and answered with it.
    ORPHAN = "orphan"  # It carries a key that nothing here has or will have.
    CONFLICT = "conflict"  # Its attempt says otherwise, and a person must look.
    FOREIGN = "foreign"  # It carries no key: Billy did not make it.


# These say that a person must look before payments leave again.
FOR_A_PERSON = frozenset({Fate.ORPHAN, Fate.CONFLICT})
# What an attempt's state means for the money, as the processor would say it.
SAID = {
    "succeeded": Status.SUCCEEDED,
    "pending": Status.PENDING,
    "declined": Status.FAILED,
    "rejected": Status.FAILED,
    "returned": Status.FAILED,
    "voided": Status.FAILED,
}
TOLD = {Status.SUCCEEDED: "succeeded", Status.PENDING: "pending", Status.FAILED: "declined"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object at the processor, what it is to this database, and why."""

    receipt: Receipt
    fate: Fate
    why: str = ""
    attempt: str = ""  # The guid of its attempt, where there is one.


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a company is reconciled: through whom, at what time, and whether anything is written."""

    processor: Processor
    now: datetime
    limits: Limits
    since: datetime | None = None
    dry_run: bool = False


def reconcile(company: Company, asking: Asking) -> Iterator[Found]:
    """Yield every object of a company's account with its fate; adopts unless it is a dry run.

    Raises Invalid for a company without a processor key, and ProcessorError where the processor
    cannot be asked.
    """
    unmatched: list[Receipt] = []
    for group in _groups(company, asking):
        attempts = _attempts(company, group)
        for receipt in group:
            if receipt.key is None:
                yield Found(receipt=receipt, fate=Fate.FOREIGN)
            elif receipt.key in attempts:
                yield _judged(receipt, attempts[receipt.key], asking)
            else:
                unmatched.append(receipt)
    yield from _without_attempt(company, unmatched, asking)


def _groups(company: Company, asking: Asking) -> Iterator[list[Receipt]]:
    account = account_of(company)
    for kind in Kind:
        listed = asking.processor.listed(account=account, kind=kind, since=asking.since)
        while group := list(islice(listed, GROUP)):
            yield group


def _attempts(company: Company, group: list[Receipt]) -> dict[str, Transaction]:
    found = Transaction.objects.filter(
        processor_account=company.processor_account,
        company=company,
        key__in=[receipt.key for receipt in group if receipt.key],
    )
    return {attempt.key: attempt for attempt in found}


def _judged(receipt: Receipt, attempt: Transaction, asking: Asking) -> Found:
    """Return what an object is to its attempt; settles the attempt where it is news."""

    def found(fate: Fate, why: str = "") -> Found:
        return Found(receipt=receipt, fate=fate, why=why, attempt=attempt.guid)

    if why := _objection(receipt, attempt):
        return found(Fate.CONFLICT, why)
    if SAID.get(attempt.state) == receipt.status:
        return found(Fate.KNOWN)
    if attempt.state == "queued":
        return found(Fate.REPLAYS)
    if not _is_news(attempt.state, receipt):
        return found(Fate.CONFLICT, f"its attempt is {attempt.state}")
    if not asking.dry_run:
        settled = cycle.believe(attempt.pk, receipt, now=asking.now, limits=asking.limits)
        if any(each.state == "parked" for each in settled):
            return found(Fate.CONFLICT, "it could not be written, so its attempt was parked")
    return found(Fate.ADOPTED, f"its attempt was {attempt.state}")


def _objection(receipt: Receipt, attempt: Transaction) -> str:
    """Return why an object cannot be the attempt's, or not without a person; else nothing."""
    asked = (attempt.kind, attempt.amount, attempt.currency)
    if asked != (str(receipt.kind), receipt.amount, receipt.currency):
        return f"was asked for as {attempt.amount} {attempt.currency}"
    if attempt.processor_uri not in {None, receipt.uri} and receipt.status is not Status.FAILED:
        return f"is a second one beside {attempt.processor_uri}"
    if attempt.state == "parked":
        return "its attempt is parked: close it by `manage.py parked`"
    return ""


def _is_news(state: str, receipt: Receipt) -> bool:
    if state == "succeeded":
        return receipt.status is Status.FAILED  # A bank brought it back.
    return TOLD[receipt.status] in TRANSACTION_MOVES[state]


def _without_attempt(company: Company, unmatched: list[Receipt], asking: Asking) -> Iterator[Found]:
    """Yield the fates of objects whose key no attempt had when they were listed.

    One adopted meanwhile may have brought forth the next attempt, or a payout that follows it.
    """
    born: dict[str, Transaction] = {}
    for start in range(0, len(unmatched), GROUP):
        born |= _attempts(company, unmatched[start : start + GROUP])
    keys = [receipt.key for receipt in unmatched if receipt.key]
    to_come = again.among(set(keys) - born.keys(), company=company.pk, now=asking.now)
    moved = Counter(each.key for each in unmatched if each.status is not Status.FAILED)
    for receipt in unmatched:
        key = receipt.key or ""
        if key in born:
            yield _judged(receipt, born[key], asking)
        elif moved[key] > 1:
            why = f"is one of {moved[key]} under the key {key}"
            yield Found(receipt=receipt, fate=Fate.CONFLICT, why=why)
        elif key in to_come:
            yield Found(receipt=receipt, fate=Fate.REPLAYS)
        else:
            why = f"nothing here has the key {key}, and nothing will ask for it by itself"
            yield Found(receipt=receipt, fate=Fate.ORPHAN, why=why)
