import asyncio
import json

import pytest

from sandbox.conductor import DROP, HANG
from sandbox.errors import Refusal
from sandbox.faults import Faults
from sandbox.tests.clients import login
from sandbox.wire import Request


@pytest.fixture
def card(client):
    return client.card()


def put(client, **faults):
    answer = client.put("/_sandbox/faults", faults, secret=None)
    assert 200 == answer.status
    return answer


def happened(client):
    return client.get("/_sandbox/faults", secret=None).body["happened"]


def serve(client, path, body=None, key="k"):
    return client.sandbox.conductor.serve(
        Request(
            method="POST",
            path=path,
            headers={"authorization": login(client.secret), "idempotency-key": key},
            body=json.dumps(body or {"amount": 500}).encode(),
        )
    )


def debits(card):
    return f"{card['href']}/debits"


def test_an_answer_is_dropped_after_the_commit(client, card):
    put(client, drop_after_commit={})

    delivery = serve(client, debits(card))

    assert DROP is delivery
    assert 500 == client.escrow()


def test_a_500_before_leaves_nothing_and_a_500_after_leaves_all(client, card):
    answers, escrows = [], []
    for fault in ("error_before", "error_after"):
        put(client, **{fault: {"count": 1}})
        answers.append(client.post(debits(card), {"amount": 500}, key=fault))
        escrows.append(client.escrow())

    assert [500, 500] == [answer.status for answer in answers]
    assert [0, 500] == escrows
    assert {"error_after": 1, "error_before": 1} == happened(client)
    assert 201 == client.post(debits(card), {"amount": 500}, key="error_before").status


def test_a_late_commit_is_in_flight_and_then_replayed(client, card):
    async def story():
        put(client, late_commit={"count": 1, "after_seconds": 0.01})
        seen = [serve(client, debits(card))]
        during = client.post(debits(card), {"amount": 500}, key="k")
        absent = client.get("/debits").body["meta"]["total"]
        await asyncio.gather(*client.sandbox.conductor._tasks)
        after = client.post(debits(card), {"amount": 500}, key="k")
        return [*seen, during.code, absent, after.headers]

    assert [HANG, "idempotency-key-in-use", 0, {"Idempotency-Replayed": "true"}] == asyncio.run(
        story()
    )


def test_a_late_commit_may_close_first(client, card):
    async def story():
        put(client, late_commit={"after_seconds": 0.01, "close_after_seconds": 0})
        return await serve(client, debits(card))

    assert DROP is asyncio.run(story())


@pytest.mark.parametrize(
    "settings", [{"seconds": 0.001}, {"p50_seconds": 0.001, "p99_seconds": 0.002}]
)
def test_a_slow_answer_comes_in_the_end(client, card, settings):
    async def story():
        put(client, slow=settings)
        return await serve(client, debits(card))

    assert 201 == asyncio.run(story()).answer.status
    assert {"slow": 1} == happened(client)


def test_too_many_requests_are_told_when_to_come_again(client, card):
    put(client, too_many={"count": 1, "retry_after_seconds": 2.5})

    answer = client.post(debits(card), {"amount": 500})

    assert (429, {"Retry-After": "3"}) == (answer.status, answer.headers)
    assert 0 == client.escrow()


def test_an_outage_is_for_all_but_the_control_door(client):
    put(client, outage={"for_seconds": 60})

    answers = [client.get("/debits"), client.post("/customers"), client.get("/_sandbox/state")]

    assert [503, 503, 200] == [answer.status for answer in answers]


def test_a_black_hole_never_answers(client):
    put(client, black_hole={"methods": ["POST"], "paths": ["/customers"]})

    assert HANG is serve(client, "/customers", {})
    assert 200 == client.get("/customers").status


def test_windows_open_and_close():
    now = [100.0]
    faults = Faults(seed="x", monotonic=lambda: now[0])
    faults.replace({"outage": {"after_seconds": 10, "for_seconds": 5}})
    request = Request(method="GET", path="/debits")

    seen = []
    for at in (100, 109, 110, 114, 115):
        now[0] = at
        seen.append(faults.draw(request) is not None)

    assert [False, False, True, True, False] == seen


def test_a_sticky_500_stays_with_its_key(client, card):
    put(client, sticky_500={"count": 1})

    statuses = [
        client.post(debits(card), {"amount": 5}, key=key).status for key in ("a", "a", "b", "a")
    ]

    assert [500, 500, 201, 500] == statuses


@pytest.mark.parametrize("kind", ["amount", "currency", "key", "html", "cut", "huge"])
def test_a_body_can_be_wrong_in_each_way(client, card, kind):
    put(client, wrong_body={"kinds": [kind]})

    delivery = serve(client, debits(card), {"amount": 500, "meta": {"billy.key": "k"}})

    answer = delivery.answer
    wrong = {
        "amount": lambda debit: debit["amount"] in {499, 501},
        "currency": lambda debit: debit["currency"] == "EUR",
        "key": lambda debit: debit["meta"] == {"billy.key": "another-key"},
    }
    if kind in wrong:
        assert wrong[kind](json.loads(answer.body)["debits"][0])
    assert (kind == "cut") is delivery.cut
    assert ("text/html" if kind == "html" else "application/json") == answer.content_type
    assert (kind == "huge") is (len(answer.body) > 1_000_000)
    assert {"wrong_body": 1, f"wrong_body.{kind}": 1} == happened(client)
    assert 500 == client.get("/debits").one["amount"]


def test_a_share_of_card_debits_is_declined(client, card):
    put(client, decline={"fraction": 0.3, "code": "do-not-honor", "reason": "No."})

    answers = [client.debit(5, card) for _ in range(200)]

    declined = [answer for answer in answers if answer.status == 402]
    assert 30 < len(declined) < 90
    assert {"decline": len(declined)} == happened(client)
    assert "do-not-honor" == declined[0].body["debits"][0]["failure_reason_code"]


def test_chances_are_the_same_for_the_same_seed(start, join):
    def outcomes():
        client = join(start(seed="dice"))
        card = client.card()
        put(client, error_before={"probability": 0.3}, decline={"fraction": 0.3})
        return [client.debit(5, card).status for _ in range(50)]

    first = outcomes()

    assert {201, 402, 500} == set(first)
    assert first == outcomes()


def test_only_requests_that_move_money_are_struck_by_default(client):
    put(client, error_before={})

    statuses = [
        client.post("/customers").status,
        client.get("/debits").status,
        client.post("/debits").status,
    ]

    assert [201, 200, 500] == statuses


def test_faults_are_replaced_as_a_whole(client, card):
    put(client, error_before={})
    put(client)

    assert 201 == client.debit(5, card).status


@pytest.mark.parametrize(
    "faults",
    [
        {"gremlins": {}},
        {"slow": 5},
        {"slow": {"seconds": "long"}},
        {"slow": {"seconds": -1}},
        {"slow": {"paths": ["("]}},
        {"wrong_body": {"kinds": ["odd"]}},
        {"decline": []},
    ],
)
def test_faults_that_cannot_be_are_refused(faults):
    with pytest.raises(Refusal):
        Faults(seed="x").replace(faults)


def test_a_dropped_connection_says_nothing_and_a_cut_one_half(served, start):
    sandbox = start(faults={"drop_after_commit": {"count": 1, "paths": ["/customers"]}})
    connect = served(sandbox)
    line = connect()
    secret = json.loads(line.call("POST", "/api_keys", {})[2])["api_keys"][0]["secret"]
    auth = {"Authorization": login(secret)}
    line.call("POST", "/marketplaces", {}, **auth)

    dropped = line.call("POST", "/customers", {}, **auth)
    line = connect()
    line.call("PUT", "/_sandbox/faults", {"wrong_body": {"kinds": ["cut"], "paths": ["/cust"]}})
    line.request("POST", "/customers", b"{}", **auth)
    cut = line.read()

    assert dropped is None
    assert cut is None
    assert line.buffer.startswith(b'{"customers":')


def test_a_hanging_request_does_not_stop_others_nor_the_end(served, start):
    sandbox = start(faults={"black_hole": {"paths": ["/debits"]}})
    connect = served(sandbox)
    hanging, other = connect(), connect()

    hanging.request("GET", "/debits")

    assert 201 == other.call("POST", "/api_keys", {})[0]
