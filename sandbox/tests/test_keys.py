import json
from http import HTTPStatus

import pytest

from sandbox.conductor import Delivery
from sandbox.tests.clients import VISA, Client, login
from sandbox.wire import Request

REPLAYED = {"Idempotency-Replayed": "true"}


def test_the_same_key_gives_the_same_answer_byte_for_byte(client):
    card = client.card()
    body = {"amount": 700, "meta": {"billy.key": "k", "naïve": "\ud83d\udc10 goat"}}

    first = client.post(f"{card['href']}/debits", body, key="k")
    second = client.post(f"{card['href']}/debits", body, key="k")

    assert first.raw == second.raw
    assert ({}, REPLAYED) == (first.headers, second.headers)
    assert 1 == client.get("/debits").body["meta"]["total"]


def test_the_first_answer_is_replayed_though_the_object_has_changed(client):
    card = client.card()
    first = client.post(f"{card['href']}/debits", {"amount": 700}, key="k")
    client.put(first.one["href"], {"description": "changed"})

    second = client.post(f"{card['href']}/debits", {"amount": 700}, key="k")

    assert first.raw == second.raw


def test_a_decline_is_replayed_too(client):
    card = client.card(number="4444444444444448")
    first = client.post(f"{card['href']}/debits", {"amount": 700}, key="k")

    second = client.post(f"{card['href']}/debits", {"amount": 700}, key="k")

    assert (402, 402) == (first.status, second.status)
    assert first.raw == second.raw
    assert 1 == client.get("/debits?status=failed").body["meta"]["total"]


def test_the_order_of_fields_does_not_matter_but_values_do(client):
    path = client.card()["href"] + "/debits"
    client.post(path, b'{"amount": 5, "meta": {"a": "1", "b": "2"}}', key="k")

    same = client.post(path, b'{"meta": {"b": "2", "a": "1"}, "amount": 5}', key="k")
    other = client.post(path, {"amount": 6}, key="k")
    elsewhere = client.post("/customers", {}, key="k")

    assert REPLAYED == same.headers
    assert ["idempotency-key-reused"] * 2 == [other.code, elsewhere.code]
    assert 400 == other.status


def test_a_refused_request_leaves_its_key_free(client):
    path = client.card()["href"] + "/debits"

    refused = client.post(path, {"amount": 0}, key="k")
    done = client.post(path, {"amount": 5}, key="k")

    assert [400, 201] == [refused.status, done.status]


def test_keys_belong_to_a_marketplace(start, join):
    sandbox = start()
    ours, theirs = join(sandbox), join(sandbox)

    answers = [each.post("/customers", {"name": "Ada"}, key="k") for each in (ours, theirs)]

    assert [{}, {}] == [answer.headers for answer in answers]
    assert answers[0].one["id"] != answers[1].one["id"]


def test_a_put_is_keyed_as_well(client):
    customer = client.customer(name="Ada")
    first = client.put(customer["href"], {"name": "Bob"}, key="k")
    client.put(customer["href"], {"name": "Carol"})

    second = client.put(customer["href"], {"name": "Bob"}, key="k")

    assert first.raw == second.raw
    assert "Carol" == client.get(customer["href"]).one["name"]


def test_a_put_that_changes_nothing_is_keyed_as_well(client):
    customer = client.customer(name="Ada")

    answers = [client.put(customer["href"], {"name": "Ada"}, key="k") for _ in range(2)]

    assert [{}, REPLAYED] == [answer.headers for answer in answers]
    assert "idempotency-key-reused" == client.put(customer["href"], {"name": "B"}, key="k").code


@pytest.mark.parametrize("path", ["/api_keys", "/cards"])
def test_answers_of_an_unusual_form_are_replayed(client, path):
    answers = [client.post(path, VISA, key="k", secret=None) for _ in range(2)]

    assert answers[0].raw == answers[1].raw
    assert REPLAYED == answers[1].headers


def test_a_wrong_confirmation_counts_once_for_its_key(client):
    account = client.bank_account(verified=False)
    check = client.post(f"{account['href']}/verifications").one
    wrong = {"amount_1": 2, "amount_2": 2}

    answers = [client.put(check["href"], wrong, key="k") for _ in range(2)]

    assert [409, 409] == [answer.status for answer in answers]
    assert answers[0].raw == answers[1].raw
    assert 1 == client.get(check["href"]).one["attempts"]


def test_a_key_that_is_being_worked_on_is_refused(client):
    client.put("/_sandbox/faults", {"slow": {"seconds": 60}}, secret=None)
    path = client.card()["href"] + "/debits"
    served = client.sandbox.conductor.serve(
        Request(
            method="POST",
            path=path,
            headers={"authorization": login(client.secret), "idempotency-key": "k"},
            body=json.dumps({"amount": 5}).encode(),
        )
    )
    assert not isinstance(served, Delivery)

    answer = client.post(path, {"amount": 5}, key="k")

    assert (HTTPStatus.CONFLICT, "idempotency-key-in-use") == (answer.status, answer.code)
    served.close()


def test_hidden_keys_are_passed_over_as_in_history(start, join):
    client = join(start(hide_keys=True))

    answers = [client.post("/customers", {}, key="k") for _ in range(2)]

    assert answers[0].one["id"] != answers[1].one["id"]


def test_a_key_can_have_an_end(start, join):
    sandbox = start(key_life_seconds=60)
    Client(sandbox).at("2026-01-01T12:00:00Z")
    client = join(sandbox)
    first = client.post("/customers", {}, key="k")

    client.advance(seconds=60)
    in_time = client.post("/customers", {}, key="k")
    client.advance(seconds=1)
    too_late = client.post("/customers", {}, key="k")

    assert first.raw == in_time.raw
    assert first.one["id"] != too_late.one["id"]


def test_a_key_has_at_most_255_characters(client):
    assert 400 == client.post("/customers", {}, key="k" * 256).status
