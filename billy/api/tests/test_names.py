"""Own names of companies and cards; a stranger's request; and how many schedulers there may be."""

import pytest
from django.test import Client

from accounts.models import Company, FundingInstrument, IdempotentRequest
from billy.api.tests.conftest import ACCOUNT, CARD
from billy.api.tests.test_once import at_once
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db


@pytest.fixture
def register(memory, settings):
    """Register a company, as somebody who is not known yet."""
    settings.BILLY_OPEN_REGISTRATION = True

    def registered(name="k", **terms):
        said = {"processor_key": "memory-77", **terms}
        return Client(raise_request_exception=False).post(
            "/v1/companies", said, "application/json", headers={"Idempotency-Key": name}
        )

    return registered


def test_eight_that_register_at_once_are_one_company(register):
    answers = at_once(register)

    assert [each.status_code for each in answers] == [200] * 8
    assert len({each.content for each in answers}) == 1
    assert Company.objects.count() == 1


def test_a_stranger_s_answer_is_for_whoever_has_the_same_processor_key(register):
    mine = register().json()

    theirs = register(processor_key="memory-78")
    again = register()

    assert theirs.status_code == 200
    assert theirs.json()["guid"] != mine["guid"]
    assert again.json() == mine
    assert again.headers["Idempotency-Replayed"] == "true"
    kept = list(IdempotentRequest.objects.values_list("company", "key", "fingerprint"))
    assert all(company is None and len(key) == 64 for company, key, _ in kept)


def test_a_stranger_s_key_is_for_one_request(register):
    register()

    assert register(external_id="mine").status_code == 422


def test_a_company_has_a_name_that_no_other_has(register):
    made = register("1", external_id="acme")
    second = register("2", external_id="acme")
    good = register("2", external_id="emca")

    assert (made.status_code, made.json()["external_id"]) == (200, "acme")
    assert (second.status_code, second.json()["error_class"]) == (409, "DuplicateExternalIDError")
    assert good.status_code == 200  # A refusal is not kept.


def test_a_card_has_a_name_of_the_app_s_own(api, alice):
    path, terms = "funding_instruments", {"customer_guid": alice["guid"]}
    plain = api.made(path, terms | {"uri": ACCOUNT})

    made = api.made(path, terms | {"uri": CARD, "external_id": "mine"})
    taken = api.post(path, terms | {"uri": ACCOUNT, "external_id": "mine"})
    named = api.made(path, terms | {"uri": ACCOUNT, "external_id": "other"})
    renamed = api.post(path, terms | {"uri": ACCOUNT, "external_id": "another"})

    assert (made["external_id"], named["external_id"]) == ("mine", "other")
    assert plain["guid"] == named["guid"]
    assert (taken.status_code, renamed.status_code) == (409, 400)
    found = api.get(path, "external_id=mine").json()["items"]
    assert [each["guid"] for each in found] == [made["guid"]]
    below = api.get(f"customers/{alice['guid']}/{path}", "external_id=other").json()["items"]
    assert [each["guid"] for each in below] == [plain["guid"]]


def test_a_name_that_is_taken_associates_nothing(api, alice, memory):
    path, terms = "funding_instruments", {"customer_guid": alice["guid"], "external_id": "mine"}
    api.made(path, terms | {"uri": CARD})

    answer = api.post(path, terms | {"uri": ACCOUNT})

    assert answer.status_code == 409
    assert FundingInstrument.objects.count() == 1


@pytest.mark.parametrize("path", ["subscriptions", "schedulers"])
def test_a_company_has_no_more_schedulers_than_it_may(api, alice, goat, settings, path, memory):
    settings.BILLY_SCHEDULERS_PER_COMPANY = 2
    terms = {"customer_guid": alice["guid"], "plan_guid": goat["guid"]}
    paying = terms | {"funding_instrument_uri": CARD}
    made = [api.made(path, terms, Idempotency_Key=name) for name in "ab"]

    refused = api.post(path, paying, Idempotency_Key="c")
    api.put(f"schedulers/{made[0]['guid']}/cancel", {"at": "now"})
    after = api.post(path, terms, Idempotency_Key="c")

    assert (refused.status_code, refused.json()["error_class"]) == (403, "QuotaReached")
    assert "BILLY_SCHEDULERS_PER_COMPANY" in refused.json()["error_message"]
    assert not FundingInstrument.objects.exists()  # It was refused before the wire.
    assert after.status_code == 200
    assert Scheduler.objects.count() == 3


def test_a_company_s_limit_is_its_own(api, other, alice, goat, settings):
    settings.BILLY_SCHEDULERS_PER_COMPANY = 1
    api.made("subscriptions", {"customer_guid": alice["guid"], "plan_guid": goat["guid"]})
    bob = other.made("customers", {"name": "Bob"})
    plan = other.made("plans", {"plan_type": "debit", "frequency": "daily", "amount": 100})

    made = other.post("subscriptions", {"customer_guid": bob["guid"], "plan_guid": plan["guid"]})

    assert made.status_code == 200
