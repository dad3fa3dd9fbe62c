"""Hostile input at every operation: a clear refusal, never a fault of ours, and nothing told."""

import json

import pytest

from billy.api import urls
from tests.hostile.values import CARD as CARD_NUMBER

pytestmark = pytest.mark.django_db

JSON_BODIES = [
    *(b"", b"{", b"[]", b'"x"', b"1", b"null", b"true", b"\xff\xfe", b'{"a":1,"a":2}', b"{'a':1}"),
    *(b'{"amount":NaN}', b'{"amount":Infinity}', b'{"amount":' + b"9" * 5_000 + b"}"),
    *(b'{"params":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"name":"\\u0000"}'),
    *(b'{"name":"\\ud800"}', b'{"\\u0000":1}', b'{"external_id":"' + b"x" * 5_000 + b'"}'),
    *(b'{"amount":1.0}', b'{"amount":"7"}', b'{"amount":true}', b'{"amount":9223372036854775808}'),
    *(b'{"amount":-1}', b'{"amount":null,"plan_type":[],"frequency":{},"customer_guid":1}'),
    *(b'{"name":"' + CARD_NUMBER.encode() + b'"}', b'{"started_at":"0001-01-01T00:00:00+14:00"}'),
    *(b'{"started_at":"9999-12-31T23:59:59-12:00"}', b'{"time_zone":"../../etc/passwd"}'),
    *(b'{"currency":"XXX"}', b'{"items":[1,null,{"name":1}]}', b'{"params":{"a":1.5}}'),
    *(b'{"kinds":"x"}', b'{"scopes":[["read"]]}', b'{"retry_policy":{"days":"x"}}'),
    *(b'{"follow_ups":[{}]}', b'{"url":"https://169.254.169.254/"}', b'{"at":"now\\u0000"}'),
    *(b'{"quantity":"1e3"}', b'{"quantity":-1}', b"x" * 300_000),
]
FORMS = [
    *(b"amount=%00", b"%ff=%fe", b"amount=1_000", b"amount=%D9%A1%D9%A2", b"a" * 2_000 + b"=1"),
    *(b"amount=1&amount=2", b"&".join(b"a%d=1" % n for n in range(1_500)), b"item_name0=x"),
    *(
        b"item_amount" + b"9" * 30 + b"=1",
        b"adjustment_amount-1=x",
        b"customer_guid=CU" + b"1" * 22,
    ),
]
QUERIES = [
    *("limit=%00", "limit=1e3", "limit=" + "9" * 30, "offset=-1", "after=%00", "after=" + "A" * 40),
    *("after=%C3%A9", "expand=nothing", "expand=%00", "created_at[gte]=x", "created_at[lt]=%00"),
    *("created_at[gte]=2026-01-01T00:00:00%2B99:99", "external_id=%00", "state=%ff"),
    *("customer_guid=x", "customer_guid=CU" + "1" * 21, "kind=%00", "format=xml", "a=1&a=2"),
    *("trail_guid=SU" + "z" * 22, "limit=0", "limit=%D9%A1", "x" * 2_000 + "=1", "%"),
]
GUIDS = ["x", "%00", "CU" + "1" * 22, "CU" + "z" * 22, "..", "%2e%2e%2f", "é", "1" * 3_000, "SU'--"]
OPERATIONS = [(route, method) for route, door in urls.ROUTES for method in door.operations]
CONTENT_TYPES = [
    *("", "text/plain", "multipart/form-data; boundary=x", "application/json; charset=foo-bar"),
    *("application/json; charset=utf-16", "a" * 500, "application/xml"),
]


def sound(answer):
    """Say what is wrong with an answer, nothing for one that is as it should be."""
    body = b"" if answer.streaming else answer.content
    if answer.status_code >= 500:
        return f"{answer.status_code}: {body[:200]!r}"
    if CARD_NUMBER.encode() in body:
        return "a card number was repeated"
    if answer.status_code >= 400:
        told = json.loads(body)
        if not {"error_class", "error_message", "type", "title", "status"} <= told.keys():
            return f"no problem: {body[:200]!r}"
    return ""


def path_of(route, api):
    return route.replace("{guid}", api.company.guid)


@pytest.fixture
def mine(api, subscription, invoice):
    """Return the guid of one thing for each route that needs one."""
    things = {
        "companies": api.company.guid,
        "customers": subscription["customer_guid"],
        "plans": subscription["plan_guid"],
        "subscriptions": subscription["guid"],
        "schedulers": subscription["guid"],
        "invoices": invoice["guid"],
        "feeds": invoice["guid"],
        "trails": subscription["guid"],
        "payouts": api.made("payouts", {"amount": 5})["guid"],
    }
    return lambda route: route.replace("{guid}", things.get(route.partition("/")[0], "x"))


def test_bodies_that_are_none_are_refused(api, mine):
    wrong = []
    for route, method in OPERATIONS:
        if method in {"post", "put", "patch"} and not route.startswith("api_keys/"):
            for place, body in enumerate(JSON_BODIES):
                answer = api.call(method, mine(route), body=body, Idempotency_Key=f"{route}{place}")
                wrong += [(method, route, body[:60], why) for why in [sound(answer)] if why]

    assert wrong == []


def test_forms_that_are_none_are_refused(api, mine):
    wrong = []
    for route, method in OPERATIONS:
        if method in {"post", "put", "patch"}:
            for place, form in enumerate(FORMS):
                answer = api.call(method, mine(route), form=form, Idempotency_Key=f"{route}{place}")
                wrong += [(method, route, form[:60], why) for why in [sound(answer)] if why]

    assert wrong == []


def test_queries_that_are_none_are_refused(api, mine):
    wrong = []
    for route, method in OPERATIONS:
        if method == "get":
            for query in QUERIES:
                answer = api.get(mine(route), query)
                wrong += [(route, query[:60], why) for why in [sound(answer)] if why]

    assert wrong == []


def test_guids_that_are_none_are_not_found(api):
    wrong = []
    for route, method in OPERATIONS:
        for guid in GUIDS if "{guid}" in route else ():
            answer = api.call(method, route.replace("{guid}", guid), Idempotency_Key="k")
            if answer.status_code != 404 or sound(answer):
                wrong.append((method, route, guid[:30], answer.status_code))

    assert wrong == []


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_body_of_another_kind_is_refused(api, content_type):
    from django.test import Client

    answer = Client(raise_request_exception=False).generic(
        "POST",
        "/v1/plans",
        b'{"amount":1}',
        content_type=content_type,
        headers={"Authorization": f"Bearer {api.key}"},
    )

    assert answer.status_code == 415
    assert sound(answer) == ""


@pytest.mark.parametrize("amount", ["1.0", '"7"', "true", "1e3", "-1", "0", "9007199254740992"])
def test_an_amount_is_a_whole_number_or_none(api, alice, amount):
    body = f'{{"customer_guid":"{alice["guid"]}","amount":{amount}}}'

    answer = api.post("invoices", body)

    assert answer.status_code == (200 if amount == "0" else 400)


def test_columns_that_are_not_fields_cannot_be_written(api, alice):
    names = ("guid", "company_id", "state", "amount_paid", "next_run_at", "is_staff", "deleted_at")
    for name in names:
        answer = api.post("payouts", {"amount": 5, name: "x"})
        assert answer.status_code == 400
        assert answer.json()["errors"] == [{"pointer": f"#/{name}", "detail": "is not known here"}]
        assert api.patch(f"customers/{alice['guid']}", {name: "x"}).status_code == 400


def test_no_text_keeps_a_card_number(api, alice, goat):
    for path, body in (
        ("customers", {"name": CARD_NUMBER}),
        ("payouts", {"amount": 5, "description": CARD_NUMBER}),
        ("invoices", {"customer_guid": alice["guid"], "amount": 5, "title": CARD_NUMBER}),
        ("payouts", {"amount": 5, "params": {"a": [CARD_NUMBER]}}),
        ("funding_instruments", {"customer_guid": alice["guid"], "uri": f"/cards/{CARD_NUMBER}"}),
    ):
        answer = api.post(path, body)
        assert (answer.status_code, answer.json()["error_class"]) == (422, "CardNumber")
        assert CARD_NUMBER not in answer.content.decode()


def test_one_key_that_asks_too_much_is_slowed_down_and_no_other(api, other, settings):
    from billy.api import callers

    settings.BILLY_REQUESTS_PER_SECOND, settings.BILLY_REQUESTS_AT_ONCE = 0.1, 3
    callers.buckets.cache_clear()

    answers = [api.get("customers") for _ in range(5)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert other.get("customers").status_code == 200


def test_a_whole_origin_is_allowed_and_no_other(api, settings):
    settings.BILLY_ALLOWED_ORIGINS = ["https://app.example.com"]

    told = [
        api.get("customers", Origin=origin).headers.get("Access-Control-Allow-Origin")
        for origin in ("https://app.example.com", "https://app.example.com.evil.org", "null", "")
    ]
    asked = api.call("options", "customers", Origin="https://app.example.com")

    assert told == ["https://app.example.com", None, None, None]
    assert (asked.status_code, "PATCH" in asked.headers["Access-Control-Allow-Methods"]) == (
        200,
        True,
    )
