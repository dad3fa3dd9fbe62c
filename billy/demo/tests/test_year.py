"""The year goes on when callbacks are lost, and stops where it goes round in circles."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

import processors
from accounts import open as opening
from accounts.enroll import enroll
from accounts.models import Customer
from billy.demo.children import sandbox
from billy.demo.desk import Desk, DeskError
from billy.demo.mailbox import Mailbox
from billy.demo.year import BANK_DELAY, Ears, Happening, Stuck, Year
from invoices.models import Transaction
from plans.models import Plan
from schedulers.models import Scheduler
from schedulers.subscribe import Subscription, subscribe

START = datetime(2026, 1, 1, tzinfo=UTC)
DELAY = str(BANK_DELAY // timedelta(seconds=1))


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """One sandbox for all tests of this file; each opens an account of its own."""
    ledger = tmp_path_factory.mktemp("bank") / "ledger.jsonl"
    with sandbox("--port", "0", "--ledger", str(ledger), "--ach-delay", DELAY) as running:
        yield running.wait_ready().split()[-1]


@pytest.fixture
def desk(bank):
    account = processors.load("balanced").open_account(url=bank)
    made = Desk(account)
    made.set_clock(START)
    made.account = account
    yield made
    made.close()


@pytest.fixture
def bob(desk, database):
    """Bob, who is charged a dollar each month from his bank account."""
    processor = processors.load("balanced")
    shop, _ = enroll(name="Shop", account=desk.account, processor=processor, now=START)
    bob = Customer.create(name="Bob", company=shop, now=START)
    uri = desk.bank_account(name="Bob", number="8800000011", verified=True)
    account = opening.instrument(uri, customer=bob, processor=processor, now=START)
    plan = Plan.create(amount=100, description="goat", company=shop, now=START)
    wanted = Subscription(
        plan=plan, customer=bob, instrument=account, started_at=date(2026, 1, 5), ends_after=1
    )
    subscribe(wanted, now=START)
    return bob


@pytest.fixture
def heard():
    return []


@pytest.fixture
def year(desk, heard):
    """A year in which no callback ever comes: nobody was asked to call."""
    ears = Ears(
        settled=lambda each: heard.append(("settled", each.state)),
        called_back=lambda each: heard.append(("called back", each.state)),
    )
    with Mailbox() as mailbox:
        yield Year(desk=desk, mailbox=mailbox, ears=ears, now=START, patience_seconds=0)


def test_what_no_callback_told_is_asked_for(bob, year, heard):
    year.live([], until=START + timedelta(days=20))

    assert heard == [("settled", "pending"), ("called back", "succeeded")]
    assert Transaction.objects.get().state == "succeeded"
    assert (year.now, year.callbacks) == (START + timedelta(days=20), 0)


def test_what_happens_is_done_at_its_instant_and_before_what_is_due(bob, year, heard):
    at = datetime(2026, 1, 5, 4, tzinfo=UTC)
    days = [Happening(at=at, act=lambda: heard.append(("acted", year.now)))]

    year.live(days, until=START + timedelta(days=6))

    assert heard == [("acted", at), ("settled", "pending")]


def test_a_bank_that_never_answers_is_named(bob, year, desk):
    year.live([], until=START + timedelta(days=6))
    (debit,) = desk.everything("debits")
    desk.set_clock = lambda _: None  # The bank's time stands still from here on.

    with pytest.raises(Stuck, match=f"{debit['href']} should be settled by 2026-01-08"):
        year.live([], until=START + timedelta(days=20))


def test_an_instant_that_never_comes_to_rest_is_named(bob, year):
    company = bob.company
    company.calls_paused_until = datetime(2999, 1, 1, tzinfo=UTC)  # So nothing due is ever taken.
    company.save(update_fields=["calls_paused_until"])

    with pytest.raises(Stuck, match="2026-01-05 04:00: still at work after 20 passes"):
        year.live([], until=START + timedelta(days=20))

    assert Scheduler.objects.get().occurrence == 0


def test_a_list_is_read_page_by_page_in_every_status(desk):
    card = desk.card(name="Alice")
    desk.decline(card, times=1, reason="Insufficient funds.")
    with pytest.raises(DeskError, match="402"):
        desk._call("POST", f"{card}/debits", {"amount": 100})
    for _ in range(102):
        desk._call("POST", f"{card}/debits", {"amount": 100})

    found = list(desk.everything("debits"))

    assert len({item["id"] for item in found}) == len(found) == 103
    assert sorted({item["status"] for item in found}) == ["failed", "succeeded"]


def test_a_refusal_is_shown_with_what_was_asked(desk):
    with pytest.raises(DeskError, match="POST /_sandbox/settle: 40"):
        desk.bring_back("/debits/WDnothing", code="R01")


def test_a_sandbox_that_is_gone_is_said_to_be(tmp_path):
    with sandbox("--port", "0", "--ledger", str(tmp_path / "ledger.jsonl")) as running:
        url = running.wait_ready().split()[-1]
        account = processors.load("balanced").open_account(url=url)

    with pytest.raises(DeskError, match="the sandbox does not answer"):
        Desk(account).card(name="Alice")
