"""Instruments come in over the wire, once, and what is wrong with one names the field."""

from threading import get_ident

import pytest
from django.db import connection, transaction

from accounts import open as opening
from accounts.models import Company, Customer, FundingInstrument
from audit.models import AuditEvent
from core.invalid import Invalid
from processors.base import Misconfigured, NotSent, Rejected, Unknown
from processors.memory import Memory

FIELD = "funding_instrument_uri"

pytestmark = pytest.mark.django_db


@pytest.fixture
def strict():
    """A processor that knows only what it was given."""
    return Memory(any_target=False)


@pytest.fixture
def dora(marketplace, now):
    """A customer without an instrument."""
    return Customer.create(company=marketplace, name="Dora", now=now)


@pytest.fixture
def emil(marketplace, now):
    """Another one."""
    return Customer.create(company=marketplace, name="Emil", now=now)


class Down(Memory):
    """A processor whose every question ends in the same error."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def instrument(self, **_):
        raise self.error


class Watched(Memory):
    """Counts what it is asked, and looks at the connections of the threads that ask."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.connected = set()

    def instrument(self, *, account, uri):
        self.asked.append(uri)
        if connection.connection is not None:
            self.connected.add(get_ident())
        assert not connection.in_atomic_block
        return super().instrument(account=account, uri=uri)


def problem_of(uri, customer, processor, now):
    with pytest.raises(Invalid) as caught:
        opening.instrument(uri, customer=customer, processor=processor, now=now)
    assert not FundingInstrument.objects.exists()
    return caught.value.errors


def test_a_new_instrument_is_associated_and_told_once(dora, strict, now):
    uri = strict.add_bank_account(can_debit=False)

    found = opening.instrument(uri, customer=dora, processor=strict, now=now)

    account = opening.account_of(dora.company)
    remote = strict.instrument(account=account, uri=uri)
    dora.refresh_from_db()
    assert (dora.pk, uri, "bank_account", False, True) == (
        found.customer_id,
        found.uri,
        found.kind,
        found.can_debit,
        found.can_credit,
    )
    assert remote.customer_uri == dora.processor_uri
    assert AuditEvent.objects.filter(trail_id=dora.pk, kind="instrument.added").count() == 1


def test_one_that_is_known_is_not_asked_for_again(dora, now):
    watched = Watched()
    first = opening.instrument("/cards/CC1", customer=dora, processor=watched, now=now)

    second = opening.instrument("/cards/CC1", customer=dora, processor=watched, now=now)

    assert first == second
    assert watched.asked == ["/cards/CC1"]


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "cards/CC1",
        "https://elsewhere.example/cards/CC1",
        "//elsewhere/CC1",
        "/" + "x" * 200,
        "/customers/CU1",
        "/cards/../api_keys",
        "/cards/CC1\r\nHost: a",
        "/cards/",
    ],
)
def test_a_uri_of_another_form_is_refused(uri, dora, now):
    found = problem_of(uri, dora, Memory(), now)

    assert [FIELD] == list(found)


def test_an_unknown_one_is_refused(dora, strict, now):
    found = problem_of("/cards/CCnone", dora, strict, now)

    assert {FIELD: "is not known to the processor"} == found


@pytest.mark.parametrize(
    ("error", "field", "words"),
    [
        (Rejected("it is closed"), FIELD, "was refused by the processor: it is closed"),
        (Misconfigured("bad key"), "company", "its processor key does not open"),
        (NotSent("refused"), FIELD, "could not be checked, try again"),
        (Unknown("time-out"), FIELD, "could not be checked, try again"),
    ],
)
def test_a_processor_that_does_not_help_names_what_to_do(error, field, words, dora, now):
    found = problem_of("/cards/CC1", dora, Down(error), now)

    assert [field] == list(found)
    assert words in found[field]


def test_a_company_without_a_key_is_told_what_to_configure(now):
    keyless = Company.create(name="Keyless", now=now)
    customer = Customer.create(company=keyless, now=now)

    found = problem_of("/cards/CC1", customer, Memory(), now)

    assert ["company"] == list(found)
    assert "bootstrap" in found["company"]


def test_another_customers_instrument_is_refused(dora, emil, strict, now):
    uri = strict.add_card()
    opening.instrument(uri, customer=dora, processor=strict, now=now)

    with pytest.raises(Invalid, match="belongs to another customer"):
        opening.instrument(uri, customer=emil, processor=strict, now=now)

    assert FundingInstrument.objects.get().customer == dora


def test_an_instrument_of_another_company_is_refused_by_the_processor(dora, strict, now):
    uri = strict.add_card()
    opening.instrument(uri, customer=dora, processor=strict, now=now)
    other = Company.create(name="Other", processor_url="memory:", processor_key="other", now=now)
    mallory = Customer.create(company=other, now=now)

    with pytest.raises(Invalid, match="was refused by the processor"):
        opening.instrument(uri, customer=mallory, processor=strict, now=now)

    assert FundingInstrument.objects.get().company == dora.company


def test_good_and_bad_ones_are_told_apart_in_their_order(dora, emil, strict, now):
    card, bank = strict.add_card(), strict.add_bank_account()
    opening.instrument(card, customer=dora, processor=strict, now=now)

    found = opening.instruments(
        [(emil, "/cards/CCnone"), (emil, bank), (emil, card), (dora, card)],
        processor=strict,
        now=now,
        calls_at_once=4,
    )

    assert [Invalid, FundingInstrument, Invalid, FundingInstrument] == [
        type(each) for each in found
    ]
    assert [bank, card] == [found[1].uri, found[3].uri]


def test_the_same_one_twice_in_a_batch_is_one(dora, emil, strict, now):
    card, bank = strict.add_card(), strict.add_bank_account()

    found = opening.instruments(
        [(dora, card), (dora, card), (emil, bank)], processor=strict, now=now, calls_at_once=1
    )

    assert found[0] == found[1]
    assert [card, card, bank] == [each.uri for each in found]
    assert FundingInstrument.objects.count() == 2
    assert AuditEvent.objects.filter(kind="instrument.added").count() == 2


def test_one_of_a_batch_that_somebody_else_took_meanwhile_is_refused_alone(dora, emil, now):
    class Raced(Memory):
        """While it answers, another process writes that the card is Dora's."""

        def associate(self, *, instrument_uri, **_):
            FundingInstrument.objects.create(
                id=dora.pk,
                company=dora.company,
                customer=dora,
                uri=instrument_uri,
                kind="card",
                can_debit=True,
                can_credit=False,
                created_at=now,
                updated_at=now,
            )
            connection.close()

    known = opening.instrument("/cards/CCknown", customer=emil, processor=Memory(), now=now)

    found = opening.instruments(
        [(emil, "/cards/CCknown"), (emil, "/cards/CC1"), (emil, "bad")],
        processor=Raced(),
        now=now,
        calls_at_once=1,
    )

    assert known == found[0]
    assert found[1].errors == {FIELD: "belongs to another customer"}
    assert isinstance(found[2], Invalid)


def test_nothing_is_on_the_wire_inside_a_transaction(dora, now):
    watched = Watched()

    with transaction.atomic(), pytest.raises(AssertionError, match="before the transaction"):
        opening.instrument("/cards/CC1", customer=dora, processor=watched, now=now)

    assert watched.asked == []


def test_the_threads_that_call_leave_the_database_alone(dora, now):
    watched = Watched()
    unloaded = Customer.objects.get(pk=dora.pk)

    opening.instruments(
        [(unloaded, f"/cards/CC{n}") for n in range(8)],
        processor=watched,
        now=now,
        calls_at_once=4,
    )

    assert len(watched.asked) == 8
    assert watched.connected == set()
