"""A request that names itself has one effect, whoever sends it and however often."""

import threading

import pytest
from django.db import connections

from accounts.models import Customer, IdempotentRequest
from billy.api import once
from billy.api.tests.conftest import CARD
from conftest import change
from processors.base import Kind
from processors.memory_script import Lost
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db


def at_once(ask, count=8):
    """Let so many ask at the same moment; returns their answers."""
    start, answers = threading.Barrier(count), []

    def one():
        try:
            start.wait()
            answers.append(ask())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return answers


def subscription(alice, goat):
    return {
        "customer_guid": alice["guid"],
        "plan_guid": goat["guid"],
        "funding_instrument_uri": CARD,
    }


@pytest.mark.parametrize("path", ["subscriptions", "schedulers"])
def test_eight_that_subscribe_at_once_subscribe_once(api, alice, goat, memory, path):
    answers = at_once(lambda: api.post(path, subscription(alice, goat), Idempotency_Key="k"))

    assert [each.status_code for each in answers] == [200] * 8
    assert len({each.content for each in answers}) == 1
    assert Scheduler.objects.count() == 1
    assert memory.sum(kind=Kind.DEBIT) == 1000


def test_eight_that_refund_at_once_refund_once(api, invoice, memory):
    path = f"invoices/{invoice['guid']}/refund"

    answers = at_once(lambda: api.post(path, {"amount": 10}, Idempotency_Key="k"))

    assert len({each.content for each in answers}) == 1
    assert memory.sum(kind=Kind.REFUND) == 10


def test_eight_customers_under_one_key_are_one(api):
    answers = at_once(lambda: api.post("customers", {"name": "Alice"}, Idempotency_Key="k"))

    assert len({each.content for each in answers}) == 1
    assert Customer.objects.count() == 1


def test_eight_refusals_are_alike_and_keep_nothing(api):
    answers = at_once(lambda: api.post("plans", {"amount": 1}, Idempotency_Key="k"))

    assert {each.status_code for each in answers} == {400}
    assert not IdempotentRequest.objects.exists()
    good = {"plan_type": "debit", "frequency": "daily", "amount": 50}
    assert api.post("plans", good, Idempotency_Key="k").status_code == 200


def test_a_key_is_for_one_request(api):
    api.made("customers", {"name": "Alice"}, Idempotency_Key="k")

    answers = (
        api.post("customers", {"name": "Bob"}, Idempotency_Key="k"),
        api.post("payouts", {"amount": 1}, Idempotency_Key="k"),
    )

    assert [each.status_code for each in answers] == [422, 422]
    assert answers[0].json()["errors"][0]["header"] == "Idempotency-Key"


def test_a_key_belongs_to_its_company(api, other):
    mine, theirs = (
        each.made("customers", {"name": "A"}, Idempotency_Key="k") for each in (api, other)
    )

    assert mine["guid"] != theirs["guid"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
def test_a_key_that_is_none_is_refused(api, key):
    answer = api.post("customers", {}, Idempotency_Key=key)

    assert answer.status_code == 400


@pytest.mark.parametrize("name", [{}, {"external_id": "mine"}])
def test_whoever_comes_after_one_that_died_goes_on(api, alice, goat, memory, name):
    terms = subscription(alice, goat) | name
    first = api.made("schedulers", terms, Idempotency_Key="k")
    die()

    second = api.made("schedulers", terms, Idempotency_Key="k")

    assert second["guid"] == first["guid"]
    assert memory.sum(kind=Kind.DEBIT) == 1000
    assert Scheduler.objects.count() == 1


@pytest.mark.parametrize("path", ["invoices/{}/refund", "feeds/{}/refunds"])
def test_a_refund_that_died_is_not_given_twice(api, invoice, memory, path):
    address = path.format(invoice["guid"])
    api.made(address, {"amount": 10}, Idempotency_Key="k")
    die()

    api.made(address, {"amount": 10}, Idempotency_Key="k")

    assert memory.sum(kind=Kind.REFUND) == 10


@pytest.mark.parametrize("name", [{}, {"external_id": "mine"}])
def test_an_invoice_that_died_is_charged_once(api, alice, memory, name):
    terms = {"customer_guid": alice["guid"], "amount": 7, "funding_instrument_uri": CARD} | name
    memory.script.append(Lost())
    first = api.made("invoices", terms, Idempotency_Key="k")
    die()

    second = api.made("invoices", terms, Idempotency_Key="k")

    assert first["guid"] == second["guid"]
    assert memory.sum(kind=Kind.DEBIT) == 7


def test_who_waits_too_long_is_told_to_come_again(api, monkeypatch):
    monkeypatch.setattr(once, "PATIENCE_SECONDS", 0.2)
    api.made("customers", {}, Idempotency_Key="k")
    change(
        "UPDATE billy_accounts_idempotentrequest SET status = NULL, body = '',"
        " locked_until = clock_timestamp() + interval '1 hour'"
    )

    answer = api.post("customers", {}, Idempotency_Key="k")

    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")


def test_answers_are_kept_a_month(api, now):
    first = api.made("customers", {}, Idempotency_Key="k")
    change(
        "UPDATE billy_accounts_idempotentrequest SET created_at = created_at - interval '31 d',"
        " locked_until = locked_until"
    )

    assert api.made("customers", {}, Idempotency_Key="k")["guid"] != first["guid"]


def die():
    """Let the first one have died before its answer was kept."""
    change(
        "UPDATE billy_accounts_idempotentrequest SET status = NULL, body = '',"
        " created_at = clock_timestamp() - interval '1 h',"
        " locked_until = clock_timestamp() - interval '1 s'"
    )
