"""How a merchant reads companies, customers and keys."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import User

from accounts.models import ApiKey, Company, Customer, FundingInstrument
from audit.shown import badge
from conftest import open_company


@pytest.fixture
def browser(client, database):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def listed(browser, model, term=""):
    page = admin.site.get_model_admin(model)
    return list(browser.get(page.search_address(term)).context["cl"].result_list)


def test_a_customer_shows_instruments_and_events(browser, alice):
    page = admin.site.get_model_admin(Customer)

    answer = browser.get(page.address(alice.pk))

    instruments, events = answer.context["tables"]
    assert [row[3] for row in instruments.rows] == [badge("active")]
    assert [row[1] for row in events.rows] == ["instrument.added", "customer.created"]


def test_customers_are_found_by_name_mail_and_ids(browser, marketplace, bob, now):
    dora = Customer.create(
        company=marketplace, name="Dora", email="dora@example.org", external_id="42", now=now
    )

    for name in (dora.guid, str(dora.pk), "dora", "@example.org", "42"):
        assert listed(browser, Customer, name) == [dora]


def test_instruments_are_found_by_their_customer(browser, alice, bob):
    (card,) = FundingInstrument.objects.filter(customer=alice)

    for name in (card.guid, alice.guid, "Alice", card.uri):
        assert listed(browser, FundingInstrument, name) == [card]


def test_a_key_that_cannot_be_decrypted_breaks_no_page(browser, marketplace, settings):
    settings.BILLY_ENCRYPTION_KEYS = ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]
    page = admin.site.get_model_admin(Company)

    answers = [browser.get(page.search_address("")), browser.get(page.address(marketplace.pk))]

    assert [each.status_code for each in answers] == [200, 200]


def test_a_company_says_whether_calls_can_be_made(browser, marketplace, now):
    Company.create(name="Keyless", now=now)
    paused = open_company("Paused", now=now)
    Company.objects.filter(pk=paused.pk).update(calls_paused_until=now + timedelta(days=36500))

    states = {each.name: each.call_state for each in listed(browser, Company)}

    assert states == {
        "The marketplace": "open for calls",
        "Keyless": "no processor key",
        "Paused": "paused",
    }


def test_a_key_says_whether_it_still_opens(browser, marketplace, now):
    for field in (None, "revoked_at", "expires_at"):
        key, _ = ApiKey.issue(marketplace, now=now)
        if field:
            ApiKey.objects.filter(pk=key.pk).update(**{field: now - timedelta(days=36500)})

    states = sorted(each.key_state for each in listed(browser, ApiKey))

    assert states == ["expired", "live", "revoked"]


def test_companies_can_be_told_apart_where_there_are_several(browser, marketplace, alice, now):
    other = open_company("Other", now=now)
    Customer.create(company=other, name="Eve", now=now)

    answer = browser.get(f"/admin/billy_accounts/customer/?company={marketplace.pk}")

    assert list(answer.context["cl"].result_list) == [alice]
