"""How a merchant reads a scheduler: who, what, when next, and what came of it."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User

from audit.shown import badge, instant, money
from conftest import subscribe, tick
from schedulers.models import Scheduler


@pytest.fixture
def browser(client, database):
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def page():
    return admin.site.get_model_admin(Scheduler)


def test_a_scheduler_lists_its_invoices_and_events(browser, page, goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)

    answer = browser.get(page.address(scheduler.pk))

    invoices, events = answer.context["tables"]
    assert [row[1] for row in invoices.rows] == [badge("settled")]
    assert invoices.more.endswith(f"?q={scheduler.guid}")
    assert [row[1] for row in events.rows] == [
        "debit.succeeded",
        "invoice.opened",
        "scheduler.created",
    ]


def test_the_price_is_its_own_or_the_plans(page, goat, alice, bob, now):
    plans = subscribe(goat, alice, now=now)
    own = subscribe(goat, bob, now=now, amount=250)

    assert page.price(plans) == money(100, "USD")
    assert page.price(own) == money(250, "USD")


def test_what_does_not_tick_is_never_due(page, goat, alice, now):
    scheduler = subscribe(goat, alice, now=now)
    ticking = page.next_due(scheduler)

    scheduler.state = "paused"

    assert ticking == instant(scheduler.next_run_at)
    assert page.next_due(scheduler) == "-"


def test_schedulers_are_found_by_whatever_names_them(browser, page, goat, alice, bob, now):
    scheduler = subscribe(goat, alice, now=now, external_id="order-1")
    subscribe(goat, bob, now=now)

    for name in (scheduler.guid, alice.guid, "Alice", "order-1", scheduler.instrument.guid):
        found = browser.get(page.search_address(name)).context["cl"].result_list
        assert list(found) == [scheduler]
