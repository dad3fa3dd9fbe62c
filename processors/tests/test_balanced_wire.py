"""What Balanced's wire makes of every way in which an answer can go wrong."""

import base64
import gzip
import json
from dataclasses import replace

import pytest

from processors.balanced import Balanced
from processors.base import (
    Busy,
    KeyConflict,
    Misconfigured,
    NotFound,
    Rejected,
    Status,
    Unknown,
)
from processors.tests.wire_server import (
    DEBIT_URI,
    Drip,
    Reset,
    ResetUnread,
    Say,
    Silence,
    answer,
    debit_item,
    error,
    page,
    say,
)

GOOD = {"debits": [debit_item()], "links": {}}
WHOLE = answer(201, GOOD)
PROMISED = b"HTTP/1.1 201 X\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n"
FAILED = debit_item(
    status="failed", failure_reason="Insufficient funds", failure_reason_code="card-declined"
)


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def test_a_good_answer_is_read(server, balanced, order):
    server.script.append(Say(WHOLE))

    receipt = balanced.submit(order)

    assert (DEBIT_URI, Status.SUCCEEDED) == (receipt.uri, receipt.status)


def test_a_good_answer_in_chunks_is_read(server, balanced, order):
    body = json.dumps(GOOD).encode()
    server.script.append(Say(CHUNKED + chunk(body[:10]) + chunk(body[10:]) + chunk(b"")))

    assert balanced.submit(order).uri == DEBIT_URI


def test_a_request_says_all_that_it_must(server, balanced, order):
    server.script.append(Say(WHOLE))

    balanced.submit(order)

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    token = base64.b64encode(b"ak-test-secret:").decode()
    assert lines[0] == f"POST {order.target_uri}/debits HTTP/1.1"
    assert {
        "Accept: application/vnd.api+json;revision=1.1",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
        "Idempotency-Key: b1-key",
        f"Authorization: Basic {token}",
    } <= set(lines)
    assert json.loads(body) == {
        "amount": 1_000,
        "appears_on_statement_as": "Goat plan",
        "meta": {"billy.feed": "1", "billy.key": "b1-key"},
    }


def test_a_second_send_is_the_same_to_the_byte(server, balanced, order):
    server.script.extend([Say(WHOLE), Say(WHOLE)])

    balanced.submit(order)
    balanced.submit(replace(order, meta=dict(reversed(order.meta.items()))))

    assert server.requests[0] == server.requests[1]


def test_without_keys_no_key_is_sent_but_the_one_in_the_meta(server, order):
    server.script.append(Say(WHOLE))

    Balanced(keys=False).submit(order)

    assert b"Idempotency-Key" not in server.requests[0]
    assert b'"billy.key":"b1-key"' in server.requests[0]


@pytest.mark.parametrize(
    "item",
    [
        Reset(),
        ResetUnread(),
        Say(b"", close=True),
        Say(WHOLE[:20], close=True),
        Say(WHOLE[:-20], close=True),
        Say(PROMISED + json.dumps(GOOD).encode(), close=True),
        Say(CHUNKED + chunk(json.dumps(GOOD).encode()), close=True),
        Say(b"\x00\xff\x00garbage\r\n\r\n", close=True),
        Say(b"HTTP/1.1 201 X\r\n" + b"X: y\r\n" * 500 + b"\r\n", close=True),
        say(201, b"<html>Welcome</html>"),
        say(200, b"<html>Welcome</html>"),
        say(201, b""),
        say(204, b""),
        say(201, b"null"),
        say(201, b"[]"),
        say(201, b"[" * 200_000),
        say(201, b"\xff\xfe"),
        say(201, b'{"debits": [{"amount": NaN}]}'),
        say(201, json.dumps(GOOD).encode()[:-1] + b', "debits": []}'),
        say(201, json.dumps(GOOD).encode().replace(b"1000", b"1" * 5_000)),
        say(201, json.dumps(GOOD).encode() + b" " * 1_000_001),
        say(201, gzip.compress(json.dumps(GOOD).encode()), headers="Content-Encoding: gzip\r\n"),
        say(201, gzip.compress(b" " * 50_000_000), headers="Content-Encoding: gzip\r\n"),
        say(201, {"debits": [], "links": {}}),
        say(201, {"debits": [debit_item(), debit_item()], "links": {}}),
        say(201, {"debits": {"0": debit_item()}, "links": {}}),
        say(201, {"debits": ["a"], "links": {}}),
        say(201, {"credits": [debit_item()], "links": {}}),
        say(201, error(500, "oops")),
        say(302, GOOD, headers="Location: /elsewhere\r\n"),
        say(307, GOOD, headers="Location: /elsewhere\r\n"),
        say(400, b"<html>Bad request</html>"),
        say(404, b"<html>Not here</html>"),
        say(404, error(500, "not-found")),
        say(408, error(408, "request-timeout")),
        say(409, error(409, "debit-already-submitted")),
        say(500, error(500, "oops")),
        say(502, b"Bad gateway"),
        say(503, error(503, "oops")),
        say(504, error(504, "oops")),
        say(402, {**error(402, "card-declined"), "debits": [debit_item()]}),
        say(402, {**error(402, "card-declined"), "debits": [{**FAILED, "amount": 1}]}),
    ],
)
def test_what_proves_nothing_is_unknown_and_never_sent_again(server, balanced, order, item):
    server.script.append(item)

    with pytest.raises(Unknown) as caught:
        balanced.submit(order)

    assert caught.value.in_flight is False
    assert len(server.requests) <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 999},
        {"amount": 1_001},
        {"amount": 1_000.0},
        {"amount": "1000"},
        {"amount": None},
        {"currency": "EUR"},
        {"currency": None},
        {"meta": {"billy.key": "b1-other"}},
        {"meta": {}},
        {"meta": None},
        {"status": "captured"},
        {"status": None},
        {"id": "CR0123456789abcdef"},
        {"id": "WD../../../../elsewhere"},
        {"id": "WD1"},
        {"id": 5},
        {"links": {"source": "CC9999999999999999"}},
    ],
)
def test_an_answer_that_differs_from_the_order_is_unknown(server, balanced, order, changes):
    server.script.append(say(201, {"debits": [debit_item(**changes)], "links": {}}))

    with pytest.raises(Unknown):
        balanced.submit(order)


@pytest.mark.parametrize("item", [Silence(), Drip(WHOLE, pause_seconds=0.02)])
def test_an_answer_that_takes_too_long_is_unknown_however_it_drips(server, order, item):
    server.script.append(item)

    with pytest.raises(Unknown):
        Balanced(read_timeout_seconds=0.2).submit(order)


def test_a_connection_is_used_again_after_a_good_answer_only(server, balanced, order):
    server.script.extend([Say(WHOLE), Say(WHOLE[:-5], close=True), Say(WHOLE)])

    balanced.submit(order)
    with pytest.raises(Unknown):
        balanced.submit(order)

    assert balanced.submit(order).uri == DEBIT_URI


@pytest.mark.parametrize(
    ("item", "kind", "code"),
    [
        (say(401, error(401, "authentication-required")), Misconfigured, "authentication-required"),
        (say(401, b"<html>"), Misconfigured, ""),
        (say(403, error(403, "not-authorized")), Misconfigured, "not-authorized"),
        (say(400, error(400, "request")), Rejected, "request"),
        (say(404, error(404, "not-found")), Rejected, "not-found"),
        (say(405, error(405, "method-not-allowed")), Rejected, "method-not-allowed"),
        (say(422, error(422, "request")), Rejected, "request"),
        (say(409, error(409, "insufficient-funds")), Rejected, "insufficient-funds"),
        (
            say(409, error(409, "funding-source-not-debitable")),
            Rejected,
            "funding-source-not-debitable",
        ),
        (say(400, error(400, "idempotency-key-reused")), KeyConflict, "idempotency-key-reused"),
        (say(429, error(429, "too-many-requests")), Busy, "too-many-requests"),
        (say(429, b""), Busy, ""),
    ],
)
def test_a_refusal_says_what_may_be_done(server, balanced, order, item, kind, code):
    server.script.append(item)

    with pytest.raises(kind) as caught:
        balanced.submit(order)

    assert code == caught.value.code
    assert caught.value.reason


def test_a_key_in_use_is_unknown_and_still_at_work(server, balanced, order):
    server.script.append(say(409, error(409, "idempotency-key-in-use")))

    with pytest.raises(Unknown) as caught:
        balanced.submit(order)

    assert caught.value.in_flight is True


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 10),
        ("Retry-After: 7\r\n", 7),
        ("Retry-After: 0\r\n", 1),
        ("Retry-After: 86400\r\n", 300),
        (f"Retry-After: {'9' * 400}\r\n", 300),
        ("Retry-After: -5\r\n", 10),
        ("Retry-After: nan\r\n", 10),
        ("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", 10),
    ],
)
def test_a_throttle_waits_from_one_second_to_five_minutes(server, balanced, order, header, seconds):
    server.script.append(say(429, error(429, "too-many-requests"), headers=header))

    with pytest.raises(Busy) as caught:
        balanced.submit(order)

    assert seconds == caught.value.retry_after_seconds


@pytest.mark.parametrize("status", [402, 409])
def test_a_refusal_that_leaves_a_failed_object_is_a_decline(server, balanced, order, status):
    refusal = {**error(status, "card-declined"), "debits": [FAILED], "links": {}}
    server.script.append(say(status, refusal))

    receipt = balanced.submit(order)

    assert (Status.FAILED, "card-declined", "Insufficient funds", False) == (
        receipt.status,
        receipt.code,
        receipt.reason,
        receipt.hard,
    )


def test_the_words_of_the_refusal_complete_the_failed_object(server, balanced, order):
    refusal = {**error(402, "card-declined"), "debits": [debit_item(status="failed")]}
    refusal["errors"][0]["additional"] = "Lost or stolen card"
    server.script.append(say(402, refusal))

    receipt = balanced.submit(order)

    assert ("card-declined", "Lost or stolen card", True) == (
        receipt.code,
        receipt.reason,
        receipt.hard,
    )


def test_a_success_with_a_failed_object_is_a_decline(server, balanced, order):
    server.script.append(say(201, {"debits": [FAILED], "links": {}}))

    assert balanced.submit(order).status is Status.FAILED


def test_a_decline_without_its_object_is_looked_up(server, balanced, order):
    server.script.extend([say(402, error(402, "card-declined")), say(200, page([FAILED]))])

    receipt = balanced.submit(order)

    assert (Status.FAILED, DEBIT_URI) == (receipt.status, receipt.uri)


def test_a_decline_that_left_nothing_is_rejected(server, balanced, order):
    server.script.extend([say(402, error(402, "card-declined")), say(200, page([]))])

    with pytest.raises(Rejected) as caught:
        balanced.submit(order)

    assert caught.value.code == "card-declined"


@pytest.mark.parametrize("item", [Reset(), say(429, b""), say(401, b"")])
def test_a_decline_whose_look_up_fails_is_unknown(server, balanced, order, item):
    server.script.extend([say(402, error(402, "card-declined")), item])

    with pytest.raises(Unknown):
        balanced.submit(order)


@pytest.mark.parametrize(
    "item", [say(400, error(400, "request")), say(409, error(409, "x")), say(500, b"")]
)
def test_a_refused_reading_proves_nothing(server, balanced, order, item):
    server.script.extend([item, item])

    with pytest.raises(Unknown):
        balanced.find(order)
    with pytest.raises(Unknown):
        balanced.fetch(account=order.account, uri=DEBIT_URI)


def test_a_list_that_is_not_there_does_not_prove_absence(server, balanced, order):
    server.script.append(say(404, error(404, "not-found")))

    with pytest.raises(Unknown):
        balanced.find(order)


def test_a_fetched_object_must_be_the_one_asked_for(server, balanced, account):
    server.script.append(say(200, GOOD))

    with pytest.raises(Unknown):
        balanced.fetch(account=account, uri="/debits/WD9999999999999999")


@pytest.mark.parametrize("uri", ["/cards/CC0123456789abcdef", "", "/debits/../cards", "debits"])
def test_what_is_no_money_object_is_not_fetched(server, balanced, account, uri):
    with pytest.raises(NotFound):
        balanced.fetch(account=account, uri=uri)

    assert server.requests == []


def test_a_reading_that_fails_is_not_repeated(server, balanced, order):
    server.script.extend([Reset(), say(200, page([]))])

    with pytest.raises(Unknown):
        balanced.find(order)

    assert len(server.requests) == 1
