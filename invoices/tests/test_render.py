"""An invoice explains itself: in words, at the width of a terminal, and as a page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Company, Customer, FundingInstrument
from audit.record import heads
from core.money import Money
from invoices import one_off, payments, refund, render
from invoices import settle as writing
from invoices.models import AuditFeed
from tasks.outcome import Outcome, Verdict
from tasks.pricing import Line

LOOKS = writing.Looks(lost_seconds=(2,), pending_seconds=60)

STORAGE = Line(
    description="Storage",
    amount=Money(2500, "USD"),
    inputs={
        "quantity": "1250",
        "unit_amount": 2,
        "formula": "quantity * unit_amount",
        "rounding": "none",
    },
)
SILVER = Line(description="the goat - silver", amount=Money(100, "USD"))


@pytest.fixture
def alice(db, now):
    shop = Company.create(name="The Goat Shop", now=now)
    return Customer.create(name="Alice", company=shop, now=now)


@pytest.fixture
def card(alice, now):
    return FundingInstrument.objects.create(
        id=UUID(int=7),
        company=alice.company,
        customer=alice,
        uri="/cards/CC1",
        kind="card",
        label="Visa xx1111",
        can_debit=True,
        can_credit=False,
        created_at=now,
        updated_at=now,
    )


@pytest.fixture
def open_invoice(alice, card, now):
    """Open a one-off invoice of these lines; returns it and the attempt to pay it."""

    def opened(*lines):
        identity, held = one_off.invoice(
            alice, lines=lines, instrument=card, now=now, lease_seconds=60
        )
        return AuditFeed.objects.get(pk=identity), held

    return opened


def come_to(held, verdict, *, now, **said):
    """Settle one attempt as a processor would have it."""
    outcome = Outcome(
        transaction_id=held.transaction_id, verdict=verdict, uri=f"/debits/{held.kind}", **said
    )
    with transaction.atomic():
        chain = heads([held.trail_id])
        writing.settle([(held, outcome)], heads=chain, now=now, looks=LOOKS)


def test_an_unpaid_invoice_shows_its_lines_and_what_is_left(open_invoice):
    feed, _ = open_invoice(SILVER, STORAGE)

    shown = render.document(feed)

    assert [(row.text, row.amount.display(), row.detail) for row in shown.lines] == [
        ("the goat - silver", "$1.00", ""),
        ("Storage", "$25.00", "1250 x $0.02"),
    ]
    assert (shown.title, shown.number, shown.state) == ("Invoice", "INV-000001", "open")
    assert (shown.company, shown.customer) == ("The Goat Shop", "Alice")
    assert (shown.total, shown.left) == (Money(2600, "USD"), Money(2600, "USD"))
    assert shown.payments == ()


def test_what_was_charged_reduces_what_is_left(open_invoice, now):
    feed, (held,) = open_invoice(SILVER)
    come_to(held, Verdict.SUCCEEDED, now=now)
    feed.refresh_from_db()

    shown = render.document(feed)

    assert shown.payments == (render.Row(text="Charged to Visa xx1111", amount=Money(-100, "USD")),)
    assert (shown.state, shown.left) == ("paid", Money(0, "USD"))


def test_what_a_bank_took_back_is_left_to_pay_again(open_invoice, now):
    feed, (held,) = open_invoice(SILVER)
    come_to(held, Verdict.SUCCEEDED, now=now)
    (paid,) = payments.held([held.transaction_id])
    come_to(paid, Verdict.DECLINED, now=now + timedelta(days=2), code="R10", hard=True)
    feed.refresh_from_db()

    shown = render.document(feed)

    assert [row.amount.amount for row in shown.payments] == [-100, 100]
    assert shown.payments[1].text == "Taken back by the bank of Visa xx1111"
    assert shown.left == Money(100, "USD")


def test_a_refund_stands_below_the_sum(open_invoice, now):
    feed, (held,) = open_invoice(SILVER)
    come_to(held, Verdict.SUCCEEDED, now=now)
    feed.refresh_from_db()
    come_to(refund.give_back(feed, amount=40, now=now, lease_seconds=60), "succeeded", now=now)
    feed.refresh_from_db()

    shown = render.document(feed)

    assert shown.given_back == (
        render.Row(text="Refunded to Visa xx1111", amount=Money(40, "USD")),
    )
    assert shown.left == Money(0, "USD")


def test_every_event_is_told_with_its_meaning(open_invoice, now):
    feed, (held,) = open_invoice(SILVER)
    come_to(held, Verdict.DECLINED, now=now, reason="insufficient funds", hard=True)

    shown = render.document(feed)

    assert [each.kind for each in shown.history] == [
        "invoice.opened",
        "debit.declined",
        "invoice.uncollected",
    ]
    assert shown.history[0].amount == "$1.00"
    assert shown.history[1].meaning.endswith("said no: insufficient funds")
    assert shown.history[1].at == "2026-01-01 12:00"


def test_a_planned_attempt_says_for_which_day(open_invoice, now):
    feed, (held,) = open_invoice(SILVER)
    come_to(held, Verdict.DECLINED, now=now)

    shown = render.document(feed)

    planned = [each.meaning for each in shown.history if each.kind == "debit.queued"]
    assert planned == ["debit: another attempt is planned: for 2 January 2026"]


def test_the_text_of_a_paid_invoice_reads_as_one(open_invoice, now):
    feed, (held,) = open_invoice(STORAGE)
    come_to(held, Verdict.SUCCEEDED, now=now)
    feed.refresh_from_db()

    text = render.as_text(render.document(feed), width=60, history=False)

    assert text.splitlines() == [
        "Invoice INV-000001                                      paid",
        "-" * 60,
        "from    The Goat Shop",
        "for     Alice",
        "date    1 January 2026",
        "due     1 January 2026",
        "period  1 January 2026",
        "-" * 60,
        "Storage                                               $25.00",
        "  1250 x $0.02",
        "-" * 60,
        "Total                                                 $25.00",
        "Charged to Visa xx1111                               -$25.00",
        "Left to pay                                            $0.00",
        "-" * 60,
    ]


def test_the_page_says_the_same_and_loads_nothing(open_invoice):
    feed, _ = open_invoice(SILVER, STORAGE)

    page = render.as_html(render.document(feed))

    for words in ("Invoice INV-000001", "The Goat Shop", "Alice", "$26.00", "1250 x $0.02"):
        assert words in page
    assert "src=" not in page
    assert "href=" not in page
    assert "<script" not in page


PLAIN = render.Document(
    title="Invoice",
    number="INV-000001",
    state="paid",
    company="The Goat Shop",
    customer="Alice",
    date="1 January 2026",
    due="1 January 2026",
    period="1 January 2026 to 31 March 2026",
    lines=(render.Row(text="the goat", amount=Money(100, "USD")),),
    total=Money(100, "USD"),
    payments=(),
    left=Money(100, "USD"),
    given_back=(),
    history=(),
)


def test_the_page_shows_markup_in_names_as_text():
    page = render.as_html(replace(PLAIN, customer="<script>alert(1)</script>"))

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@given(
    name=st.text(max_size=120),
    amount=st.integers(-(2**53) + 1, 2**53 - 1),
    width=st.integers(40, 120),
)
def test_no_line_is_wider_than_asked_whatever_a_name_holds(name, amount, width):
    row = render.Row(text=name, amount=Money(amount, "USD"), detail=name)
    happening = render.Happening(
        at="2026-01-01 12:00", kind="debit.declined", meaning=f"no: {name}", amount="-$1.00"
    )
    shown = replace(
        PLAIN, company=name, customer=name, lines=(row,), payments=(row,), history=(happening,)
    )

    lines = render.as_text(shown, width=width).split("\n")

    assert [line for line in lines if render.columns(line) > width] == []


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left_in_a_text(text):
    shown = render.fitted(text, 10_000)

    assert not any(each < " " or each in "\x7f\x9b\u202e" for each in shown)


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [
        ("goat", 4, "goat"),
        ("goats and kids", 8, "goats..."),
        ("山羊山羊", 8, "山羊山羊"),
        ("山羊山羊山", 8, "山羊..."),
        ("\x1b[31mred", 10, "[31mred"),
    ],
)
def test_a_text_is_fitted_into_columns(text, width, fitted):
    assert fitted == render.fitted(text, width)


@pytest.mark.parametrize(
    ("start", "end", "zone", "period"),
    [
        ((2026, 1, 31), (2026, 2, 28), "UTC", "31 January 2026 to 27 February 2026"),
        ((2026, 1, 1), (2026, 1, 2), "UTC", "1 January 2026"),
        ((2026, 1, 1), (2026, 2, 1), "America/New_York", "31 December 2025 to 30 January 2026"),
    ],
)
def test_a_period_ends_on_the_day_before_the_next_one(start, end, zone, period):
    first, after = datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC)

    assert period == render._period(first, after, render.zone_named(zone))
