"""I24: whether the processor says the same, object by object.

The listing comes first and the attempts after it, so that every object has its attempt by then. No
transaction is open while the processor is asked. What does not agree is read again on both sides
before it is called a fault: an answer may have come in between.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from accounts.clock import database_now
from accounts.models import Company
from accounts.open import account_of
from audit.findings import Check, Finding, Scope, Weight, shown
from invoices.models import Transaction
from invoices.states import LEASED
from processors.base import Account, Kind, NotFound, Receipt, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from uuid import UUID

OBJECTS_AT_ONCE: Final = 1_000
OURS: Final = "b1-"  # Every key of Billy's begins so.
# What an object must say of an attempt in a state. The others are answered, or under way.
STATUS_OF: Final = {
    "succeeded": Status.SUCCEEDED,
    "pending": Status.PENDING,
    "declined": Status.FAILED,
    "rejected": Status.FAILED,
    "returned": Status.FAILED,
    "voided": Status.FAILED,
    "queued": Status.FAILED,
}
HAVE_OBJECTS: Final = ("succeeded", "pending", "returned")


class Lister(Protocol):
    """What this check needs of a processor."""

    def listed(
        self, *, account: Account, kind: Kind, since: datetime | None = None
    ) -> Iterator[Receipt]:
        """Yield every money object of a kind, in all statuses and from all pages."""
        ...

    def fetch(self, *, account: Account, uri: str) -> Receipt:
        """Read a money object again. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One account at the processor, and the companies whose money goes through it."""

    name: str
    account: Account
    companies: tuple[UUID, ...]
    processor: Lister

    def attempts(self, **filters: Any) -> dict[tuple[str, str], Transaction]:
        """Return this account's attempts by kind and key, as they are now."""
        found = Transaction.objects.filter(
            processor_account=self.name, company__in=self.companies, **filters
        )
        return {(each.kind, each.key): each for each in found}


def compare(scope: Scope) -> Iterator[Finding]:
    """Yield what the processor and the tables do not both say, account by account."""
    sides = list(_sides(scope.processor))
    for side in sides:
        yield from _compare(side, scope)
    known = {side.name for side in sides}
    others = Transaction.objects.exclude(processor_account__in=known)
    names = others.order_by("processor_account").values_list("processor_account", flat=True)
    for name in names.distinct():
        why = "no company has a key to it now, so its attempts are not compared"
        yield Finding(f"account {name}", why, Weight.WARNING)


def _sides(processor: Lister) -> Iterator[Side]:
    """Yield the accounts: two companies may share one, and then they share its objects too."""
    companies: dict[str, list[Company]] = {}
    for company in Company.objects.order_by("pk"):
        if company.processor_key:
            companies.setdefault(company.processor_account, []).append(company)
    for name, members in companies.items():
        yield Side(
            name=name,
            account=account_of(members[0]),
            companies=tuple(each.pk for each in members),
            processor=processor,
        )


def _compare(side: Side, scope: Scope) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    sums: Counter[tuple[str, str]] = Counter()  # The processor's less ours; zero where they agree.
    for kind in Kind:
        for receipts in _pages(side.processor.listed(account=side.account, kind=kind)):
            named = [each for each in receipts if each.key]
            attempts = side.attempts(kind=str(kind), key__in=[each.key for each in named])
            for receipt in named:
                place = (str(kind), str(receipt.key))
                if place in seen:
                    yield Finding(receipt.uri, f"is the second object under {receipt.key}")
                seen.add(place)
                yield from _judged(side, attempts.get(place), receipt, sums)
            scope.step(len(receipts))
    yield from _phantoms(side, seen, sums)
    for (kind_name, currency), difference in sorted(sums.items()):
        if difference:
            why = f"the processor has {difference:+} minor units more of {kind_name}s than we"
            yield Finding(f"account {side.name} {currency}", why)


def _judged(
    side: Side,
    attempt: Transaction | None,
    receipt: Receipt,
    sums: Counter[tuple[str, str]],
) -> Iterator[Finding]:
    """Yield what is wrong with an object and its attempt, both read again first."""
    now = database_now()
    if attempt is not None and _difference(attempt, receipt, now):
        receipt = side.processor.fetch(account=side.account, uri=receipt.uri)
        attempt.refresh_from_db()
    _add(sums, receipt, attempt)
    if attempt is None:
        if str(receipt.key).startswith(OURS):
            yield Finding(receipt.uri, f"is an orphan: no attempt has its key {receipt.key}")
        return
    if _is_in_flight(attempt, now):
        yield Finding(shown("transaction", attempt.pk), "is under way", Weight.FLIGHT)
    if difference := _difference(attempt, receipt, now):
        yield Finding(shown("transaction", attempt.pk), difference)


def _difference(attempt: Transaction, receipt: Receipt, now: datetime) -> str:
    """Return what an attempt and its object do not both say; nothing where they agree."""
    if (attempt.amount, attempt.currency) != (receipt.amount, receipt.currency):
        ours = f"{attempt.amount} {attempt.currency}"
        return f"is {ours}, there it is {receipt.amount} {receipt.currency}"
    if attempt.processor_uri and attempt.processor_uri != receipt.uri:
        return f"names {attempt.processor_uri}, its key names {receipt.uri}"
    expected = STATUS_OF.get(attempt.state)
    if expected in {None, receipt.status} or _is_in_flight(attempt, now):
        return ""
    return f"is {attempt.state}, there it is {receipt.status}"


def _is_in_flight(attempt: Transaction, now: datetime) -> bool:
    """Return whether the answer is still to come, and nobody is late with asking for it."""
    if attempt.state in LEASED:
        return True  # One that stays so for too long is I16's.
    look = attempt.next_look_at
    return attempt.state == "pending" and look is not None and look + GRACE > now


def _phantoms(
    side: Side, seen: set[tuple[str, str]], sums: Counter[tuple[str, str]]
) -> Iterator[Finding]:
    """Yield attempts that say money moved, and whose object is not there."""
    moved = Transaction.objects.filter(
        processor_account=side.name, company__in=side.companies, state__in=HAVE_OBJECTS
    )
    for attempt in moved.order_by("pk").iterator(chunk_size=OBJECTS_AT_ONCE):
        if (attempt.kind, attempt.key) in seen:
            continue
        try:
            receipt = side.processor.fetch(account=side.account, uri=str(attempt.processor_uri))
        except NotFound:
            _add(sums, None, attempt)
            yield Finding(
                shown("transaction", attempt.pk),
                f"is a phantom: {attempt.state}, and the processor has no such object",
            )
        else:
            if receipt.key == attempt.key:  # Made since the listing began.
                yield from _judged(side, attempt, receipt, sums)
                continue
            _add(sums, None, attempt)
            yield Finding(shown("transaction", attempt.pk), "its object has another key there")


def _add(
    sums: Counter[tuple[str, str]], receipt: Receipt | None, attempt: Transaction | None
) -> None:
    """Add both sides' word of one movement; one under way is on neither."""
    if attempt is not None and attempt.state in LEASED:
        return
    if receipt is not None and receipt.status == Status.SUCCEEDED:
        is_awaited = attempt is not None and attempt.state == "pending"
        sums[str(receipt.kind), receipt.currency] += 0 if is_awaited else receipt.amount
    if attempt is not None and attempt.state == "succeeded":
        sums[attempt.kind, attempt.currency] -= attempt.amount


def _pages(receipts: Iterable[Receipt]) -> Iterator[list[Receipt]]:
    page: list[Receipt] = []
    for receipt in receipts:
        page.append(receipt)
        if len(page) == OBJECTS_AT_ONCE:
            yield page
            page = []
    if page:
        yield page


GRACE: Final = timedelta(
    minutes=15
)  # A look that is due is made by the next sweep, or a later one.

CHECKS = (Check(id="I24", title="the processor says the same", depth="processor", find=compare),)
