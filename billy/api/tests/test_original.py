"""The original's resources: fields, statuses, orders and states as its clients know them."""

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client

from accounts.clock import database_now
from billy.api.tests.conftest import ACCOUNT, CARD
from invoices.models import AuditFeed
from processors.base import Kind, Status
from processors.memory_script import Declined, Pending

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00")
GUID = "{}[1-9A-HJ-NP-Za-km-z]{{22}}"


def items(api, path, query=""):
    answer = api.get(path, query)
    assert answer.status_code == 200, answer.content
    return answer.json()["items"]


def test_a_customer_has_the_original_s_fields(api, alice):
    assert re.fullmatch(GUID.format("CU"), alice["guid"])
    assert alice["company_guid"] == api.company.guid
    assert alice["processor_uri"].startswith("/customers/")
    assert (alice["deleted"], alice["created_at"]) == (False, alice["updated_at"])
    assert INSTANT.fullmatch(alice["created_at"])


def test_a_form_is_taken_as_the_original_s_client_sends_it(api, alice):
    form = {"plan_type": "DEBIT", "frequency": "Monthly", "amount": " +60 ", "interval": ""}

    plan = api.post("plans/", form=urlencode(form)).json()

    assert (plan["plan_type"], plan["frequency"]) == ("debit", "monthly")
    assert (plan["amount"], plan["interval"], plan["deleted"]) == (60, 1, False)


@pytest.mark.parametrize("amount", ["49", "1.5", "1e3", "ten", "", "-60", "9" * 30])
def test_an_amount_that_is_none_is_named(api, amount):
    form = {"plan_type": "debit", "frequency": "monthly", "amount": amount}

    answer = api.post("plans", form=urlencode(form))

    assert answer.status_code == 400
    assert "amount" in answer.json()["error_message"]
    assert answer.json()["errors"][0]["pointer"] == "#/amount"


def test_a_subscription_is_charged_while_the_client_waits(api, subscription, goat, memory):
    (invoice,) = items(api, f"subscriptions/{subscription['guid']}/invoices")
    (transaction,) = items(api, f"invoices/{invoice['guid']}/transactions")

    assert (subscription["invoice_count"], subscription["effective_amount"]) == (1, 1000)
    assert (subscription["amount"], subscription["canceled"]) == (None, False)
    assert subscription["funding_instrument_uri"] == CARD
    assert (invoice["status"], invoice["invoice_type"]) == ("settled", "subscription")
    assert invoice["subscription_guid"] == subscription["guid"]
    assert invoice["scheduled_at"] == subscription["started_at"]
    assert {"customer_guid", "external_id"}.isdisjoint(invoice)
    assert (transaction["submit_status"], transaction["status"]) == ("done", "succeeded")
    assert (transaction["amount"], transaction["failure_count"]) == (1000, 0)
    assert memory.sum(kind=Kind.DEBIT) == 1000


def test_a_subscription_without_an_instrument_is_invoiced_and_waits(api, alice, goat):
    made = api.made("subscriptions", {"customer_guid": alice["guid"], "plan_guid": goat["guid"]})

    (invoice,) = items(api, f"subscriptions/{made['guid']}/invoices")

    assert (invoice["status"], invoice["funding_instrument_uri"]) == ("staged", None)
    assert items(api, "transactions") == []


def test_a_subscription_ahead_opens_nothing(api, alice, goat):
    start = (database_now() + timedelta(days=3)).replace(microsecond=0)
    terms = {"customer_guid": alice["guid"], "plan_guid": goat["guid"]}

    made = api.made("subscriptions", terms | {"started_at": start.isoformat()})

    assert (made["invoice_count"], made["next_invoice_at"]) == (0, start.isoformat())


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2126-01-01T00:00:00", "2126-01-01T00:00:00+00:00"),
        ("2126-01-01 08:00:00+0800", "2126-01-01T00:00:00+00:00"),
        ("2126-01-01T08:00:00+08", "2126-01-01T00:00:00+00:00"),
        ("2126-01-01T00:00:00.1234567Z", "2126-01-01T00:00:00.123456+00:00"),
        ("2126-01-01", None),
        ("2013-01-01T00:00:00", None),
        ("2126-02-30T00:00:00", None),
        ("2126-01-01T00:00:00Zulu", None),
    ],
)
def test_a_start_is_read_rightly_or_refused(api, alice, goat, said, meant):
    terms = {"customer_guid": alice["guid"], "plan_guid": goat["guid"], "started_at": said}

    answer = api.post("subscriptions", form=urlencode(terms))

    assert (answer.status_code, answer.json().get("started_at")) == (200 if meant else 400, meant)


def test_a_cancel_takes_no_refund_and_comes_once(api, subscription):
    path = f"subscriptions/{subscription['guid']}/cancel"

    canceled = api.post(path, form="refund_amount=1234").json()
    again = api.post(path)

    assert (canceled["canceled"], canceled["canceled_at"] is not None) == (True, True)
    assert canceled["next_invoice_at"] == subscription["next_invoice_at"]
    assert again.status_code == 400
    assert again.json()["error_class"] == "InvalidOperationError"


def test_a_cancel_leaves_a_retrying_payment_alone(api, alice, goat, memory):
    memory.script.append(Declined())
    terms = {"customer_guid": alice["guid"], "plan_guid": goat["guid"]}
    made = api.made("subscriptions", terms | {"funding_instrument_uri": CARD})

    api.post(f"subscriptions/{made['guid']}/cancel")

    (invoice,) = items(api, f"subscriptions/{made['guid']}/invoices")
    retrying, declined = items(api, f"invoices/{invoice['guid']}/transactions")
    assert invoice["status"] == "processing"
    assert {retrying["submit_status"], declined["submit_status"]} == {"retrying", "done"}


def test_items_do_not_touch_the_amount_and_adjustments_do(api, alice):
    form = {
        "customer_guid": alice["guid"],
        "amount": "600",
        "title": "Goats",
        "external_id": "order-1",
        "item_name10": "Cheese",
        "item_amount10": "100",
        "item_quantity10": "2",
        "item_nameX": "passed over",
        "item_name2": "Milk",
        "item_amount2": "50",
        "adjustment_amount0": "-100",
        "adjustment_reason0": "A friend",
        "adjustment_amount1": "20",
    }

    invoice = api.post("invoices", form=urlencode(form)).json()

    assert (invoice["amount"], invoice["total_adjustment_amount"]) == (600, -80)
    assert (invoice["effective_amount"], invoice["status"]) == (520, "staged")
    assert [each["name"] for each in invoice["items"]] == ["Milk", "Cheese"]
    assert invoice["items"][1] == {
        "name": "Cheese",
        "amount": 100,
        "type": None,
        "quantity": 2,
        "volume": None,
        "unit": None,
    }
    assert invoice["adjustments"] == [
        {"amount": -100, "reason": "A friend"},
        {"amount": 20, "reason": None},
    ]
    assert (invoice["title"], invoice["external_id"]) == ("Goats", "order-1")
    assert {"subscription_guid", "scheduled_at"}.isdisjoint(invoice)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"item_amount0": "1"}, "item_name0"),
        ({"item_name0": "x"}, "item_amount0"),
        ({"item_name0": "x", "item_amount0": "abc"}, "item_amount0"),
        ({"adjustment_reason3": "x"}, "adjustment_amount3"),
        ({"adjustment_amount0": "-700"}, "amount"),
        ({"title": "x" * 129}, "title"),
        ({"appears_on_statement_as": "a/b"}, "appears_on_statement_as"),
    ],
)
def test_a_bad_part_of_an_invoice_is_named(api, alice, said, named):
    form = {"customer_guid": alice["guid"], "amount": "600"} | said

    answer = api.post("invoices", form=urlencode(form))

    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == [f"#/{named}"]


def test_an_external_id_comes_once_for_a_customer(api, alice):
    terms = {"customer_guid": alice["guid"], "amount": 5, "external_id": "order-1"}
    api.made("invoices", terms)

    answer = api.post("invoices", terms)

    assert answer.status_code == 409
    assert answer.json()["error_class"] == "DuplicateExternalIDError"
    assert len(items(api, "invoices", "external_id=order-1")) == 1
    assert items(api, "invoices", "external_id=order-2") == []


@pytest.mark.parametrize(("amount", "status"), [(0, "settled"), (7, "settled")])
def test_an_invoice_is_settled_at_once(api, alice, memory, amount, status):
    terms = {"customer_guid": alice["guid"], "amount": amount, "funding_instrument_uri": CARD}

    invoice = api.made("invoices", terms)

    assert (invoice["status"], memory.sum(kind=Kind.DEBIT)) == (status, amount)


def test_an_invoice_is_paid_by_another_instrument(api, alice, memory):
    memory.script.append(Declined())
    terms = {"customer_guid": alice["guid"], "amount": 100, "funding_instrument_uri": CARD}
    invoice = api.made("invoices", terms)

    paid = api.put(f"invoices/{invoice['guid']}", {"funding_instrument_uri": ACCOUNT}).json()
    again = api.put(f"invoices/{invoice['guid']}", {"funding_instrument_uri": ACCOUNT})

    assert (invoice["status"], paid["status"]) == ("processing", "settled")
    assert paid["funding_instrument_uri"] == ACCOUNT
    assert again.json()["error_class"] == "InvalidOperationError"
    assert memory.sum(kind=Kind.DEBIT) == 100


def test_an_invoice_of_nothing_only_changes_its_instrument(api, alice):
    free = api.made("invoices", {"customer_guid": alice["guid"], "amount": 0})

    changed = api.put(f"invoices/{free['guid']}", {"funding_instrument_uri": CARD})

    assert (changed.status_code, changed.json()["funding_instrument_uri"]) == (200, CARD)


@pytest.mark.parametrize("said", [{}, {"funding_instrument_uri": ""}])
def test_an_instrument_is_needed_to_pay(api, invoice, said):
    assert api.put(f"invoices/{invoice['guid']}", said).status_code == 400


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("cards/CC1", "InvalidURIFormat"),
        ("/customers/CU1", "InvalidFundingInstrument"),
        ("/cards/CC1/debits", "InvalidFundingInstrument"),
    ],
)
def test_an_instrument_is_looked_at_before_anything_is_written(api, alice, uri, kind):
    terms = {"customer_guid": alice["guid"], "amount": 100, "funding_instrument_uri": uri}

    answer = api.post("invoices", terms)

    assert (answer.status_code, answer.json()["error_class"]) == (400, kind)
    assert items(api, "invoices") == []


def test_refunds_never_exceed_what_was_paid(api, invoice, memory):
    path = f"invoices/{invoice['guid']}/refund"

    answers = [api.post(path, {"amount": amount}) for amount in (60, 50, 40, 1, 0)]

    assert [each.status_code for each in answers] == [200, 400, 200, 400, 400]
    assert answers[1].json()["error_class"] == "InvalidOperationError"
    assert memory.sum(kind=Kind.REFUND) == 100
    refunds = [each for each in items(api, "transactions") if each["transaction_type"] == "refund"]
    assert [each["funding_instrument_uri"] for each in refunds] == [None, None]


def test_a_pending_invoice_is_neither_canceled_nor_paid_again(api, alice, memory):
    memory.script.append(Pending())
    terms = {"customer_guid": alice["guid"], "amount": 100, "funding_instrument_uri": ACCOUNT}
    invoice = api.made("invoices", terms)

    canceled = api.post(f"invoices/{invoice['guid']}/cancel")
    paid = api.put(f"invoices/{invoice['guid']}", {"funding_instrument_uri": CARD})

    assert invoice["status"] == "processing"
    assert (canceled.status_code, paid.status_code) == (400, 400)
    assert memory.sum(kind=Kind.DEBIT, status=Status.PENDING) == 100


def test_a_cancel_of_one_invoice_touches_no_other(api, alice):
    terms = {"customer_guid": alice["guid"], "amount": 100}
    one, another = api.made("invoices", terms), api.made("invoices", terms)

    answer = api.post(f"invoices/{one['guid']}/cancel")

    assert answer.json()["status"] == "canceled"
    assert api.get(f"invoices/{another['guid']}").json()["status"] == "staged"
    assert api.post(f"invoices/{one['guid']}/cancel").status_code == 400


def test_what_is_deleted_stays_and_takes_nothing_new(api, alice, goat, subscription):
    gone = api.delete(f"customers/{alice['guid']}"), api.delete(f"plans/{goat['guid']}")
    again = api.delete(f"customers/{alice['guid']}"), api.delete(f"plans/{goat['guid']}")
    terms = {"customer_guid": alice["guid"], "plan_guid": goat["guid"]}

    refused = (
        api.post("subscriptions", terms),
        api.post("invoices", {"customer_guid": alice["guid"], "amount": 5}),
    )

    assert [(each.status_code, each.json()["deleted"]) for each in gone] == [(200, True)] * 2
    assert [each.status_code for each in (*again, *refused)] == [400] * 4
    assert len(items(api, "customers")) == len(items(api, "plans")) == 1
    assert api.get(f"subscriptions/{subscription['guid']}").json()["canceled"] is False


def test_lists_below_a_resource_hold_what_the_contract_says(api, alice, goat, subscription):
    own = api.made("invoices", {"customer_guid": alice["guid"], "amount": 5})
    plan, customer = f"plans/{goat['guid']}", f"customers/{alice['guid']}"

    assert [each["guid"] for each in items(api, f"{plan}/customers")] == [alice["guid"]]
    assert [each["guid"] for each in items(api, f"{plan}/subscriptions")] == [subscription["guid"]]
    assert len(items(api, f"{plan}/invoices")) == len(items(api, f"{plan}/transactions")) == 1
    assert [each["guid"] for each in items(api, f"{customer}/invoices")] == [own["guid"]]
    assert items(api, f"{customer}/transactions") == []
    assert len(items(api, f"{customer}/subscriptions")) == 1
    assert len(items(api, f"subscriptions/{subscription['guid']}/transactions")) == 1


def test_pages_are_as_the_original_s_client_walks_them(api):
    made = [api.made("customers", {})["guid"] for _ in range(5)]

    first, last = api.get("customers", "limit=3").json(), api.get("customers", "offset=3&limit=3")

    assert [each["guid"] for each in first["items"]] == made[:1:-1]
    assert (first["offset"], first["limit"]) == (0, 3)
    assert [each["guid"] for each in last.json()["items"]] == made[1::-1]
    assert api.get("customers", "offset=6&limit=3").json()["items"] == []
    assert api.get("customers", "").json()["limit"] == 20


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "offset=-1", "limit=1.5", "offset=" + "9" * 30, "after=x"]
)
def test_a_page_that_is_none_is_refused(api, query):
    answer = api.get("customers", query)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_the_root_says_what_runs_here(api, invoice):
    told = Client().get("/").json()

    assert told["server"] == "Billy - The recurring payment server"
    assert INSTANT.fullmatch(told["last_transaction_created_at"])
    assert {"powered_by", "version", "revision"} <= told.keys()


def test_a_company_registers_itself_and_reads_itself(api, settings, memory):
    settings.BILLY_OPEN_REGISTRATION = settings.BILLY_SHOW_CALLBACK_KEY = True
    made = Client().post("/v1/companies", "processor_key=memory-77", content_type=FORM)
    company = made.json()

    app = type(api)(key=company["api_key"], company=None)
    told = app.get(f"companies/{company['guid']}").json()

    assert made.status_code == 200
    assert (told["guid"], told["api_key"]) == (company["guid"], company["api_key"])
    assert memory.callbacks == [
        f"http://testserver/v1/companies/{company['guid']}/callbacks/{company['callback_key']}/"
    ]
    assert api.get(f"companies/{company['guid']}").status_code == 404
    assert Client().post("/v1/companies", "processor_key=+", content_type=FORM).status_code == 400


def test_strangers_register_only_where_that_is_allowed(api):
    answer = Client().post("/v1/companies", "processor_key=memory-77", content_type=FORM)

    assert answer.status_code == 403
    assert answer.json()["error_class"] == "Forbidden"


def test_a_query_says_nothing_of_a_post(api):
    terms = {"plan_type": "debit", "frequency": "daily", "amount": 60}

    answer = api.post("plans", terms, query="amount=99&frequency=x")

    assert (answer.status_code, answer.json()["amount"]) == (200, 60)


def test_a_decline_is_no_error(api, alice, memory):
    memory.script.append(Declined(code="card-declined", reason="No funds"))
    terms = {"customer_guid": alice["guid"], "amount": 100, "funding_instrument_uri": CARD}

    answer = api.post("invoices", terms)

    declined = items(api, f"invoices/{answer.json()['guid']}/transactions")[-1]
    assert answer.status_code == 200
    assert declined["failure_count"] == 1
    assert re.fullmatch(GUID.format("TF"), declined["failures"][0]["guid"])
    assert declined["failures"][0]["error_code"] == "card-declined"
    assert AuditFeed.objects.get().state == "open"
