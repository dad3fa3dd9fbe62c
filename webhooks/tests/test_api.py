"""The address that the processor calls: it always answers, and never with more than it must."""

import json
import logging
from io import BytesIO

import pytest
from django.db import connection

from processors.base import Status
from processors.memory import Pending
from webhooks.api import LARGEST_BODY
from webhooks.models import Inbound


def post(client, address, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(address, raw, content_type="application/json")


def post_chunked(client, address, raw, **headers):
    """Send without a length, as a server passes a chunked body on: a stream that ends itself."""
    environ = {"wsgi.input": BytesIO(raw), "wsgi.input_terminated": True, **headers}
    return client.generic("POST", address, content_type="application/json", **environ)


def pending(shop):
    """Sell a goat, let it succeed at the processor, and return the event that says so."""
    attempt = shop.sell(Pending)
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    return attempt, shop.newest_event(attempt)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_an_event_is_taken_in(client, shop, standing, slash, is_wrapped):
    attempt, event_id = pending(shop)
    event = {"id": event_id, "type": "debit.succeeded"}

    answer = post(client, shop.address + slash, {"events": [event]} if is_wrapped else event)

    assert (answer.status_code, answer.json()) == (200, {"code": "ok"})
    assert standing(attempt) == ("succeeded", "settled", 100, 0)


def test_a_chunked_body_is_read_like_any_other(client, shop, standing):
    attempt, event_id = pending(shop)

    answer = post_chunked(client, shop.address, json.dumps({"id": event_id}).encode())

    assert (answer.status_code, answer.json()) == (200, {"code": "ok"})
    assert standing(attempt) == ("succeeded", "settled", 100, 0)


def test_a_forged_event_is_refused(client, shop):
    answer = post(client, shop.address, {"id": "EVforged"})

    assert answer.status_code == 400
    told = answer.json()
    assert told["error_class"] == "InvalidCallbackPayload"
    assert told["error_message"] == "id: is not an event of this company at the processor"


def test_an_event_that_cannot_be_fetched_now_is_taken_in(client, shop):
    _, event_id = pending(shop)
    shop.memory.bad_secrets.add("goats")

    answer = post(client, shop.address, {"id": event_id})

    assert (answer.status_code, answer.json()) == (200, {"code": "ok"})
    assert Inbound.objects.get().done_at is None


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_any_other_method_finds_nothing(client, shop, method):
    answer = getattr(client, method)(shop.address)

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("guid", "key"),
    [
        (None, "wrong"),
        (None, "%D0%BA%D0%BB%D1%8E%D1%87"),
        (None, "%00"),
        (None, "%ED%A0%80"),
        (None, "%FF"),
        ("CP1111111111111111111111", None),
        ("CU1111111111111111111111", None),
        ("CP%D0%96", None),
        ("%00", None),
        ("CP" + "z" * 22, None),
        ("C" * 5000, None),
    ],
)
def test_a_wrong_address_is_no_address(client, shop, guid, key):
    guid = guid or shop.company.guid
    key = key or shop.company.callback_key

    answer = post(client, f"/v1/companies/{guid}/callbacks/{key}", {"id": "EV1"})

    assert answer.status_code == 404
    told = answer.json()
    assert told["error_class"] == "NotFound"
    assert told["error_message"] == "there is nothing at this address"
    assert not Inbound.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"[]",
        b'["EV1"]',
        b'"EV1"',
        b"1",
        b"null",
        b"true",
        b"{}",
        b'{"id": null}',
        b'{"id": 1}',
        b'{"id": ""}',
        b'{"id": ["EV1"]}',
        b'{"id": {"id": "EV1"}}',
        b'{"id": "../../v1/debits"}',
        b'{"id": "EV\\u0000"}',
        b'{"id": "EV1\\n"}',
        b'{"id": "\\ud800"}',
        b'{"id": "\\u0416"}',
        b'{"id": "\xff"}',
        b'{"\xd0\x96": "EV1"}',
        b'{"\\u0000": "EV1"}',
        b'{"events": []}',
        b'{"events": ["EV1"]}',
        b'{"events": [[]]}',
        b'{"events": {"id": "EV1"}}',
        b'{"id": "' + b"E" * 65 + b'"}',
        b'{"id": NaN}',
        b'{"id": ' + b"9" * 5000 + b"}",
        b"\x00",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}",
        b"[" * 100_000,
        b'{"id":' * 40_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=lambda body: ascii(body[:30]),
)
@pytest.mark.parametrize("send", [post, post_chunked])
def test_what_is_no_event_is_refused(client, shop, send, body):
    answer = send(client, shop.address, body)

    assert answer.status_code == 400
    assert answer.json()["error_class"] == "InvalidCallbackPayload"
    assert not Inbound.objects.exists()


@pytest.mark.parametrize("send", [post, post_chunked])
def test_a_body_of_just_the_limit_is_taken(client, shop, send):
    _, event_id = pending(shop)
    body = json.dumps({"id": event_id}).encode().ljust(LARGEST_BODY)

    answer = send(client, shop.address, body)

    assert answer.status_code == 200


@pytest.mark.parametrize("send", [post, post_chunked])
@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 2 * 1024 * 1024])
def test_a_body_beyond_the_limit_is_refused(client, shop, send, size):
    answer = send(client, shop.address, b'{"id": "EV1"}'.ljust(size))

    assert answer.status_code == 413
    assert answer.json()["error_class"] == "PayloadTooLarge"
    assert not Inbound.objects.exists()


def test_no_more_than_the_limit_is_read(client, shop):
    endless = BytesIO(b" " * 10 * LARGEST_BODY)

    answer = post_chunked(client, shop.address, b"", **{"wsgi.input": endless})

    assert answer.status_code == 413
    assert endless.tell() == LARGEST_BODY + 1


@pytest.mark.parametrize("length", ["", "abc", "-1", "1e3", "9" * 30])
def test_a_length_that_is_none_breaks_nothing(client, shop, length):
    answer = post_chunked(client, shop.address, b"{}", CONTENT_LENGTH=length)

    assert answer.status_code == 400


def test_a_sender_that_breaks_off_is_refused(client, shop):
    class Broken(BytesIO):
        def read(self, *_):
            raise ConnectionResetError

    answer = post_chunked(client, shop.address, b"", **{"wsgi.input": Broken()})

    assert answer.status_code == 400


def test_neither_answer_nor_log_tells_the_secret(client, shop, caplog):
    caplog.set_level(logging.DEBUG)
    _, event_id = pending(shop)

    bodies = [
        post(client, shop.address, {"id": event_id}).content,
        post(client, shop.address, {"id": "EVforged"}).content,
        post(client, shop.address + "x", {"id": event_id}).content,
    ]

    assert not any(shop.company.callback_key.encode() in body for body in bodies)
    assert shop.company.callback_key not in caplog.text


def test_while_the_database_is_away_the_sender_is_told_to_come_again(client, shop, caplog):
    connection.connection.close()  # As a server that stops does: Django does not know yet.

    answer = post(client, shop.address, {"id": "EV1"})

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["error_class"] == "Unavailable"
    assert shop.address.rstrip("/").rpartition("/")[2] not in caplog.text
    connection.close()
