"""The whole admin, page by page: facts are shown to those who may look, and edited by nobody."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import fence
from accounts.models import ApiKey, Customer, IdempotentRequest, Installation
from audit import checkpoints
from audit.models import AuditTrail, Outbox
from audit.read_only import ReadOnly, pages
from billy.templatetags.billy_admin import grouped
from conftest import give_instrument, subscribe, tick
from core.ids import uuid7
from invoices.models import PayoutDay
from processors.memory import Declined, Pending
from schedulers.models import Usage
from webhooks.models import Delivery, Endpoint, Inbound

OURS = [model for model in apps.get_models() if model._meta.app_label.startswith("billy_")]
NAMES = sorted(model._meta.label for model in OURS)


QUERIES = [
    *("q=%00", "q=%F0%9F%90%90", "q=" + "9" * 5000, "q=IV%00", "q=SU1", "q=%27;--", "q=%20"),
    *("p=9e9", "p=-1", "p=" + "9" * 30, "o=99.-99", "all=", "e=1", "%00=1", "nothing=1"),
    *("state=%00", "state=nonsense", "company=nonsense", "company=%00", "currency=ZZZ"),
    *("due_at__year=x", "due_at__year=" + "9" * 30, "due_at__year=2026&due_at__month=99"),
    *("due_at__gte=never", "created_at__gte=9999-99-99", "id__exact=x", "created_at__gte=%00"),
]
NOTHINGS = ["x", "%00", "9" * 40, "IV" + "z" * 22, "_00", "\u0416"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A shop in which there is one of everything at least, and a customer more on request."""

    marketplace: Any
    goat: Any
    memory: Any
    now: Any
    clear_key: str

    def another(self, *answers):
        """Add a customer with all that comes with one."""
        uri = self.memory.add_card()
        customer = Customer.create(
            company=self.marketplace, name="Dora", external_id=uri, now=self.now
        )
        give_instrument(customer, uri, memory=self.memory, now=self.now)
        scheduler = subscribe(self.goat, customer, now=self.now)
        self.memory.script.extend(answers)
        tick(self.memory, now=self.now)
        ApiKey.issue(self.marketplace, now=self.now)
        self.note(scheduler, uri)
        return customer

    def note(self, scheduler, name):
        """Write a row of each kind that no verb here makes."""
        company, now = self.marketplace, self.now
        told = {"id": uuid7(now=now), "company_id": company.pk, "next_try_at": now}
        Outbox.objects.create(topic="debit.succeeded", body={}, dedupe=name, **told)
        Inbound.objects.create(
            processor="memory", company=company, event_id=name[-20:], received_at=now, raw="{}"
        )
        IdempotentRequest.objects.create(
            company=company,
            key=name,
            fingerprint="fingerprint-of-a-request",
            body=f'{{"api_key": "{self.clear_key}"}}',
            locked_until=now + timedelta(seconds=1),
            created_at=now,
        )
        endpoint = Endpoint.objects.create(
            id=uuid7(now=now),
            company=company,
            url="https://hooks.example.com",
            secret="whsec_none",
            created_at=now,
            updated_at=now,
        )
        Delivery.objects.create(
            id=uuid7(now=now),
            company=company,
            endpoint=endpoint,
            message_id=uuid7(now=now),
            event_id=uuid7(now=now),
            kind="debit.succeeded",
            next_try_at=now,
            created_at=now,
            updated_at=now,
        )
        Usage.objects.create(
            id=uuid7(now=now),
            company=company,
            scheduler=scheduler,
            metric="storage_gb",
            quantity=7,
            at=now,
            external_id=name,
            created_at=now,
        )


@pytest.fixture
def shop(marketplace, goat, payroll, alice, memory, now):
    Installation.objects.filter(pk=1).update(default_company=marketplace)
    _, clear = ApiKey.issue(marketplace, now=now)
    shop = Shop(marketplace=marketplace, goat=goat, memory=memory, now=now, clear_key=clear)
    shop.another()
    shop.another(Declined)
    shop.another(Pending)
    PayoutDay.objects.create(company=marketplace, currency="USD", day=now.date(), amount=90)
    checkpoints.take(now=now)
    fence.look([])
    return shop


@pytest.fixture
def boss(database):
    return User.objects.create_superuser("boss")


@pytest.fixture
def browser(client, boss):
    client.force_login(boss)
    return client


def page_of(name):
    return admin.site.get_model_admin(apps.get_model(name))


def list_address(page):
    return page.search_address("").partition("?")[0]


def rows_of(page, rf, boss):
    request = rf.get("/")
    request.user = boss
    return list(page.get_queryset(request))


def queries(browser, name):
    address = list_address(page_of(name))
    with CaptureQueriesContext(connection) as seen:
        browser.get(address)
    return len(seen)


def test_every_model_of_ours_has_its_page():
    assert sorted(page.model._meta.label for page in pages()) == NAMES


def test_every_model_is_found_on_the_front_page(browser):
    listed = grouped(browser.get("/admin/").context["app_list"])

    names = [model["object_name"] for group in listed for model in group["models"]]
    assert sorted(names) == sorted([each.__name__ for each in OURS] + ["Group", "User"])
    assert len(listed) == 7


def test_every_list_and_every_page_is_shown(browser, boss, rf, shop):
    for page in pages():
        rows = rows_of(page, rf, boss)

        listed = browser.get(list_address(page))
        shown = {browser.get(page.address(row.pk)).status_code for row in rows}

        assert (page.opts.label, listed.status_code, shown) == (page.opts.label, 200, {200})
        assert page.address(rows[0].pk) in listed.content.decode()


def test_nothing_can_be_added_changed_or_deleted(browser, boss, rf, shop):
    for page in pages():
        row = rows_of(page, rf, boss)[0]
        before = {each.attname: getattr(row, each.attname) for each in row._meta.concrete_fields}
        top, address = list_address(page), page.address(row.pk)

        answers = [
            browser.get(f"{top}add/"),
            browser.post(f"{top}add/", {}),
            browser.post(address, {"name": "Mallory", "_save": "Save"}),
            browser.get(address.replace("change", "delete")),
            browser.post(address.replace("change", "delete"), {"post": "yes"}),
        ]
        browser.post(top, {"action": "delete_selected", "_selected_action": [str(row.pk)]})

        row.refresh_from_db()
        assert [page.opts.label, *(each.status_code for each in answers)] == [
            page.opts.label,
            *[403] * 5,
        ]
        assert before == {name: getattr(row, name) for name in before}


def test_a_list_costs_the_same_however_long_it_is(browser, shop):
    few = {name: queries(browser, name) for name in NAMES}
    for _ in range(3):
        shop.another()

    many = {name: queries(browser, name) for name in NAMES}

    assert many == few
    assert max(few.values()) <= 9


def test_no_page_tells_a_secret(browser, boss, rf, shop):
    company = shop.marketplace
    company.processor_key = "a-key-to-the-processor"
    company.save(update_fields=["processor_key"])
    secrets = [
        *(company.processor_key, company.callback_key, shop.clear_key, "fingerprint-of-a-request"),
        *ApiKey.objects.values_list("fingerprint", flat=True),
        "fernet1:",
    ]

    told = {
        address: browser.get(address).content.decode()
        for page in pages()
        for address in (
            list_address(page),
            *(page.address(row.pk) for row in rows_of(page, rf, boss)),
        )
    }

    assert [name for name, html in told.items() for secret in secrets if secret in html] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_address_breaks_a_list(browser, name):
    address = list_address(page_of(name))

    statuses = {query: browser.get(f"{address}?{query}").status_code for query in QUERIES}

    assert {query: each for query, each in statuses.items() if each not in {200, 302, 400}} == {}


@pytest.mark.parametrize("name", NAMES)
def test_an_address_of_nothing_leads_home(browser, name):
    address = list_address(page_of(name))

    answers = [browser.get(f"{address}{each}/change/") for each in NOTHINGS]

    assert {(each.status_code, each.headers["Location"]) for each in answers} == {(302, "/admin/")}


def test_a_stranger_is_asked_to_log_in(client, database):
    answers = [client.get(list_address(page)) for page in pages()]

    assert {each.status_code for each in answers} == {302}
    assert all(each.headers["Location"].startswith("/admin/login/") for each in answers)


def test_staff_see_what_they_may_view_and_no_more(client, shop):
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_customer"))
    client.force_login(clerk)
    customers = page_of("billy_accounts.Customer")
    alice = Customer.objects.first()

    shown = client.get(customers.address(alice.pk))
    refused = client.get(list_address(page_of("billy_invoices.AuditFeed")))

    assert shown.status_code == 200
    assert shown.context["see_also"] == []
    assert refused.status_code == 403


def test_a_thing_leads_to_every_list_that_speaks_of_it(browser, shop):
    alice = Customer.objects.first()

    answer = browser.get(page_of("billy_accounts.Customer").address(alice.pk))

    assert sorted(name for name, _ in answer.context["see_also"]) == [
        "Audit events",
        "Audit trails",
        "Checkpoint heads",
        "Funding instruments",
        "Invoices",
        "Schedulers",
        "Transactions",
    ]


def test_no_page_can_be_edited_by_a_subclass_that_forgets():
    for page in pages():
        kind = type(page)
        for refusal in ("has_add_permission", "has_change_permission", "has_delete_permission"):
            assert getattr(kind, refusal) is getattr(ReadOnly, refusal)


def test_trails_are_found_by_the_guid_of_their_subject(browser, shop):
    page = page_of("billy_audit.AuditTrail")

    answer = browser.get(page.search_address(shop.marketplace.guid))

    assert list(answer.context["cl"].result_list) == [AuditTrail.objects.get(subject="company")]
