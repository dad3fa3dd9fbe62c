"""A callback that is forged, repeated, or one of a flood changes nothing and delays nobody."""

import json
import socket
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.ids import PREFIXES, guid, uuid7
from processors.base import Status
from processors.memory import Memory, Pending
from schedulers.limits import Limits
from tests.hostile.judge import hashes
from webhooks import api, receive
from webhooks.buckets import AWAY_SECONDS, MOST_SOURCES, Buckets, Shared
from webhooks.models import Inbound
from webhooks.tests.conftest import memory, other_shop, shop, standing

__all__ = ["memory", "other_shop", "shop", "standing"]


@pytest.fixture(autouse=True)
def fresh_buckets():
    """Let no test use up what another one may send."""
    api.buckets.cache_clear()
    yield
    api.buckets.cache_clear()


def post(client, address, body, **more):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(address, raw, content_type="application/json", **more)


def address_of(shop, *, company=None, key=None):
    named = company or shop.company.guid
    return f"/v1/companies/{named}/callbacks/{shop.company.callback_key if key is None else key}"


# --- Forged -------------------------------------------------------------------------------------


def flipped(key):
    return key[:9] + ("a" if key[9] != "a" else "b") + key[10:]


FORGED_ADDRESSES = {
    "another secret": lambda shop, _: address_of(shop, key="x" * 43),
    "one letter is another": lambda shop, _: address_of(
        shop, key=flipped(shop.company.callback_key)
    ),
    "one letter is missing": lambda shop, _: address_of(shop, key=shop.company.callback_key[:-1]),
    "other case": lambda shop, _: address_of(shop, key=shop.company.callback_key.swapcase()),
    "no secret": lambda shop, _: address_of(shop, key=""),
    "not ASCII": lambda shop, _: address_of(shop, key="%C3%A9" * 43),
    "the processor's key": lambda shop, _: address_of(shop, key=shop.company.processor_key),
    "another company's secret": lambda shop, other: address_of(
        shop, key=other.company.callback_key
    ),
    "another company's guid": lambda shop, other: address_of(shop, company=other.company.guid),
    "nobody's guid": lambda shop, _: address_of(
        shop, company=guid(PREFIXES["company"], uuid7(now=shop.now))
    ),
}


@pytest.mark.parametrize("name", FORGED_ADDRESSES)
def test_a_forged_address_finds_nothing_and_changes_nothing(client, shop, other_shop, name):
    event_id = shop.newest_event(shop.sell(Pending))
    address = FORGED_ADDRESSES[name](shop, other_shop)
    before = hashes()

    answer = post(client, address, {"id": event_id}, headers={"X-Signature": "\u00e9\u20ac"})

    assert answer.status_code == 404
    assert hashes() == before
    assert not Inbound.objects.exists()


FORGED_BODIES = {
    "an unknown event": lambda _, __: {"id": "EVforged"},
    "another company's event": lambda _, theirs: {"id": theirs},
    "a state that is not so": lambda mine, _: {"id": mine, "entity": {"status": "succeeded"}},
    "an old instant": lambda mine, _: {"id": mine, "occurred_at": "1999-01-01T00:00:00Z"},
    "two events": lambda mine, theirs: {"events": [{"id": theirs}, {"id": mine}]},
    "another amount": lambda mine, _: {"events": [{"id": mine, "entity": {"amount": 1}}]},
    "a reversed id": lambda mine, _: {"id": mine[::-1]},
    "an id of another kind": lambda _, __: {"id": "WD1nJxLpGbRfUvNw3tYcQs"},
}


@pytest.mark.parametrize("name", FORGED_BODIES)
def test_a_forged_body_changes_nothing(client, shop, other_shop, standing, name):
    attempt, theirs = shop.sell(Pending), other_shop.sell(Pending)
    events = shop.newest_event(attempt), other_shop.newest_event(theirs)
    before = hashes()

    answer = post(client, address_of(shop), FORGED_BODIES[name](*events))

    assert answer.status_code in {200, 400}
    assert standing(attempt) == standing(theirs) == ("pending", "open", 0, 0)
    assert hashes() == before


def test_the_same_event_in_other_bytes_is_told_to_the_operator_and_answered(client, shop, caplog):
    attempt = shop.sell(Pending)
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    event_id = shop.newest_event(attempt)
    post(client, address_of(shop), {"id": event_id, "a": 1})
    before = hashes()

    answers = [
        post(client, address_of(shop), body)
        for body in (b'{"a":1,"id":"%s"}' % event_id.encode(), {"id": event_id, "a": 1})
    ]

    assert [(each.status_code, each.json()) for each in answers] == [(200, {"code": "ok"})] * 2
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == [
        f"event {event_id} of {shop.company.guid} came again with another body"
    ]
    assert hashes() == before


def test_events_out_of_order_and_twice_end_where_the_processor_stands(client, shop, standing):
    attempt = shop.sell(Pending)
    created = shop.newest_event(attempt)
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    settled = shop.newest_event(attempt)

    codes = {
        post(client, address_of(shop), {"id": event}).status_code
        for event in (settled, created, created, settled, settled)
    }

    assert codes == {200}
    assert standing(attempt) == ("succeeded", "settled", 100, 0)


# --- A flood ------------------------------------------------------------------------------------


@pytest.fixture
def few(settings):
    settings.BILLY_CALLBACKS_AT_ONCE, settings.BILLY_CALLBACKS_PER_SECOND = 3, 0.1


def test_whoever_calls_too_often_is_asked_to_wait(client, shop, few):
    answers = [post(client, address_of(shop), {"id": "EVforged"}) for _ in range(5)]

    assert [each.status_code for each in answers] == [400, 400, 400, 429, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10
    assert answers[-1].json()["error_class"] == "TooManyRequests"


def test_a_flood_costs_no_statement_and_is_not_even_read(client, shop, few):
    for _ in range(3):
        post(client, address_of(shop, key="wrong"), {"id": "EVforged"})

    with CaptureQueriesContext(connection) as queries:
        answer = post(client, address_of(shop), b"x" * 1_000_000)

    assert (answer.status_code, len(queries)) == (429, 0)


def test_a_flood_from_one_address_leaves_the_others_alone(client, shop, few):
    for _ in range(5):
        post(client, address_of(shop, key="wrong"), {"id": "EV1"}, REMOTE_ADDR="198.51.100.7")

    answer = post(client, address_of(shop), {"id": "EVforged"}, REMOTE_ADDR="198.51.100.8")

    assert answer.status_code == 400


def test_who_does_not_know_the_secret_uses_up_nothing_of_the_company_s(client, shop, few):
    for number in range(9):
        address = f"198.51.100.{number}"
        post(client, address_of(shop, key="wrong"), {"id": "EV1"}, REMOTE_ADDR=address)

    answer = post(client, address_of(shop), {"id": "EVforged"}, REMOTE_ADDR="198.51.100.99")

    assert answer.status_code == 400


def test_one_company_s_flood_from_many_addresses_leaves_the_others_alone(
    client, shop, other_shop, few
):
    mine = [
        post(client, address_of(shop), {"id": "EV1"}, REMOTE_ADDR=f"198.51.100.{number}")
        for number in range(5)
    ]
    theirs = post(client, address_of(other_shop), {"id": "EV1"}, REMOTE_ADDR="198.51.100.99")

    assert [each.status_code for each in mine] == [400, 400, 400, 429, 429]
    assert theirs.status_code == 400


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        ("198.51.100.7", "198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("", "unix:", True),
    ],
)
def test_a_source_is_an_address_or_a_network(rf, first, second, are_one):
    sources = {api.source_of(rf.post("/", REMOTE_ADDR=each)) for each in (first, second)}

    assert len(sources) == (1 if are_one else 2)


@pytest.mark.parametrize("is_behind", [False, True])
def test_only_a_trusted_proxy_says_who_calls(rf, settings, is_behind):
    settings.BILLY_BEHIND_PROXY = is_behind
    told = rf.post(
        "/",
        REMOTE_ADDR="198.51.100.7",
        headers={"X-Forwarded-For": "203.0.113.1, 203.0.113.2"},
    )

    expected = "203.0.113.2" if is_behind else "198.51.100.7"
    assert api.source_of(told) == api.source_of(rf.post("/", REMOTE_ADDR=expected))


def test_a_bucket_fills_again_as_time_goes_by():
    instant = [0.0]
    buckets = Buckets(per_second=2, at_once=3, clock=lambda: instant[0])

    at_once = [buckets.wait_seconds("a") for _ in range(5)]
    instant[0] = 1.0
    later = [buckets.wait_seconds("a") for _ in range(3)]
    instant[0] = 1_000.0
    much_later = [buckets.wait_seconds("a") for _ in range(4)]

    assert (at_once, later, much_later) == ([0, 0, 0, 1, 1], [0, 0, 1], [0, 0, 0, 1])


def test_many_threads_take_no_more_than_there_is():
    buckets = Buckets(per_second=0.001, at_once=100, clock=lambda: 0.0)
    waits = []

    def take():
        waits.extend(buckets.wait_seconds("a") for _ in range(50))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert (len(waits), waits.count(0)) == (400, 100)


def test_a_million_addresses_fill_no_memory():
    buckets = Buckets(per_second=1, at_once=1)

    for number in range(MOST_SOURCES + 500):
        buckets.wait_seconds(number)

    assert len(buckets._left) == MOST_SOURCES


# --- What is kept -------------------------------------------------------------------------------


def waiting(shop, count, **more):
    Inbound.objects.bulk_create(
        Inbound(
            processor=shop.memory.name,
            company=shop.company,
            event_id=f"EV{number}",
            received_at=shop.now,
            body_sha256="",
            raw="{}",
            **more,
        )
        for number in range(count)
    )


def test_of_events_that_nobody_knows_the_newest_are_kept(shop, other_shop, caplog):
    waiting(shop, receive.MOST_UNKNOWN + 30, result="unknown", done_at=shop.now)
    waiting(other_shop, 5, result="unknown", done_at=shop.now)

    receive.sweep(processor=shop.memory, now=shop.now, limits=Limits())

    kept = Inbound.objects.filter(company=shop.company)
    assert kept.count() == receive.MOST_UNKNOWN
    assert not kept.filter(event_id="EV29").exists()
    assert Inbound.objects.filter(company=other_shop.company).count() == 5
    assert "30 callbacks of company" in caplog.text


def test_no_more_than_so_many_wait_for_a_processor_that_is_away(client, shop, other_shop):
    waiting(shop, receive.MOST_WAITING)
    shop.memory.bad_secrets |= {"goats", "sheep"}

    mine = [post(client, address_of(shop), {"id": each}) for each in ("EVone", "EV1")]
    theirs = post(client, address_of(other_shop), {"id": "EVone"})

    # What waits already is answered as before, what is new must come again later.
    assert [each.status_code for each in mine] == [429, 200]
    assert mine[0].headers["Retry-After"] == str(receive.CROWDED_SECONDS)
    assert Inbound.objects.filter(company=shop.company).count() == receive.MOST_WAITING
    assert theirs.status_code == 200


def test_a_body_is_kept_up_to_a_limit(client, shop):
    post(client, address_of(shop), {"id": "EVforged", "note": "x" * 100_000})

    assert len(Inbound.objects.get().raw) == receive.RAW_LIMIT


def test_a_processor_that_hangs_holds_so_many_callbacks_and_no_more(shop):
    released = threading.Event()

    class Hangs(Memory):
        def event(self, *, account, event_id):
            released.wait()
            return super().event(account=account, event_id=event_id)

    def fetch():
        try:
            receive._fetched_soon(shop.company, "EV1", Hangs(), patience_seconds=0)
        except receive.TooLate:
            held.append(receive._fetches._value)

    held = []
    try:
        for _ in range(receive.FETCHES_AT_ONCE + 2):
            fetch()
    finally:
        released.set()

    assert held == [*range(receive.FETCHES_AT_ONCE - 1, -1, -1), 0, 0]


def test_what_waited_is_applied_when_the_processor_is_back(client, shop, standing):
    attempt = shop.sell(Pending)
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    shop.memory.bad_secrets.add("goats")
    post(client, address_of(shop), {"id": shop.newest_event(attempt)})
    shop.memory.bad_secrets.clear()

    receive.sweep(processor=shop.memory, now=shop.now + timedelta(minutes=1), limits=Limits())

    assert standing(attempt) == ("succeeded", "settled", 100, 0)


def test_a_redis_that_is_away_is_asked_once_in_a_while_and_refuses_nobody(caplog):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{free.getsockname()[1]}/0"  # Nobody listens there.
        instant = [0.0]
        buckets = Shared("a", url=url, per_second=1, at_once=3, clock=lambda: instant[0])

        waits = [buckets.wait_seconds("a") for _ in range(4)]
        instant[0] = AWAY_SECONDS
        buckets.wait_seconds("b")

    assert waits == [0, 0, 0, 1]
    assert len([each for each in caplog.records if "alone" in each.message]) == 2
