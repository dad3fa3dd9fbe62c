"""A company's limits of money over HTTP, and what they refuse there."""

import pytest

from audit.models import AuditEvent
from billy.api.tests.conftest import ACCOUNT, CARD

pytestmark = pytest.mark.django_db

NAMES = ("amount_limit", "payout_cap", "payout_hold_hours", "payments_alarm")
HOSTILE = ["1.0", '"7"', "true", "-1", str(2**63), "1e3", "[]", "{}", '"١٢"']


def path_of(api):
    return f"companies/{api.company.guid}"


def limit(api, **limits):
    answer = api.put(path_of(api), limits)
    assert answer.status_code == 200, answer.content
    return answer.json()


def refused(answer):
    """Return the fields that an answer complains about."""
    assert answer.status_code == 400, answer.content
    return [each["pointer"].removeprefix("#/") for each in answer.json()["errors"]]


def test_limits_are_set_shown_and_taken_away(api):
    limits = {"amount_limit": 5, "payout_cap": 6, "payout_hold_hours": 24, "payments_alarm": 7}

    told = limit(api, **limits)

    assert {name: told[name] for name in NAMES} == limits
    assert api.get(path_of(api)).json() == told
    told = limit(api, **dict.fromkeys(NAMES))
    assert {name: told[name] for name in NAMES} == dict.fromkeys(NAMES) | {"payout_hold_hours": 0}


def test_what_is_not_named_stays_and_nothing_is_no_change(api):
    limit(api, amount_limit=5)

    told = limit(api)

    assert (told["amount_limit"], told["payout_cap"]) == (5, None)
    assert AuditEvent.objects.filter(kind="company.changed").count() == 1


def test_the_event_tells_who_changed_what(api):
    limit(api, payout_cap=6)

    (event,) = api.get("events", "kind=company.changed").json()["items"]

    assert event["body"] == {"before": {"payout_cap": None}, "after": {"payout_cap": 6}}
    assert event["actor"].startswith("api ")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", HOSTILE)
def test_what_is_no_whole_number_in_bounds_is_refused_by_name(name, value, api):
    before = api.get(path_of(api)).json()

    answer = api.put(path_of(api), f'{{"{name}": {value}}}')

    assert refused(answer) == [name]
    assert api.get(path_of(api)).json() == before


@pytest.mark.parametrize("name", ["amount_limit", "payout_cap", "payments_alarm"])
def test_nothing_at_all_is_no_limit(name, api):
    assert refused(api.put(path_of(api), {name: 0})) == [name]


def test_an_unknown_field_is_refused(api):
    assert refused(api.put(path_of(api), {"processor_key": "x"})) == ["processor_key"]


def test_a_change_of_what_was_changed_meanwhile_is_refused(api):
    tag = api.get(path_of(api)).headers["ETag"]

    good = api.call("put", path_of(api), body={"amount_limit": 5}, If_Match=tag)
    late = api.call("put", path_of(api), body={"amount_limit": 6}, If_Match=tag)

    assert (good.status_code, late.status_code) == (200, 412)
    assert good.headers["ETag"] == api.get(path_of(api)).headers["ETag"]
    assert api.get(path_of(api)).json()["amount_limit"] == 5


def test_limits_need_the_scope_of_admin(api):
    answer = api.scoped("read", "write", "money").put(path_of(api), {"amount_limit": 5})

    assert answer.status_code == 403


def test_amounts_above_the_limit_are_refused_wherever_they_come_in(api, alice, goat):
    limit(api, amount_limit=999)
    plan = {"plan_type": "debit", "frequency": "daily", "amount": 1000}
    person = {"customer_guid": alice["guid"], "funding_instrument_uri": CARD}

    answers = [
        api.post("plans", plan),
        api.post("payouts", {"amount": 1000}),
        api.post("subscriptions", person | {"plan_guid": goat["guid"]}),
        api.post("schedulers", person | {"plan_guid": goat["guid"]}, Idempotency_Key="x"),
        api.post("invoices", person | {"amount": 1000}),
    ]

    assert [refused(each) for each in answers] == [["amount"]] * 5
    assert api.get("transactions").json()["items"] == []


def test_a_first_payout_above_what_is_left_of_the_day_waits(api):
    carol = api.made("customers", {"name": "Carol"})
    payout = api.made("payouts", {"amount": 60, "frequency": "monthly"})
    limit(api, payout_cap=100)
    terms = {"customer_guid": carol["guid"], "plan_guid": payout["guid"]}
    terms |= {"funding_instrument_uri": ACCOUNT}

    for name in ("first", "second"):
        api.made("schedulers", terms, Idempotency_Key=name)

    states = [each["submit_status"] for each in api.get("transactions").json()["items"]]
    assert sorted(states) == ["done", "staged"]
