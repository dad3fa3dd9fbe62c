"""Errors tell a caller nothing but a name under which an operator finds the rest."""

import json
import re

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db import DataError
from django.http import HttpResponse
from django.http.request import UnreadablePostError
from django.test import Client
from django.urls import path

from billy import urls
from billy.web import naming

SECRET = "sk_canary_in_an_error"
TOLD = f"/srv/billy/secret.py SELECT callback_key FROM companies {SECRET}"
ERRORS = {
    "runtime": RuntimeError,
    "value": ValueError,
    "data": DataError,
    "unicode": lambda told: UnicodeEncodeError("utf-8", told, 0, 1, told),
    "validation": ValidationError,
    "recursion": RecursionError,
    "overflow": OverflowError,
    "broken-off": UnreadablePostError,
    "denied": PermissionDenied,
    "suspicious": SuspiciousOperation,
}
STATUSES = dict.fromkeys(ERRORS, 400) | {"runtime": 500, "denied": 403}


def view(_request, kind):
    raise ERRORS[kind](TOLD)


def said(_request):
    return HttpResponse(naming.current())


urlpatterns = [path("v1/break/<kind>", view), path("break/<kind>", view), path("name", said)]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


@pytest.fixture
def caller(settings):
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("door", ["/v1/break/", "/break/"])
def test_an_error_s_body_tells_nothing_of_it(caller, kind, door):
    answer = caller.get(door + kind, headers={"X-Request-ID": "order-66-abc"})

    body = answer.content.decode()
    assert answer.status_code == STATUSES[kind]
    assert "order-66-abc" in body
    assert not any(word in body for word in ("canary", "SELECT", "/srv", "Error(", "Traceback"))


def test_callers_of_the_api_get_json_and_people_a_page(caller):
    api, page = caller.get("/v1/break/runtime"), caller.get("/break/runtime")

    name, words = api.headers["X-Request-ID"], "Something went wrong here. It was noted."
    assert api.headers["Content-Type"] == "application/problem+json"
    assert json.loads(api.content) == {
        "error_class": "InternalError",
        "error_message": words,
        "type": "urn:billy:error:InternalError",
        "title": "Internal Server Error",
        "status": 500,
        "detail": words,
        "instance": f"urn:billy:request:{name}",
        "request_id": name,
        "errors": [],
    }
    assert page.headers["Content-Type"].startswith("text/html")
    assert f"Request {page.headers['X-Request-ID']}" in page.content.decode()


@pytest.mark.parametrize("address", ["/nothing", "/v1/nothing", "/\u202enothing", "/%00"])
def test_what_is_not_there_is_not_repeated(caller, address):
    answer = caller.get(address)

    assert answer.status_code == 404
    assert b"nothing" not in answer.content.replace(b"There is nothing at this address.", b"")


def test_bad_input_that_only_the_last_resort_refused_raises_an_alarm(caller, caplog):
    caller.get("/break/value")
    caller.get("/break/suspicious")

    assert [each.message for each in caplog.records if "ALARM" in each.message] == [
        "ALARM: bad input was refused by nothing but ValueError"
    ]


@pytest.mark.parametrize("name", ["order-66-abc", "A.b_c-12345", "x" * 64])
def test_a_sound_name_is_kept(caller, name):
    answer = caller.get("/name", headers={"X-Request-ID": name})

    assert (answer.headers["X-Request-ID"], answer.content.decode()) == (name, name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "short", "x" * 65, "a b c d e f", "a\tbcdefgh", "é" * 20, "<script>alert"),
        *("a;bcdefghi", "4111111111111111", "4111-1111-1111-1111"),
    ],
)
def test_any_other_name_is_replaced(caller, name):
    answer = caller.get("/name", headers={"X-Request-ID": name})

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert answer.content.decode() == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "address",
    [
        *("/name?q=4111111111111111", "/name?4111-1111-1111-1111", "/v1/4111111111111111"),
        *("/name?a=4111%201111%201111%201111", "/name?a=4111+1111+1111+1111"),
        "/name?q=%EF%BC%94111111111111111",
    ],
)
def test_no_address_may_hold_the_number_of_a_card(caller, address):
    answer = caller.get(address)

    assert answer.status_code == 422
    assert b"1111" not in answer.content


@pytest.mark.parametrize("page", ["billy_accounts/company", "auth/user"])
@pytest.mark.parametrize("query", ["_to_field=", "_to_field=1&_to_field=", "_to_field=nothing"])
def test_a_field_that_is_none_breaks_no_page_of_the_admin(admin_client, marketplace, page, query):
    name = marketplace.guid if "company" in page else "1"
    admin_client.raise_request_exception = False

    answer = admin_client.get(f"/admin/{page}/{name}/change/?{query}")

    assert answer.status_code in {200, 400}
