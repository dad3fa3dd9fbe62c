"""Companies and customers are made whole, or not at all with the field named."""

from threading import Thread

import pytest
from django.db import connection

from accounts.models import Company, Customer, Installation
from audit.models import AuditEvent, AuditTrail
from core.invalid import CardNumber, Invalid

CARD = "4111 1111 1111 1111"

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "x" * 129}, "name"),
        ({"name": "line\nfeed"}, "name"),
        ({"name": "nul\0"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": 7}, "name"),
        ({"name": "A", "currency": "usd"}, "currency"),
        ({"name": "A", "currency": "XXX"}, "currency"),
        ({"name": "A", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"name": "A", "time_zone": "../../etc/passwd"}, "time_zone"),
        ({"name": "A", "external_id": "x" * 129}, "external_id"),
    ],
)
def test_a_company_of_bad_terms_is_refused_by_field(given, field, now):
    with pytest.raises(Invalid) as caught:
        Company.create(**given, now=now)

    assert [field] == list(caught.value.errors)
    assert not AuditTrail.objects.exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "x" * 129}, "name"),
        ({"email": "x" * 255}, "email"),
        ({"email": "a\r\nBcc: b"}, "email"),
        ({"external_id": "x" * 129}, "external_id"),
        ({"time_zone": "Nowhere"}, "time_zone"),
    ],
)
def test_a_customer_of_bad_terms_is_refused_by_field(given, field, marketplace, now):
    with pytest.raises(Invalid) as caught:
        Customer.create(**given, company=marketplace, now=now)

    assert [field] == list(caught.value.errors)
    assert not Customer.objects.exists()


@pytest.mark.parametrize("field", ["name", "email", "external_id"])
def test_a_card_number_is_refused_and_not_repeated(field, marketplace, now):
    with pytest.raises(CardNumber) as caught:
        Customer.create(**{field: f"pays by {CARD}"}, company=marketplace, now=now)

    assert [field] == list(caught.value.errors)
    assert CARD not in repr(caught.value)


def test_an_external_id_names_one_customer_of_a_company(marketplace, now):
    elsewhere = Company.create(name="Elsewhere", now=now)
    Customer.create(external_id="alice", company=marketplace, now=now)

    Customer.create(external_id="alice", company=elsewhere, now=now)
    with pytest.raises(Invalid, match="external_id: is the name of another customer"):
        Customer.create(external_id="alice", company=marketplace, now=now)

    assert Customer.objects.count() == 2
    assert AuditTrail.objects.filter(subject="customer").count() == 2


def test_any_number_of_customers_may_have_no_external_id(marketplace, now):
    for nothing in (None, "", None, ""):
        Customer.create(external_id=nothing, company=marketplace, now=now)

    assert Customer.objects.filter(external_id__isnull=True).count() == 4


def test_an_external_id_names_one_company(now):
    Company.create(name="One", external_id="one", now=now)

    with pytest.raises(Invalid, match="external_id: is the name of another company"):
        Company.create(name="Two", external_id="one", now=now)

    assert Company.objects.count() == 1


def test_a_trail_names_nobody(marketplace, now):
    Customer.create(name="Alice", email="alice@example.com", company=marketplace, now=now)

    bodies = str(list(AuditEvent.objects.filter(trail__subject="customer").values_list("body")))

    assert "lice" not in bodies


def test_many_that_start_at_once_get_one_installation_and_one_default_company(database):
    found = []

    def start():
        try:
            found.append(Company.default().pk)
        finally:
            connection.close()

    threads = [Thread(target=start) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(found) == 6
    assert len(set(found)) == Company.objects.count() == Installation.objects.count() == 1
