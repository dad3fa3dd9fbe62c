import pytest

from sandbox.tests.clients import Client

NOON = "2026-01-01T12:00:00.000000Z"
DAY = 86400


@pytest.fixture
def slow_bank(start, join):
    """A marketplace whose bank movements take three days."""
    sandbox = start(ach_delay_seconds=3 * DAY)
    Client(sandbox).at(NOON)
    return join(sandbox)


def status(client, resource):
    return client.get(resource["href"]).one["status"]


def test_a_clock_that_is_set_stands_still_and_is_moved(client):
    first = client.customer()["created_at"]
    moved = client.advance(seconds=90).body

    assert NOON == first
    assert ("2026-01-01T12:01:30.000000Z", True) == (moved["now"], moved["is_set"])
    assert moved["now"] == client.customer()["created_at"]


def test_a_clock_that_is_released_follows_the_machine(client):
    answer = client.at(None).body

    assert not answer["is_set"]
    assert answer["now"] > NOON


@pytest.mark.parametrize(
    "body", [{"now": "noon"}, {"now": 5}, {"advance_seconds": "x"}, {"what": 1}, {"now": []}]
)
def test_a_clock_cannot_be_set_to_nonsense(client, body):
    assert 400 == client.put("/_sandbox/clock", body, secret=None).status


def test_a_bank_debit_settles_after_the_delay(slow_bank):
    debit = slow_bank.debit(500, slow_bank.bank_account()).one
    seen = [status(slow_bank, debit)]
    for seconds in (3 * DAY - 1, 1):
        slow_bank.advance(seconds=seconds)
        seen.append(status(slow_bank, debit))

    assert ["pending", "pending", "succeeded"] == seen
    assert 500 == slow_bank.escrow()


def test_what_is_due_settles_in_order_each_at_its_own_instant(slow_bank):
    account = slow_bank.bank_account()
    debits = []
    for _ in range(3):
        debits.append(slow_bank.debit(500, account).one)
        slow_bank.advance(days=1)

    moved = slow_bank.advance(days=10).body

    instants = [slow_bank.get(debit["href"]).one["updated_at"] for debit in debits]
    assert [f"2026-01-0{day}T12:00:00.000000Z" for day in (4, 5, 6)] == instants
    assert 2 == moved["settled"]  # The first one was due when the third day ended.


def test_a_success_may_come_back_weeks_later(start, join):
    sandbox = start(ach_return_fraction=1, ach_return_after_seconds=20 * DAY)
    Client(sandbox).at(NOON)
    client = join(sandbox)
    debit = client.debit(500, client.bank_account()).one

    before = (status(client, debit), client.escrow())
    client.advance(days=20)
    after = client.get(debit["href"]).one

    assert ("succeeded", 500) == before
    assert "failed" == after["status"]
    assert after["failure_reason_code"].startswith("R")
    assert 0 == client.escrow()
    types = [each["type"] for each in client.get(f"{debit['href']}/events").body["events"]]
    assert ["debit.failed", "debit.succeeded", "debit.created"] == types


def test_one_transaction_can_be_moved_by_hand(slow_bank):
    debit = slow_bank.debit(500, slow_bank.bank_account()).one

    def settle(**body):
        body["uri"] = f"http://127.0.0.1:1/v1{debit['href']}"
        return slow_bank.post("/_sandbox/settle", body, secret=None)

    settled = settle(status="succeeded")
    returned = settle(status="failed", code="R02")
    again = settle(status="succeeded")
    slow_bank.advance(days=9)

    assert [200, 200, 400] == [each.status for each in (settled, returned, again)]
    assert "R02" == returned.one["failure_reason_code"]
    assert "failed" == status(slow_bank, debit)


def test_a_disputed_debit_is_disputed_after_a_while(client):
    debit = client.debit(700, client.card(number="6500000000000002")).one
    before = client.get("/disputes").body["disputes"]
    client.advance(seconds=2)

    dispute = client.get("/disputes").one
    refused = client.post(f"{debit['href']}/refunds")

    assert [] == before
    assert (700, "fraud", "pending") == (dispute["amount"], dispute["reason"], dispute["status"])
    assert "2026-01-31T12:00:01.000000Z" == dispute["respond_by"]
    assert dispute["id"] == client.get(debit["href"]).one["links"]["dispute"]
    assert "debit-disputed" == refused.code


def test_declines_can_be_planned(client):
    card = client.card()
    plan = {"uri": card["href"], "times": 2, "code": "lost-card", "reason": "Lost."}

    client.post("/_sandbox/decline", plan, secret=None)
    answers = [client.debit(5, card) for _ in range(3)]

    assert [402, 402, 201] == [answer.status for answer in answers]
    failed = answers[0].body["debits"][0]
    assert ("lost-card", "Lost.") == (failed["failure_reason_code"], failed["failure_reason"])
    assert "Lost." == answers[0].error["additional"]


@pytest.mark.parametrize(
    ("method", "path", "status_code"),
    [
        ("GET", "/_sandbox/nothing", 404),
        ("DELETE", "/_sandbox/clock", 405),
        ("POST", "/_sandbox/settle", 400),
        ("POST", "/_sandbox/decline", 400),
        ("GET", "/_sandbox/state", 200),
        ("GET", "/_sandbox/faults", 200),
        ("GET", "/_sandbox/clock", 200),
    ],
)
def test_the_control_door_needs_no_key(client, method, path, status_code):
    assert status_code == client.call(method, path, {}, secret=None).status
