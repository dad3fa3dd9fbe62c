"""Every list takes ranges of when its things were made, and of when they changed."""

import re
from datetime import datetime, timedelta

import pytest

from accounts.clock import database_now
from audit.models import AuditEvent
from billy.api import urls
from billy.api.plans import RANGES
from billy.api.tests.conftest import CARD
from invoices.models import AuditFeed

pytestmark = pytest.mark.django_db

LISTS = {
    route: door.operations["get"]
    for route, door in urls.ROUTES
    if "get" in door.operations and door.operations["get"].many
}
NO_ROWS = ("schedulers/{guid}/runs",)  # They are computed: none of them was ever made.
CHANGING = ("invoices", "feeds", "transactions", "customers", "plans", "schedulers", "api_keys")


def instant(text):
    return datetime.fromisoformat(text)


def asked(api, route, name, bound, at):
    """Return the guids of what a list shows within one bound."""
    stamp = at.isoformat().replace("+", "%2B")
    answer = api.get(route, f"{name}[{bound}]={stamp}&limit=100")
    assert answer.status_code == 200, answer.content
    return {each["guid"] for each in answer.json()["items"]}


@pytest.mark.parametrize("route", LISTS)
def test_every_list_takes_the_ranges_of_what_it_tells(route):
    taken = {name.partition("[")[0] for name in LISTS[route].query.given() if "[" in name}
    shape = LISTS[route].shape
    fields = [each._declared_fields for each in getattr(shape, "variants", (shape,))]
    told = {name for name in RANGES if all(name in each for each in fields)}

    # An event tells when it was as `at`; its list calls it like all others do.
    assert told <= taken
    assert ("created_at" in taken) == (route not in NO_ROWS)


@pytest.mark.parametrize("route", [route for route in LISTS if "{guid}" not in route])
def test_whatever_has_the_form_of_a_cursor_is_a_place(api, invoice, route):
    form = LISTS[route].order.pattern
    begins = re.match(r"\^(.)\[(.+?)]", form)
    for second in (begins[2][0], begins[2][-1]):  # Long before 1970, and long after.
        for rest in ("A", "9", "_", "-"):
            cursor = begins[1] + second + rest * 32
            assert re.search(form, cursor)
            assert api.get(route, f"after={cursor}").status_code == 200

    for wrong in (cursor[1:], cursor + "A", cursor[:-1] + "=", "!" + cursor[1:]):
        assert api.get(route, f"after={wrong}").json()["errors"][0]["parameter"] == "after"


def test_an_offset_counts_from_the_place(api):
    made = [api.made("customers", {})["guid"] for _ in range(5)]
    after = api.get("customers", "limit=2").json()["next"]

    page = api.get("customers", f"after={after}&offset=1").json()

    assert [each["guid"] for each in page["items"]] == made[1::-1]


@pytest.fixture
def busy(api, alice, goat):
    """A shop where three invoices changed at different times."""
    made = [
        api.made("invoices", {"customer_guid": alice["guid"], "amount": amount})
        for amount in (100, 200, 300)
    ]
    api.put(f"invoices/{made[1]['guid']}", {"funding_instrument_uri": CARD})
    api.made("invoices/{guid}/cancel".format(**made[0]), {})
    api.made(
        "schedulers",
        {"customer_guid": alice["guid"], "plan_guid": goat["guid"]},
        Idempotency_Key="one",
    )
    key = api.made("api_keys", {"scopes": ["read"]})
    api.delete(f"api_keys/{key['guid']}")
    return api


@pytest.mark.parametrize("route", CHANGING)
def test_a_range_holds_what_is_told_to_be_in_it(busy, route):
    told = {
        each["guid"]: instant(each["updated_at"])
        for each in busy.get(route, "limit=100").json()["items"]
    }

    assert told
    for edge in {*told.values(), min(told.values()) - timedelta(seconds=1), database_now()}:
        shown = {bound: asked(busy, route, "updated_at", bound, edge) for bound in BOUNDS}
        assert shown == {
            bound: {guid for guid, at in told.items() if holds(at, edge)}
            for bound, holds in BOUNDS.items()
        }


BOUNDS = {
    "gt": lambda at, edge: at > edge,
    "gte": lambda at, edge: at >= edge,
    "lt": lambda at, edge: at < edge,
    "lte": lambda at, edge: at <= edge,
}


def test_every_invoice_has_an_event_that_tells_when_it_changed(busy):
    """Else a range of `updated_at` would pass it over."""
    told = AuditEvent.objects.filter(feed_id__isnull=False).values("feed_id")

    assert AuditFeed.objects.exists()
    assert not AuditFeed.objects.exclude(pk__in=told).exists()


def test_what_changed_lately_is_exported(busy):
    answer = busy.get("exports/feeds", "updated_at[gt]=2100-01-01T00:00:00Z")
    everything = busy.get("exports/feeds", "updated_at[gt]=2000-01-01T00:00:00Z")

    assert answer.getvalue() == b""
    assert len(everything.getvalue().splitlines()) == AuditFeed.objects.count()
