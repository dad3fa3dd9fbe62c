"""Every route by another company's things, by every scope, and without a key."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.urls import get_resolver

from accounts.clock import database_now
from accounts.models import SCOPES
from billy.api import urls
from billy.api.door import Door
from billy.api.tests.conftest import CARD, basic
from tests.hostile.judge import hashes
from webhooks import deliver

pytestmark = pytest.mark.django_db

OPERATIONS = [
    (route, method, operation)
    for route, door in urls.ROUTES
    for method, operation in door.operations.items()
]
# What each kind of thing is called in an address.
KINDS = {
    "companies": "company",
    "customers": "customer",
    "plans": "plan",
    "payouts": "payout",
    "subscriptions": "scheduler",
    "schedulers": "scheduler",
    "invoices": "feed",
    "feeds": "feed",
    "transactions": "transaction",
    "events": "event",
    "trails": "scheduler",
    "funding_instruments": "instrument",
    "api_keys": "key",
    "webhook_endpoints": "endpoint",
    "deliveries": "delivery",
}
BODIES = {
    "funding_instrument_uri": CARD,
    "amount": 1,
    "name": "Mallory",
    "reason": "none",
    "metric": "gb",
    "quantity": 1,
    "at": "2026-01-31T09:00:00Z",
    "external_id": "x",
    "url": "https://hooks.example.com/billy",
    "amount_limit": 1,
}
CHANGED_BY_ASKING = ("billy_accounts_apikey", "billy_accounts_idempotentrequest")


def named(route, method):
    return f"{method} {route}"


IDS = [named(route, method) for route, method, _ in OPERATIONS]


@pytest.fixture
def things(other):
    """One of everything that another company has."""
    customer = other.made("customers", {"name": "Bob"})
    plan = other.made("plans", {"plan_type": "debit", "frequency": "daily", "amount": 100})
    payout = other.made("payouts", {"amount": 5})
    terms = {"customer_guid": customer["guid"], "plan_guid": plan["guid"]}
    scheduler = other.made("subscriptions", terms | {"funding_instrument_uri": CARD})

    def first(path):
        return other.get(path).json()["items"][0]["guid"]

    return {
        "company": other.company.guid,
        "customer": customer["guid"],
        "plan": plan["guid"],
        "payout": payout["guid"],
        "scheduler": scheduler["guid"],
        "feed": first("feeds"),
        "transaction": first("transactions"),
        "event": first("events"),
        "instrument": first("funding_instruments"),
        "key": first("api_keys"),
        **more_things(other),
    }


def more_things(other):
    """Return an endpoint and a delivery: what is told after the endpoint is there."""
    endpoint = other.made("webhook_endpoints", {"url": "https://hooks.example.com/billy"})
    other.made("customers", {"name": "Carol"})
    deliver.relay(now=database_now())
    (delivery, *_) = other.get("deliveries").json()["items"]
    return {"endpoint": endpoint["guid"], "delivery": delivery["guid"]}


def body_of(operation):
    """Return a body that names what it can."""
    return {name: value for name, value in BODIES.items() if name in operation.taken.given()}


def test_another_company_s_things_are_none_and_stay_as_they_are(api, things):
    wrong = []
    before = kept()
    for route, method, operation in OPERATIONS:
        if "{guid}" in route:
            path = route.replace("{guid}", things[KINDS[route.partition("/")[0]]])
            answer = api.call(method, path, body=body_of(operation), Idempotency_Key=route)
            if answer.status_code != 404:
                wrong.append((method, path, answer.status_code, answer.content))

    assert wrong == []
    assert before == kept()


def test_another_company_s_things_cannot_be_named_in_a_body(api, things, alice, goat):
    mine = {"customer_guid": alice["guid"], "plan_guid": goat["guid"]}
    before = kept()

    answers = [
        *(
            api.post(path, mine | {name: things[kind]}, Idempotency_Key=f"{path}{name}")
            for path in ("subscriptions", "schedulers")
            for name, kind in (("customer_guid", "customer"), ("plan_guid", "plan"))
        ),
        api.post("invoices", {"customer_guid": things["customer"], "amount": 1}),
        api.post("funding_instruments", {"customer_guid": things["customer"], "uri": CARD}),
    ]

    assert [each.status_code for each in answers] == [400] * 6
    assert before == kept()


def test_lists_filters_and_exports_show_nothing_of_another_company(api, things):
    texts = []
    for route, method, operation in OPERATIONS:
        if method == "get" and "{guid}" not in route:
            texts.append(read(api.get(route)))
            for name in operation.query.given():
                if name.removesuffix("_guid") in things:
                    query = f"{name}={things[name.removesuffix('_guid')]}"
                    texts.append(read(api.get(route, query)))

    shown = "\n".join(texts)
    assert [kind for kind, guid in things.items() if guid in shown] == []


def read(answer):
    assert answer.status_code in {200, 400}, answer.content
    return (answer.getvalue() if answer.streaming else answer.content).decode()


@pytest.mark.parametrize("scope", SCOPES)
def test_every_operation_needs_its_scope(api, scope):
    others = api.scoped(*(each for each in SCOPES if each != scope))
    wrong = []
    for (route, method, operation), name in zip(OPERATIONS, IDS, strict=True):
        if route == "companies" or operation.scope != scope:
            continue
        path = route.replace("{guid}", "XX111")
        answer = others.call(method, path, Idempotency_Key=name)
        if (answer.status_code, answer.json()["error_class"]) != (403, "Forbidden"):
            wrong.append((name, answer.status_code))

    assert wrong == []


def test_nothing_opens_without_a_key(api):
    wrong = []
    for route, method, _ in OPERATIONS:
        path = "/v1/" + route.replace("{guid}", api.company.guid)
        answer = getattr(Client(), method)(path)
        told = answer.json()
        if route != "companies" and (
            answer.status_code != 401
            or told["error_class"] != "Unauthorized"
            or "Basic" not in answer.headers["WWW-Authenticate"]
        ):
            wrong.append((route, method, answer.status_code))

    assert wrong == []


@pytest.mark.parametrize(
    "header",
    [
        *("", "Basic", "Basic !!", "Basic é", "Bearer", "Bearer short", "Digest x"),
        *("Basic " + "QQ" * 5_000, "Bearer " + "1" * 43, basic("1" * 44), basic("")),
    ],
)
def test_a_key_that_is_none_is_answered_401(api, header):
    answer = Client().get("/v1/customers", headers={"Authorization": header})

    assert answer.status_code == 401


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_a_key_is_a_user_name_or_a_token(api, scheme):
    said = basic(api.key, "whatever").replace("Basic", scheme)

    answer = Client().get("/v1/customers", headers={"Authorization": said})

    assert answer.status_code == 200


def test_every_route_is_a_door_and_described():
    described = json.loads(urls.root.DESCRIPTION.read_text())["paths"]
    plain = {
        path.rstrip("/"): {method for method in told if method != "parameters"}
        for path, told in described.items()
    }

    for route, door in urls.ROUTES:
        assert issubclass(door, Door)
        assert plain[f"/v1/{route}"] == set(door.operations), route
    patterns = [str(each.pattern) for each in get_resolver(urls.__name__).url_patterns]
    assert len(patterns) == len(urls.ROUTES) + 4


def kept():
    """Return a hash of every table that no request of these may change."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {table: hashed for table, hashed in hashes().items() if table not in CHANGED_BY_ASKING}
