"""Whether Billy and the processor tell the same story: every transaction, compared one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.money import Money
from invoices.models import Transaction
from processors.base import KEY_META

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from accounts.models import Company
    from billy.demo.desk import Desk

COLLECTIONS = {
    "debit": "debits",
    "credit": "credits",
    "refund": "refunds",
    "reversal": "reversals",
}
# What the processor must say of an attempt in each of our states; the others are unfinished.
STATUSES = {
    "succeeded": "succeeded",
    "pending": "pending",
    "declined": "failed",
    "returned": "failed",
}
# These were never sent, or provably not carried out: the processor must have nothing under the key.
ABSENT = frozenset({"queued", "rejected", "voided"})
NOWHERE = "nothing"

Fact = tuple[str, str]
"""A status and an amount, as both sides are brought to say them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What the comparison came to. `sums` has each kind's count and money that moved."""

    count: int
    moved: Money
    sums: Mapping[str, tuple[int, Money]]
    differences: tuple[str, ...]


def compare(desk: Desk, company: Company) -> Agreement:
    """Read every page of every list at the processor, and compare: key, status and amount."""
    ours = list(Transaction.objects.filter(company=company).order_by("pk"))
    theirs = [
        (kind, item)
        for kind, collection in COLLECTIONS.items()
        for item in desk.everything(collection)
    ]
    return compared(ours, theirs, currency=company.currency)


def compared(
    ours: Iterable[Transaction], theirs: Iterable[tuple[str, dict[str, Any]]], *, currency: str
) -> Agreement:
    """Compare our transactions with the processor's objects, given as (kind, object)."""
    sent = [each for each in ours if each.state not in ABSENT]
    here = {(each.kind, each.key): _our_fact(each) for each in sent}
    there: dict[tuple[str, str], Fact] = {}
    doubled = []
    for kind, item in theirs:
        name = (kind, str((item.get("meta") or {}).get(KEY_META, item.get("id"))))
        if name in there:
            doubled.append(f"{kind} {name[1]}: Balanced has it twice")
        there[name] = (str(item["status"]), f"{item['amount']} {item['currency']}")
    differences = [
        f"{kind} {key}: Billy says {_told(here, kind, key)}, Balanced {_told(there, kind, key)}"
        for kind, key in sorted(here.keys() | there.keys())
        if here.get((kind, key)) != there.get((kind, key))
    ]
    sums = {kind: _sum(sent, kind, currency) for kind in COLLECTIONS}
    return Agreement(
        count=len(sent),
        moved=Money.total((money for _, money in sums.values()), currency=currency),
        sums=sums,
        differences=(*differences, *doubled),
    )


def _our_fact(attempt: Transaction) -> Fact:
    status = STATUSES.get(attempt.state, f"unfinished ({attempt.state})")
    return (status, f"{attempt.amount} {attempt.currency}")


def _told(facts: Mapping[tuple[str, str], Fact], kind: str, key: str) -> str:
    fact = facts.get((kind, key))
    return f"{fact[0]} {fact[1]}" if fact is not None else NOWHERE


def _sum(sent: Iterable[Transaction], kind: str, currency: str) -> tuple[int, Money]:
    """Return how many of a kind there are, and what those that succeeded moved."""
    of_kind = [each for each in sent if each.kind == kind]
    moved = sum(each.amount for each in of_kind if each.state == "succeeded")
    return len(of_kind), Money(moved, currency)
