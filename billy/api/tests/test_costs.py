"""How many statements a request takes: a fixed number, whatever there is. No query in a loop."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import wall
from accounts.clock import database_now
from accounts.models import Customer
from billy.api import urls
from billy.api.invoices import invoices
from billy.api.lists import BY_CREATION, BY_TRAIL
from billy.api.subscriptions import schedulers, subscriptions
from billy.api.tests.conftest import CARD
from billy.api.transactions import transactions
from conftest import crowd
from plans.models import Plan
from schedulers import cycle, limits

pytestmark = pytest.mark.django_db

MOST_FOR_INVOICES = 6
# Statements of a list: the key, the rows, and what else belongs to them.
LISTS = {
    "customers": 2,
    "plans": 2,
    "payouts": 2,
    "subscriptions": 2,
    "subscriptions?expand=customer,plan": 4,
    "invoices": 3,
    "transactions": 2,
    "schedulers": 3,
    "schedulers?expand=customer,plan,funding_instrument": 6,
    "feeds": 3,
    "feeds?expand=customer,funding_instrument": 5,
    "events": 2,
    "usage": 2,
    "funding_instruments": 2,
    "api_keys": 2,
    "webhook_endpoints": 2,
    "deliveries": 2,
}


def counted(ask):
    """Return how many statements a request took, and its answer."""
    with CaptureQueriesContext(connection) as caught:
        answer = ask()
    assert answer.status_code == 200, answer.content
    return len(caught), answer


@pytest.fixture
def busy(api, memory):
    """Return the app of a shop with a hundred customers that were charged twice."""
    now = database_now()
    plan = Plan.create(company=api.company, amount=100, now=now)
    crowd(plan, memory, count=100, now=now)
    cycle.tick(processor=memory, now=now, limits=limits.from_settings())
    for _ in range(3):
        api.made("api_keys", {"scopes": ["read"]})
        api.made("payouts", {"amount": 5})
    api.get("customers")  # The key's last use is noted once a minute.
    return api


@pytest.mark.parametrize("path", LISTS)
def test_a_list_takes_as_many_statements_however_long_it_is(busy, path):
    route, _, query = path.partition("?")

    few, _ = counted(lambda: busy.get(route, f"{query}&limit=2".lstrip("&")))
    many, answer = counted(lambda: busy.get(route, f"{query}&limit=100".lstrip("&")))

    assert (few, many) == (LISTS[path], LISTS[path]), path
    if route in {"invoices", "feeds"}:
        assert len(answer.json()["items"]) == 100
        assert many <= MOST_FOR_INVOICES


# Statements that show one thing: the key, the thing, and what else belongs to it.
THINGS = {
    "companies": 1,
    "customers": 2,
    "plans": 2,
    "payouts": 2,
    "subscriptions": 2,
    "subscriptions?expand=customer,plan": 4,
    "invoices": 3,
    "transactions": 2,
    "schedulers": 3,
    "feeds": 3,
    "events": 2,
    "funding_instruments": 2,
    "api_keys": 2,
}


@pytest.mark.parametrize("path", THINGS)
def test_a_thing_takes_a_fixed_number_of_statements(busy, path):
    route, _, query = path.partition("?")
    guid = busy.company.guid
    if route != "companies":
        guid = busy.get(route, "limit=1").json()["items"][0]["guid"]

    count, _ = counted(lambda: busy.get(f"{route}/{guid}", query))

    assert count == THINGS[path]


def test_every_list_of_a_company_is_counted():
    lists = {
        route
        for route, door in urls.ROUTES
        if "{guid}" not in route and "get" in door.operations and door.operations["get"].many
    }

    assert {path.partition("?")[0] for path in LISTS} == lists


def test_a_page_costs_the_same_wherever_it_is(busy):
    page = busy.get("customers", "limit=10").json()
    first, _ = counted(lambda: busy.get("customers", "limit=10"))

    for _ in range(8):
        page = busy.get("customers", f"limit=10&after={page['next']}").json()
    last, answer = counted(lambda: busy.get("customers", f"limit=10&after={page['next']}"))

    assert (first, last, len(answer.json()["items"])) == (2, 2, 10)


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        (invoices, BY_CREATION),
        (transactions, BY_CREATION),
        (schedulers, BY_TRAIL),
        (subscriptions, BY_TRAIL),
    ],
)
def test_a_page_far_behind_is_read_from_an_index(busy, rows, order):
    behind = order.after(order.cursor(rows(busy.company).last()))
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")

    with wall.within(busy.company.pk):  # As requests ask: its policies are in the plan as well.
        plan = rows(busy.company).filter(behind).order_by(*order.names)[:20].explain()

    assert "billy.tenant" in plan
    assert "_newest" in plan
    assert "Sort" not in plan


def test_making_things_takes_a_fixed_number_of_statements(busy):
    plan = busy.made("plans", {"plan_type": "debit", "frequency": "daily", "amount": 100})
    customer = Customer.objects.filter(company=busy.company).first().guid
    terms = {"customer_guid": customer, "plan_guid": plan["guid"], "funding_instrument_uri": CARD}
    busy.made("subscriptions", terms)

    counts = {
        "customers": counted(lambda: busy.post("customers", {"name": "Zoe"}))[0],
        "subscriptions": counted(lambda: busy.post("subscriptions", terms))[0],
    }

    assert counts == EXPECTED


# With those that begin and end transactions; the wire is between them.
EXPECTED = {"customers": 8, "subscriptions": 33}
