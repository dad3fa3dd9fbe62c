"""What an app gets wrong is refused and named, and what it is told is what there is."""

import json
from urllib.parse import urlencode

import pytest

from accounts.clock import database_now
from audit.models import AuditEvent
from billy.api.tests.conftest import ACCOUNT, CARD
from webhooks.deliver import relay
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db

HOOK = "https://hooks.example.com/billy"


@pytest.fixture
def paid(api, alice):
    """An invoice over $5.00 that is paid."""
    terms = {"customer_guid": alice["guid"], "amount": 500, "funding_instrument_uri": CARD}
    return api.made("invoices", terms)


@pytest.fixture
def scheduler(api, alice, goat):
    """Alice on the goat plan, without a card."""
    terms = {"customer_guid": alice["guid"], "plan_guid": goat["guid"]}
    return api.made("schedulers", terms, Idempotency_Key="goat")


@pytest.mark.parametrize("amount", ["", None])
def test_an_amount_that_is_empty_by_mistake_gives_nothing_back(api, paid, amount):
    path = f"feeds/{paid['guid']}/refunds"

    refused = api.post(path, {"amount": amount}, Idempotency_Key="a")
    all_of_it = api.made(path, {}, Idempotency_Key="b")

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "#/amount")
    assert all_of_it["refunded"] == 500


def test_a_bad_amount_is_no_matter_of_the_invoice_s_state(api, paid):
    answer = api.post(f"feeds/{paid['guid']}/refunds", {"amount": 1.0}, Idempotency_Key="a")

    assert answer.json()["error_class"] == "InvalidParameters"


def test_follow_ups_are_told_as_they_were_given(api, alice, goat):
    seller = api.made("customers", {"name": "Bob"})
    account = api.made("funding_instruments", {"customer_guid": seller["guid"], "uri": ACCOUNT})
    share = {"role": "seller", "share": 9000, "after_days": 2}
    given = share | {"customer": seller["guid"], "instrument": account["guid"]}

    made = api.made(
        "schedulers",
        {"customer_guid": alice["guid"], "plan_guid": goat["guid"], "follow_ups": [given]},
        Idempotency_Key="one",
    )

    assert made["follow_ups"] == [given]


def test_what_is_expanded_is_always_told_anew(api, alice, scheduler):
    path, expanded = f"schedulers/{scheduler['guid']}", "expand=customer"
    tag = api.get(path, expanded).headers["ETag"]
    api.patch(f"customers/{alice['guid']}", {"name": "Alicia"})

    again = api.get(path, expanded, If_None_Match=tag)

    assert again.json()["customer"]["name"] == "Alicia"
    assert api.get(path, If_None_Match=tag).status_code == 304


def test_what_no_endpoint_would_hear_is_not_planned(api, paid):
    made = api.made("webhook_endpoints", {"url": HOOK})
    api.made(f"invoices/{paid['guid']}/refund", {"amount": 100})
    relay(now=database_now())
    path = f"deliveries/{Delivery.objects.first().guid}/attempts"

    api.patch(f"webhook_endpoints/{made['guid']}", {"state": "disabled"})
    disabled = api.post(path, {})
    api.delete(f"webhook_endpoints/{made['guid']}")

    assert disabled.json()["error_class"] == "InvalidOperationError"
    assert api.post(path, {}).status_code == 400
    assert {each.state for each in Delivery.objects.all()} == {"failed"}


def test_an_endpoint_that_stays_the_same_has_not_changed(api):
    made = api.made("webhook_endpoints", {"url": HOOK})
    path = f"webhook_endpoints/{made['guid']}"

    same = [api.patch(path, terms).json() for terms in ({}, {"url": HOOK, "state": "active"})]

    without_secret = {name: value for name, value in made.items() if name != "secret"}
    assert same == [without_secret, without_secret]
    assert not AuditEvent.objects.filter(kind="webhook_endpoint.changed").exists()


def test_a_key_is_not_rotated_twice(api):
    made = api.made("api_keys", {"scopes": ["read"]})
    path = f"api_keys/{made['guid']}/rotation"

    successor = api.made(path, {})

    assert successor["expires_at"] is None
    assert api.post(path, {}).status_code == 400


def test_a_report_of_usage_has_a_name_of_its_own(api, scheduler):
    path = f"schedulers/{scheduler['guid']}/usage"
    report = {"metric": "gb", "at": "2026-01-31T09:00:00Z", "external_id": "a", "quantity": 1}

    same = [api.made(path, report | {"quantity": quantity}) for quantity in (1, 2)]

    assert same[0] == same[1]


def test_every_bad_line_is_named(api, alice):
    lines = [{"name": "Hay", "amount": "much"}, {"amount": 1}]
    form = {"customer_guid": alice["guid"], "amount": 1, "item_name0": "Hay"}
    form |= {"item_amount0": "much", "item_amount1": 1}

    as_json = api.post("invoices", {"customer_guid": alice["guid"], "amount": 1, "items": lines})
    as_form = api.call("post", "invoices", form=urlencode(form))

    named = [{each["pointer"] for each in told.json()["errors"]} for told in (as_json, as_form)]
    assert named == [{"#/items/0/amount", "#/items/1/name"}, {"#/item_amount0", "#/item_name1"}]


@pytest.mark.parametrize("what", ["events", "feeds", "transactions"])
def test_an_export_of_nothing_has_its_head(api, paid, what):
    nothing = api.get(f"exports/{what}", "format=csv&created_at[gte]=2100-01-01T00:00:00Z")
    all_of_it = api.get(f"exports/{what}", "format=csv")

    head = b"".join(nothing.streaming_content)
    assert head.count(b"\n") == 1
    line = b"".join(api.get(f"exports/{what}").streaming_content).splitlines()[0]
    assert head.decode().strip().split(",") == sorted(json.loads(line))
    assert b"".join(all_of_it.streaming_content).startswith(head)


def test_a_body_comes_as_it_is(api):
    answer = api.post("customers", {"name": "Alice"}, Content_Encoding="gzip")

    assert answer.status_code == 415


def test_every_birth_tells_which_key_asked_for_it(api, scheduler, paid):
    key = api.made("api_keys", {"scopes": ["read"]})
    api.made(
        f"schedulers/{scheduler['guid']}/usage",
        {"metric": "gb", "at": "2026-01-31T09:00:00Z", "external_id": "a", "quantity": 1},
    )
    api.delete(f"api_keys/{key['guid']}")

    told = {each.kind: each.actor for each in AuditEvent.objects.order_by("id")}

    for kind in (
        *("customer.created", "plan.created", "scheduler.created", "invoice.opened"),
        *("usage.recorded", "api_key.created", "api_key.revoked"),
    ):
        assert told[kind].startswith("api AK"), kind
    assert told["debit.succeeded"] == "billy"


def test_a_refused_callback_tells_the_name_of_its_request(api):
    answer = api.post(f"companies/{api.company.guid}/callbacks/x", {})

    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_key_that_may_not_is_told_which_scope_it_lacks(api, alice):
    refused = api.scoped("read").post("invoices", {"customer_guid": alice["guid"], "amount": 1})

    assert refused.status_code == 403
    assert "`money`" in refused.json()["error_message"]


def test_a_plus_sign_that_nobody_escaped_is_understood(api, paid):
    escaped, plain = (
        api.get("invoices", f"created_at[gte]=2026-01-01T00:00:00{sign}02:00").json()
        for sign in ("%2B", "+")
    )

    assert escaped == plain


@pytest.mark.parametrize("limit", [101, 10**9])
def test_no_list_shows_more_than_a_hundred(api, scheduler, limit):
    for path in ("events", f"schedulers/{scheduler['guid']}/runs"):
        assert len(api.get(path, f"limit={limit}").json()["items"]) <= 100
    assert len(api.get(path, f"limit={limit}").json()["items"]) == 100


def test_what_is_answered_again_has_the_same_tag(api):
    first, again = (api.post("customers", {}, Idempotency_Key="one") for _ in range(2))

    assert again.headers["Idempotency-Replayed"] == "true"
    assert (first.content, first.headers["ETag"]) == (again.content, again.headers["ETag"])
