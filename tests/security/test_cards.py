"""No text that comes in may be the number of a payment card: it is refused, and not repeated."""

import csv
import io
import random
from itertools import cycle

import pytest
from django.contrib import admin

from accounts.models import Company, Customer
from audit.read_only import ReadOnly
from billy.front import record_usage
from billy.tests.processes import ending
from conftest import instrument_of, subscribe
from core.cards import contains_card_number
from core.invalid import CardNumber, Invalid
from core.money import Money
from invoices import one_off
from invoices.collect import waive
from invoices.models import AuditFeed
from plans.models import Payout, Plan
from schedulers.importing import COLUMNS, read
from tasks.pricing import Line
from tests.hostile.judge import dumped
from webhooks import receive

pytestmark = pytest.mark.django_db

COUNT = 200
# Networks' own first digits and lengths; the numbers are made, and none is a real card's.
STEMS = [("4", 16), ("51", 16), ("2223", 16), ("37", 15), ("6011", 16), ("35", 16), ("30", 14)]
STEMS += [("62", 19), ("6304", 12 + 1), ("4", 13)]


def card(stem, length, chance):
    digits = stem + "".join(chance.choice("0123456789") for _ in range(length - len(stem) - 1))
    total = sum(
        sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(digits[::-1])
    )
    return digits + str(-total % 10)


CHANCE = random.Random(7)
CARDS = [card(*STEMS[number % len(STEMS)], CHANCE) for number in range(COUNT)]


def fours(number, separator):
    return separator.join(number[start : start + 4] for start in range(0, len(number), 4))


FORMS = [
    lambda number: number,
    lambda number: f"my card is {number}, thanks",
    lambda number: fours(number, " "),
    lambda number: fours(number, "-"),
    lambda number: fours(number, "/"),
    lambda number: fours(number, "_"),
    lambda number: fours(number, ", "),
    lambda number: fours(number, "\u2011"),
    lambda number: fours(number, "\u2003"),
    " ".join,
    lambda number: number.translate({48 + digit: 0x660 + digit for digit in range(10)}),
    lambda number: number.translate({48 + digit: 0xFF10 + digit for digit in range(10)}),
]
WRITTEN = [form(number) for number, form in zip(CARDS, cycle(FORMS), strict=False)]


@pytest.fixture
def inputs(goat, alice, now):
    """Every place where text comes in, by name; each raises before anything is written."""
    return (
        rows(alice.company, now=now) | terms(goat, alice, now=now) | reports(goat, alice, now=now)
    )


def rows(company, *, now):
    """Return the texts of companies, customers and offers."""

    def offer(kind, name):
        return lambda text: kind.create(
            amount=100,
            company=company,
            now=now,
            **({"params": {"a": [text]}} if name == "params" else {name: text}),
        )

    return {
        **{
            f"{kind.__name__}.{name}": offer(kind, name)
            for kind in (Plan, Payout)
            for name in ("description", "external_id", "params", "time_zone", "rule")
        },
        **{
            f"Customer.{name}": lambda text, name=name: Customer.create(
                company=company, now=now, **{name: text}
            )
            for name in ("name", "email", "external_id", "time_zone")
        },
        **{
            f"Company.{name}": lambda text, name=name: Company.create(
                now=now, **({"name": "a"} | {name: text})
            )
            for name in ("name", "external_id", "time_zone", "processor_url")
        },
    }


def terms(plan, customer, *, now):
    """Return the texts of a subscription."""

    def subscription(name, shaped=lambda text: text):
        return lambda text: subscribe(plan, customer, now=now, **{name: shaped(text)})

    rule = {"customer": customer.guid, "instrument": instrument_of(customer).guid}
    rule |= {"share": 10, "after_days": 1}
    return {
        "subscribe.external_id": subscription("external_id"),
        "subscribe.params": subscription("params", lambda text: {"note": text}),
        "subscribe.name of a param": subscription("params", lambda text: {text: "note"}),
        "subscribe.statement_text": subscription("statement_text"),
        "subscribe.retry_policy": subscription("retry_policy", lambda text: {"end": text}),
        "subscribe.name in a retry_policy": subscription("retry_policy", lambda text: {text: 1}),
        "subscribe.role": subscription("follow_ups", lambda text: [rule | {"role": text}]),
    }


def reports(plan, customer, *, now):
    """Return the texts of usage and invoices."""
    scheduler = subscribe(plan, customer, now=now)

    def invoice(text, **terms):
        line = Line(description=text, amount=Money(100, "USD"))
        one_off.invoice(customer, lines=[line], now=now, lease_seconds=1, **terms)

    return {
        **{
            f"usage.{name}": lambda text, name=name: record_usage(
                scheduler=scheduler,
                **({"metric": "gb", "quantity": 1, "at": now, "external_id": "a"} | {name: text}),
            )
            for name in ("metric", "external_id", "quantity")
        },
        "invoice line": invoice,
        "invoice external_id": lambda text: invoice("x", external_id=text),
        "invoice statement_text": lambda text: invoice("x", statement_text=text),
        "waive": lambda text: waive(draft(customer, now=now), now=now, reason=text),
    }


def draft(customer, *, now):
    """Return an invoice that waits to be paid."""
    line = Line(description="Hay", amount=Money(100, "USD"))
    identity, _ = one_off.invoice(customer, lines=[line], now=now, lease_seconds=1)
    return AuditFeed.objects.get(pk=identity)


def test_every_number_is_found_in_every_writing():
    assert [
        text
        for number in CARDS
        for text in map(str, (f(number) for f in FORMS))
        if not contains_card_number(text)
    ] == []


def test_no_text_takes_a_card_and_no_refusal_repeats_it(inputs):
    accepted, repeated = [], []
    for name, take in inputs.items():
        for text in WRITTEN:
            if name == "usage.quantity" and text.isascii() and text.isdigit():
                continue  # Plain digits are a quantity there, and no text.
            try:
                take(text)
            except Invalid as refusal:
                if text in str(refusal) or contains_card_number(str(refusal)):
                    repeated.append((name, text))
            else:
                accepted.append((name, text))

    assert ({*accepted}, repeated) == (set(), [])
    dump = dumped().decode()
    assert not any(number in dump for number in CARDS)


@pytest.mark.parametrize("column", COLUMNS)
def test_no_column_of_an_import_takes_one(column):
    row = dict.fromkeys(COLUMNS, "") | {"external_id": "a", "plan": "goat", "amount": "1"}
    row |= {"started_at": "2026-01-01", "funding_instrument_uri": "/cards/CC1"}
    for text in WRITTEN:
        if column == "amount" and text.isascii() and text.isdigit():
            continue  # Whole digits are an amount there, and no text.
        with pytest.raises(Invalid) as refusal:
            read(2, row | {column: text})
        assert text not in str(refusal.value)


def test_an_import_tells_the_line_and_not_the_number(marketplace, tmp_path):
    path, out = tmp_path / "rows.csv", io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerow(dict.fromkeys(COLUMNS, "") | {"external_id": CARDS[0], "name": CARDS[1]})
    path.write_text(out.getvalue())

    said = ending("import_subscriptions", str(path), company=marketplace.guid)

    assert "line 2: " in said
    assert not any(number in said for number in CARDS[:2])


@pytest.mark.parametrize("text", WRITTEN[:24])
def test_a_callback_s_event_is_no_card(text):
    body = f'{{"id": "{text}"}}'.encode()

    with pytest.raises(Invalid) as refusal:
        receive.event_of(body)

    assert text not in str(refusal.value)
    assert isinstance(refusal.value, CardNumber) == text.isalnum() or not text.isascii()


@pytest.mark.parametrize("text", WRITTEN[:24])
def test_a_callback_s_body_is_not_kept_with_one(text):
    kept = receive._kept(f'{{"id": "EV1", "note": "{text}"}}'.encode())

    assert kept == receive.LEFT_OUT


@pytest.mark.parametrize("text", WRITTEN[:24])
def test_no_search_of_the_admin_takes_one(admin_client, text):
    page = next(each for each in admin.site._registry.values() if isinstance(each, ReadOnly))

    answer = admin_client.get(page.search_address(text))

    assert answer.status_code == 422
    assert text not in answer.content.decode()
