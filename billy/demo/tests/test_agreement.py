"""Both sides are compared one by one: key, status and amount."""

from __future__ import annotations

from uuid import UUID

import pytest

from billy.demo import agreement
from core.money import Money
from invoices.models import Transaction


def ours(**fields):
    given_ = {"kind": "debit", "key": "k1", "state": "succeeded", "amount": 100, "currency": "USD"}
    return Transaction(id=UUID(int=1), **(given_ | fields))


def theirs(kind="debit", key="k1", status="succeeded", amount=100, currency="USD"):
    item = {"id": "WD1", "status": status, "amount": amount, "currency": currency}
    return kind, item | {"meta": {"billy.key": key}}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("succeeded", "succeeded"),
        ("pending", "pending"),
        ("declined", "failed"),
        ("returned", "failed"),
    ],
)
def test_a_state_of_ours_agrees_with_the_status_it_stands_for(state, status):
    found = agreement.compared([ours(state=state)], [theirs(status=status)], currency="USD")

    assert (found.count, found.differences) == (1, ())


@pytest.mark.parametrize("state", ["queued", "rejected", "voided"])
def test_what_was_never_sent_is_not_missed(state):
    found = agreement.compared([ours(state=state)], [], currency="USD")

    assert (found.count, found.differences) == (0, ())


@pytest.mark.parametrize(
    ("here", "there", "difference"),
    [
        ([ours()], [], "debit k1: Billy says succeeded 100 USD, Balanced nothing"),
        ([], [theirs()], "debit k1: Billy says nothing, Balanced succeeded 100 USD"),
        (
            [ours()],
            [theirs(amount=101)],
            "debit k1: Billy says succeeded 100 USD, Balanced succeeded 101 USD",
        ),
        (
            [ours()],
            [theirs(currency="EUR")],
            "debit k1: Billy says succeeded 100 USD, Balanced succeeded 100 EUR",
        ),
        (
            [ours()],
            [theirs(status="failed")],
            "debit k1: Billy says succeeded 100 USD, Balanced failed 100 USD",
        ),
        (
            [ours(state="unknown")],
            [theirs()],
            "debit k1: Billy says unfinished (unknown) 100 USD, Balanced succeeded 100 USD",
        ),
        (
            [ours(state="queued")],
            [theirs()],
            "debit k1: Billy says nothing, Balanced succeeded 100 USD",
        ),
        ([ours()], [theirs(), theirs()], "debit k1: Balanced has it twice"),
    ],
)
def test_each_difference_is_named(here, there, difference):
    found = agreement.compared(here, there, currency="USD")

    assert found.differences == (difference,)


def test_an_object_without_a_key_of_ours_is_a_difference():
    _, item = theirs()
    found = agreement.compared([], [("debit", item | {"meta": {}})], currency="USD")

    assert found.differences == ("debit WD1: Billy says nothing, Balanced succeeded 100 USD",)


def test_only_what_succeeded_counts_as_moved():
    sent = [ours(), ours(key="k2", state="declined"), ours(key="k3", kind="refund", amount=40)]
    there = [theirs(), theirs(key="k2", status="failed"), theirs("refund", "k3", amount=40)]

    found = agreement.compared(sent, there, currency="USD")

    assert (found.count, found.moved) == (3, Money(140, "USD"))
    assert found.sums["debit"] == (2, Money(100, "USD"))
