"""How a merchant reads an invoice and its payments."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User

from audit.shown import badge, money
from conftest import subscribe, tick
from invoices.models import AuditFeed, Transaction
from processors.memory import Declined


@pytest.fixture
def browser(client, database):
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def feed(goat, alice, memory, now):
    """Alice's first invoice, whose first attempt was declined."""
    scheduler = subscribe(goat, alice, now=now)
    memory.script.append(Declined(reason="The card has no limit left"))
    tick(memory, now=now)
    return AuditFeed.objects.get(trail_id=scheduler.pk)


def found(browser, model, term):
    page = admin.site.get_model_admin(model)
    return list(browser.get(page.search_address(term)).context["cl"].result_list)


def shown(browser, thing):
    page = admin.site.get_model_admin(type(thing))
    return browser.get(page.address(thing.pk))


def test_an_invoice_shows_its_money_lines_attempts_and_events(browser, feed):
    answer = shown(browser, feed)

    lines, attempts, events = answer.context["tables"]
    assert lines.rows == (("the goat - silver", "-", money(100, "USD")),)
    assert [row[2] for row in attempts.rows] == [badge("declined"), badge("queued")]
    assert [row[1] for row in events.rows] == [
        "invoice.opened",
        "debit.declined",
        "debit.queued",
        "scheduler.past_due",
    ]
    assert money(100, "USD") in answer.content.decode()


def test_an_invoice_links_what_it_is_about(browser, feed, alice, goat):
    html = shown(browser, feed).content.decode()

    for guid in (alice.guid, goat.guid, feed.instrument.guid, Transaction.objects.first().guid):
        assert f"/{guid}/change/" in html


def test_an_attempt_shows_why_it_failed(browser, feed):
    attempt = feed.transaction_set.get(attempt=1)

    answer = shown(browser, attempt)

    failures, events = answer.context["tables"]
    assert [row[1:] for row in failures.rows] == [
        ("declined", "card-declined", "The card has no limit left")
    ]
    assert [row[1] for row in events.rows] == ["debit.declined", "debit.queued"]


def test_invoices_are_found_by_whatever_names_them(browser, feed, goat, bob, memory, now):
    subscribe(goat, bob, now=now)
    tick(memory, now=now)
    names = [
        *(feed.guid, str(feed.pk), feed.customer.guid, feed.transaction_set.first().guid),
        *(f"  {feed.guid} ", "Alice"),
    ]

    for name in names:
        assert found(browser, AuditFeed, name) == [feed]
    assert len(found(browser, AuditFeed, goat.guid)) == 2
    assert len(found(browser, AuditFeed, feed.company.guid)) == 2
    assert found(browser, AuditFeed, "nobody") == []


def test_transactions_are_found_by_key_and_by_what_the_processor_calls_them(browser, feed):
    attempt = feed.transaction_set.get(attempt=1)

    assert found(browser, Transaction, attempt.key) == [attempt]
    assert found(browser, Transaction, attempt.processor_uri) == [attempt]
    assert len(found(browser, Transaction, feed.guid)) == 2


@pytest.mark.parametrize(
    ("query", "count"),
    [
        *(("state=open", 1), ("state=settled", 0), ("direction=debit", 1), ("direction=credit", 0)),
        *(("due_at__year=2026&due_at__month=1", 1), ("due_at__year=2026&due_at__month=2", 0)),
    ],
)
def test_invoices_are_filtered(browser, feed, query, count):
    answer = browser.get(f"/admin/billy_invoices/auditfeed/?{query}")

    assert answer.context["cl"].result_count == count


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        *((100, "USD", "$1.00"), (-123456, "USD", "-$1,234.56"), (100, "JPY", "¥100")),
        *((1000, "KWD", "1.000 KWD"), (0, "EUR", "€0.00")),
    ],
)
def test_money_is_written_as_people_read_it(amount, currency, text):
    assert money(amount, currency) == f'<span class="billy-money">{text}</span>'


def test_no_money_is_a_dash():
    assert money(None, "USD") == "-"
