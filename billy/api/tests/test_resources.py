"""The new resources, as an app uses them."""

import csv
import io
import json

import pytest

from accounts.models import ApiKey
from audit.chain import Fact, digest
from billy.api.exports import EPOCH, MICROSECOND
from billy.api.tests.conftest import ACCOUNT, CARD
from core.money import Money
from processors.base import Kind
from processors.memory_script import Declined
from schedulers.models import Scheduler
from tasks.kinds import DebitTask, task

pytestmark = pytest.mark.django_db


@pytest.fixture
def scheduler(api, alice, goat):
    """Alice on the goat plan, as a scheduler."""
    return api.made("schedulers", terms(alice, goat), Idempotency_Key="alice-goat")


def terms(customer, plan, **more):
    return {
        "customer_guid": customer["guid"],
        "plan_guid": plan["guid"],
        "funding_instrument_uri": CARD,
        **more,
    }


def test_a_scheduler_tells_all_that_it_is(api, scheduler, alice, goat):
    told = api.get(f"schedulers/{scheduler['guid']}", "expand=customer,plan").json()

    assert (told["state"], told["task"], told["direction"]) == ("active", "fixed-debit", "debit")
    assert (told["effective_amount"], told["occurrence"]) == (1000, 1)
    assert (told["customer"]["name"], told["plan"]["guid"]) == ("Alice", goat["guid"])
    assert told["retryable"] is False


def test_what_is_to_come_is_told(api, scheduler):
    runs = api.get(f"schedulers/{scheduler['guid']}/runs", "limit=3").json()["items"]

    assert [each["occurrence"] for each in runs] == [1, 2, 3]
    assert runs[0]["run_at"] == scheduler["next_run_at"]
    assert runs[0]["period_end"] == runs[1]["period_start"]


def test_a_scheduler_is_paused_resumed_and_canceled(api, scheduler):
    path = f"schedulers/{scheduler['guid']}"

    states = [
        api.put(f"{path}/pause").json()["state"],
        api.put(f"{path}/resume").json()["state"],
        api.put(f"{path}/cancel", {"at": "period_end"}).json()["cancel_at"],
        api.put(f"{path}/cancel", {"at": "now"}).json()["state"],
    ]
    again = api.put(f"{path}/cancel", {"at": "now"})

    assert states == ["paused", "active", scheduler["next_run_at"], "canceled"]
    assert (again.status_code, again.json()["error_class"]) == (400, "InvalidOperationError")
    kinds = [each["kind"] for each in api.get(f"{path}/events").json()["items"]]
    assert kinds[:4] == [
        *("scheduler.canceled", "scheduler.cancel_planned"),
        *("scheduler.resumed", "scheduler.paused"),
    ]


def test_a_declined_charge_is_tried_again_with_another_card(api, alice, goat, memory):
    memory.script.append(Declined(hard=True))
    made = api.made("schedulers", terms(alice, goat), Idempotency_Key="1")
    path = f"schedulers/{made['guid']}"

    changed = api.put(f"{path}/funding_instrument", {"funding_instrument_uri": ACCOUNT})

    (feed,) = api.get(f"{path}/feeds").json()["items"]
    assert changed.status_code == 200, changed.content
    assert (feed["state"], feed["captured"], feed["owed"]) == ("settled", 1000, 0)


def test_a_feed_has_its_lines_and_is_collected_once(api, alice, memory):
    invoice = api.made("invoices", {"customer_guid": alice["guid"], "amount": 100})
    path = f"feeds/{invoice['guid']}"

    unnamed = api.post(f"{path}/attempts", {"funding_instrument_uri": CARD})
    paid = [
        api.post(f"{path}/attempts", {"funding_instrument_uri": CARD}, Idempotency_Key="a")
        for _ in range(2)
    ]

    assert (unnamed.status_code, unnamed.json()["error_class"]) == (400, "IdempotencyKeyNeeded")
    assert paid[0].json() == paid[1].json()
    assert paid[1].headers["Idempotency-Replayed"] == "true"
    assert paid[0].json()["lines"] == [{"description": "", "amount": 100, "inputs": {}}]
    assert memory.sum(kind=Kind.DEBIT) == 100
    assert len(api.get(f"{path}/transactions").json()["items"]) == 1


def test_a_payout_is_paid_and_asked_back(api, alice, memory):
    payroll = api.made("payouts", {"amount": 90, "frequency": "weekly"})
    made = api.made(
        "schedulers",
        terms(alice, payroll) | {"funding_instrument_uri": ACCOUNT},
        Idempotency_Key="pay",
    )
    (feed,) = api.get(f"schedulers/{made['guid']}/feeds").json()["items"]

    back = api.post(f"feeds/{feed['guid']}/refunds", Idempotency_Key="back")

    assert (feed["direction"], feed["state"], feed["number"]) == ("credit", "settled", "PAY-000001")
    assert back.json()["refunded"] == 90
    assert memory.sum(kind=Kind.REVERSAL) == 90
    assert [each["guid"] for each in api.get("payouts").json()["items"]] == [payroll["guid"]]


def test_an_invoice_is_forgiven_with_a_reason(api, alice):
    feed = api.made("invoices", {"customer_guid": alice["guid"], "amount": 100})["guid"]

    answers = api.put(f"feeds/{feed}/waive"), api.put(f"feeds/{feed}/waive", {"reason": "A friend"})

    assert [each.status_code for each in answers] == [400, 200]
    assert answers[1].json()["state"] == "waived"
    assert api.put(f"feeds/{feed}/void").status_code == 400


def test_usage_counts_once(api, scheduler):
    path = f"schedulers/{scheduler['guid']}/usage"
    report = {
        "metric": "gb",
        "quantity": "1.50",
        "at": "2026-01-31T09:00:00Z",
        "external_id": "r1",
    }

    answers = [api.post(path, report).json() for _ in range(2)]

    assert answers[0] == answers[1]
    assert answers[0]["quantity"] == "1.5"
    assert len(api.get("usage", f"scheduler_guid={scheduler['guid']}").json()["items"]) == 1


def test_an_instrument_is_given_to_a_customer(api, alice):
    made = api.made("funding_instruments", {"customer_guid": alice["guid"], "uri": CARD})

    listed = api.get(f"customers/{alice['guid']}/funding_instruments").json()["items"]

    assert listed == [made]
    assert (made["kind"], made["can_debit"], made["state"]) == ("card", True, "active")


def test_a_key_hands_out_no_more_than_it_has(api):
    lesser = api.scoped("admin", "read")

    more = lesser.post("api_keys", {"scopes": ["money"]})
    made = lesser.made("api_keys", {"scopes": ["read"], "external_id": "reader"})

    assert (more.status_code, more.json()["errors"][0]["pointer"]) == (400, "#/scopes")
    assert made["scopes"] == ["read"]
    reader = type(api)(key=made["api_key"], company=api.company)
    assert reader.get("customers").status_code == 200
    assert reader.post("customers", {}).status_code == 403
    assert "api_key" not in api.get(f"api_keys/{made['guid']}").json()


def test_a_key_is_rotated_and_revoked(api):
    made = api.made("api_keys", {"scopes": ["read"], "external_id": "reader"})

    second = api.made(f"api_keys/{made['guid']}/rotation", {})
    revoked = api.delete(f"api_keys/{second['guid']}")

    old, new = (type(api)(key=each["api_key"], company=api.company) for each in (made, second))
    assert (old.get("customers").status_code, new.get("customers").status_code) == (200, 401)
    assert ApiKey.objects.get(hint=made["hint"]).expires_at is not None
    assert second["external_id"] == "reader"
    assert revoked.json()["revoked_at"] is not None
    for again in (api.get, api.delete):
        assert again(f"api_keys/{second['guid']}").status_code == 404
    assert second["guid"] not in {each["guid"] for each in api.get("api_keys").json()["items"]}
    api.made("api_keys", {"scopes": ["read"], "external_id": "reader"})


def test_a_secret_answer_is_replayed_and_kept_encrypted(api):
    made = [api.made("api_keys", {"scopes": ["read"]}, Idempotency_Key="k") for _ in range(2)]

    assert made[0] == made[1]
    assert ApiKey.objects.filter(company=api.company).count() == 2


def test_an_export_of_a_trail_is_checked_without_billy(api, scheduler):
    answer = api.get("exports/events", f"trail_guid={scheduler['guid']}")
    lines = [json.loads(line) for line in answer.getvalue().decode().splitlines()]
    trail = api.get(f"trails/{scheduler['guid']}").json()

    prev = b""
    for number, line in enumerate(lines, start=1):
        prev = digest(
            prev=prev,
            seq=number,
            at=EPOCH + line["at"] * MICROSECOND,
            fact=Fact(
                trail_id=line["trail"],
                company_id=line["company"],
                kind=line["kind"],
                currency=line["currency"],
                dedupe=line["dedupe"],
                amount=line["amount"],
                moved=line["moved"],
                feed_id=line["feed"],
                transaction_id=line["transaction"],
                body=line["body"],
                actor=line["actor"],
            ),
        )
        assert prev.hex() == line["hash"]

    assert (len(lines), prev.hex()) == (trail["events"], trail["head_hash"])


@pytest.mark.parametrize("what", ["events", "feeds", "transactions"])
def test_exports_come_as_csv_too(api, subscription, what):
    answer = api.get(f"exports/{what}", "format=csv")

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert rows
    assert all(row["hash" if what == "events" else "guid"] for row in rows)


def test_a_range_is_half_open(api, subscription):
    (feed,) = api.get("feeds").json()["items"]
    at = feed["created_at"].replace("+", "%2B")

    found = [
        len(api.get("feeds", f"created_at[{bound}]={at}").json()["items"])
        for bound in ("gte", "gt", "lte", "lt")
    ]

    assert found == [1, 0, 1, 0]


def test_cursors_stay_right_while_things_are_added(api):
    made = [api.made("customers", {})["guid"] for _ in range(7)]
    seen, after = [], ""

    for _ in range(4):
        page = api.get("customers", f"limit=2{after}").json()
        seen += [each["guid"] for each in page["items"]]
        api.made("customers", {})
        after = f"&after={page['next']}"

    assert seen == made[::-1]
    assert page["next"] is None
    assert api.get("feeds", after[1:]).status_code == 400


def test_a_change_names_what_it_saw(api, alice):
    path = f"customers/{alice['guid']}"
    tag = api.get(path).headers["ETag"]

    same = api.get(path, If_None_Match=tag)
    good = api.patch(path, {"name": "Alice B.", "email": ""}, If_Match=tag)
    late = api.patch(path, {"name": "Alice C."}, If_Match=tag)

    assert (same.status_code, same.content) == (304, b"")
    assert (good.status_code, good.json()["name"]) == (200, "Alice B.")
    assert (late.status_code, late.json()["error_class"]) == (412, "PreconditionFailed")
    assert api.get(path).json()["name"] == "Alice B."


def test_an_external_id_is_the_name_of_one(api, alice, goat):
    first = api.made("customers", {"external_id": "x"})

    again = api.post("customers", {"external_id": "x"})

    assert (again.status_code, again.json()["error_class"]) == (409, "DuplicateExternalIDError")
    assert api.get("customers", "external_id=x").json()["items"] == [first]
    named = terms(alice, goat, external_id="s")
    api.made("schedulers", named, Idempotency_Key="s1")
    assert api.post("schedulers", named, Idempotency_Key="s2").status_code == 409
    assert Scheduler.objects.count() == 1


def test_every_kind_of_task_brings_its_parameters(api, alice, goat):
    answer = api.post(
        "schedulers",
        terms(
            alice,
            goat,
            params={"size": 3, "colour": "white"},
            started_at="2126-01-31",
            ends_after=2,
            retry_policy={"days": [1, 2], "end": "cancel"},
            trial_period=14,
        ),
        Idempotency_Key="t",
    )

    told = answer.json()
    assert told["params"] == {"size": 3, "colour": "white"}
    assert (told["state"], told["started_at"]) == ("trialing", "2126-01-31T04:00:00+00:00")
    assert told["retry_policy"] == {"days": [1, 2], "end": "cancel"}
    runs = api.get(f"schedulers/{told['guid']}/runs").json()["items"]
    assert [each["occurrence"] for each in runs] == [0, 1, 2]


@task("hay-by-the-goat")
class Hay(DebitTask):
    """Charge seven dollars for each goat."""

    def price(self, context):
        return context.line("Hay", quantity=context.params["goats"], unit_amount=Money(700, "USD"))


def test_a_plan_whose_task_computes_the_amount_needs_none(api, alice, memory):
    offer = {"plan_type": "debit", "frequency": "monthly"}
    without = api.post("plans", offer)

    plan = api.made("plans", offer | {"task": "hay-by-the-goat", "params": {"goats": 1}})
    made = api.made(
        "schedulers", terms(alice, plan, params={"goats": 3}), Idempotency_Key="alice-hay"
    )
    (invoice,) = api.get(f"schedulers/{made['guid']}/feeds").json()["items"]

    assert (without.status_code, without.json()["errors"][0]["pointer"]) == (400, "#/amount")
    assert (plan["amount"], made["effective_amount"]) == (None, None)
    assert (invoice["total"], invoice["state"]) == (2100, "settled")
