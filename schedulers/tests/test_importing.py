"""Rows of a table become subscribers: each stands or falls alone, and once is enough."""

from collections import Counter
from datetime import UTC, date, datetime
from threading import Barrier, Thread

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Company, Customer, FundingInstrument
from audit.models import AuditEvent, AuditTrail
from core.invalid import Invalid
from plans.models import Payout, Plan
from processors.memory import Memory
from schedulers.importing import BATCH_SIZE, COLUMNS, READERS, Import, import_rows, read
from schedulers.models import Scheduler

CARD = "4111111111111111"
GOOD = {
    "external_id": "sub-1",
    "name": "Subscriber 1",
    "email": "one@example.com",
    "plan": "silver",
    "direction": "debit",
    "amount": "2985",
    "currency": "USD",
    "frequency": "monthly",
    "interval": "1",
    "started_at": "2025-11-01T00:00:00Z",
    "time_zone": "UTC",
    "ends_after": "12",
    "funding_instrument_uri": "",
    "catch_up": "each",
}

# Each is wrong by itself: column, what it holds.
WRONG = [
    ("external_id", ""),
    ("external_id", "x" * 129),
    ("external_id", CARD),
    ("name", "x" * 129),
    ("name", "nul\0"),
    ("name", CARD),
    ("email", "x" * 255),
    ("email", "a\x1bb"),
    ("plan", ""),
    ("plan", "x" * 129),
    ("plan", CARD),
    ("direction", ""),
    ("direction", "Debit"),
    ("direction", "both"),
    ("amount", ""),
    ("amount", "0"),
    ("amount", "-1"),
    ("amount", "+1"),
    ("amount", "29.85"),
    ("amount", "1e3"),
    ("amount", "1_000"),
    ("amount", "1,000"),
    ("amount", "١٢"),
    ("amount", "²"),
    ("amount", str(2**53)),
    ("amount", "9" * 5_000),
    ("currency", ""),
    ("currency", "usd"),
    ("currency", "XXX"),
    ("currency", CARD),
    ("frequency", ""),
    ("frequency", "fortnightly"),
    ("interval", "0"),
    ("interval", "10001"),
    ("interval", "1.5"),
    ("started_at", ""),
    ("started_at", "yesterday"),
    ("started_at", "2025-02-30"),
    ("started_at", "2025-11-01T00:00:00"),
    ("started_at", "2025-11-01 25:00:00Z"),
    ("started_at", CARD),
    ("time_zone", "Mars/Olympus"),
    ("time_zone", "../../etc/passwd"),
    ("ends_after", "0"),
    ("ends_after", "-5"),
    ("ends_after", "often"),
    ("funding_instrument_uri", "/cards/" + "x" * 200),
    ("funding_instrument_uri", CARD),
    ("catch_up", "sometimes"),
    ("catch_up", CARD),
]


@pytest.fixture
def strict():
    """A processor that knows only what it was given."""
    return Memory(any_target=False)


def row(number=1, **changes):
    own = {"external_id": f"sub-{number}", "name": f"Subscriber {number}"}
    return GOOD | own | changes


def taken(rows, company, memory, *, now, dry_run=False, first_line=2):
    """Import rows as lines of a file; return how many were added and known, and the refusals."""
    into = Import(company=company, processor=memory, calls_at_once=4, dry_run=dry_run)
    done = list(import_rows(enumerate(rows, start=first_line), into=into, now=now))
    refused = {each.line: each.reason for batch in done for each in batch.refused}
    return sum(each.added for each in done), sum(each.known for each in done), refused


def counts():
    kinds = (Customer, Plan, Scheduler, FundingInstrument, AuditTrail, AuditEvent)
    return {kind.__name__: kind.objects.count() for kind in kinds}


@pytest.mark.parametrize(("column", "value"), WRONG)
def test_a_wrong_column_is_refused_by_its_name_and_not_repeated(column, value):
    with pytest.raises(Invalid) as caught:
        read(2, GOOD | {column: value})

    assert [column] == list(caught.value.errors)
    assert CARD not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_every_column_has_a_wrong_sample():
    assert {column for column, _ in WRONG} == set(COLUMNS) == set(READERS)


def test_all_that_is_wrong_in_a_row_is_named_at_once():
    with pytest.raises(Invalid) as caught:
        read(2, dict.fromkeys(COLUMNS, "\0"))

    assert set(COLUMNS) == set(caught.value.errors)


@given(st.fixed_dictionaries({name: st.text(max_size=20) for name in COLUMNS}))
def test_no_text_whatever_breaks_the_reader(texts):
    wrong = {}
    try:
        read(2, texts)
    except Invalid as invalid:
        wrong = invalid.errors

    assert set(wrong) <= set(COLUMNS)


def test_what_is_optional_has_its_defaults():
    found = read(7, GOOD | {"interval": "", "time_zone": "", "ends_after": "", "catch_up": ""})

    assert (7, 1, "", None, "auto") == (
        found.line,
        found.interval,
        found.time_zone,
        found.ends_after,
        found.catch_up,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-11-01", date(2025, 11, 1)),
        ("2025-11-01T00:00:00Z", datetime(2025, 11, 1, tzinfo=UTC)),
        ("2025-11-01T02:00:00+02:00", datetime(2025, 11, 1, tzinfo=UTC)),
    ],
)
def test_a_start_is_an_instant_or_a_date(text, expected):
    assert expected == read(2, GOOD | {"started_at": text}).started_at


@pytest.mark.django_db
def test_a_row_becomes_a_customer_a_plan_an_instrument_and_a_scheduler(marketplace, strict, now):
    uri = strict.add_card()

    found = taken([row(funding_instrument_uri=uri)], marketplace, strict, now=now)

    assert (1, 0, {}) == found
    scheduler = Scheduler.objects.select_related("customer", "plan", "instrument").get()
    assert ("sub-1", "sub-1", "silver", uri) == (
        scheduler.external_id,
        scheduler.customer.external_id,
        scheduler.plan.external_id,
        scheduler.instrument.uri,
    )
    assert (2985, "USD", "monthly", 12, "each", "active") == (
        scheduler.amount,
        scheduler.currency,
        scheduler.frequency,
        scheduler.ends_after,
        scheduler.catch_up,
        scheduler.state,
    )
    assert datetime(2025, 11, 1, tzinfo=UTC) == scheduler.anchor_at == scheduler.next_run_at
    assert "invoice" == scheduler.without_instrument


PREFIXES = {
    2: "amount: must be a whole number of minor units",
    4: "row: is no CSV",
    5: "funding_instrument_uri: is not known to the processor",
    6: "funding_instrument: cannot be charged",
    8: "funding_instrument_uri: ",
    9: "external_id: is already on line 3",
    10: "currency: is USD in the plan of this name",
    11: "frequency: is monthly in the plan of this name",
    12: "direction: is debit in the plan of this name",
    13: "started_at",
    14: "started_at",
}


@pytest.mark.django_db
def test_bad_rows_are_named_by_their_line_and_the_rest_goes_in(marketplace, strict, now):
    card, unverified = strict.add_card(), strict.add_bank_account(can_debit=False)
    rows = [
        row(1, amount="0"),
        row(2),
        Invalid(row="is no CSV"),
        row(4, funding_instrument_uri="/cards/CCnone"),
        row(5, funding_instrument_uri=unverified),
        row(6, funding_instrument_uri=card),
        row(7, funding_instrument_uri=card),
        row(2),
        row(9, currency="EUR"),
        row(10, frequency="yearly"),
        row(11, direction="credit"),
        row(12, started_at="0001-01-01T00:00:00+14:00"),
        row(13, started_at="9999-12-31T23:59:59Z"),
        row(14, plan="gold", interval="2"),
    ]

    added, known, refused = taken(rows, marketplace, strict, now=now)

    assert (3, 0) == (added, known)
    assert PREFIXES == {line: refused[line][: len(words)] for line, words in PREFIXES.items()}
    assert len(refused) == len(PREFIXES)
    assert ["sub-14", "sub-2", "sub-6"] == sorted(
        Scheduler.objects.values_list("external_id", flat=True)
    )


@pytest.mark.django_db
def test_the_same_file_again_changes_nothing(marketplace, strict, now):
    rows = [row(n, funding_instrument_uri=strict.add_card()) for n in range(BATCH_SIZE + 5)]
    first = taken(rows, marketplace, strict, now=now)
    before = counts()

    second = taken(rows, marketplace, strict, now=now)

    assert (BATCH_SIZE + 5, 0, {}) == first
    assert (0, BATCH_SIZE + 5, {}) == second
    assert before == counts()
    assert len(strict._customers) == BATCH_SIZE + 5


@pytest.mark.django_db
def test_two_imports_of_one_file_at_once_double_nothing(marketplace, strict, now):
    rows = [row(n, funding_instrument_uri=strict.add_card()) for n in range(30)]
    gate, found = Barrier(3), []

    def run():
        try:
            gate.wait()
            found.append(taken(rows, marketplace, strict, now=now))
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert [{}] * 3 == [refused for _, _, refused in found]
    assert sum(added for added, _, _ in found) == 30
    made = counts()
    assert (30, 1, 30, 30) == tuple(
        made[name] for name in ("Customer", "Plan", "Scheduler", "FundingInstrument")
    )
    assert len(strict._customers) == 30


@pytest.mark.django_db
def test_an_import_that_was_cut_off_after_its_customers_is_simply_run_again(
    marketplace, strict, now
):
    rows = [row(n, funding_instrument_uri=strict.add_card()) for n in range(3)]

    class Cut(Exception):
        pass

    class CutOff(Memory):
        def instrument(self, **_):
            raise Cut

    with pytest.raises(Cut):
        taken(rows, marketplace, CutOff(), now=now)
    assert (3, 0) == (Customer.objects.count(), Scheduler.objects.count())

    assert (3, 0, {}) == taken(rows, marketplace, strict, now=now)

    assert (3, 3) == (Customer.objects.count(), Scheduler.objects.count())


@pytest.mark.django_db
def test_a_dry_run_writes_nothing_and_asks_nobody(marketplace, now):
    rows = [row(n, funding_instrument_uri="/cards/CC1") for n in range(BATCH_SIZE)]
    rows += [row(BATCH_SIZE, frequency="yearly"), row(BATCH_SIZE + 1, amount="x")]
    before = counts()

    class Silent(Memory):
        def instrument(self, **_):
            raise AssertionError

    added, known, refused = taken(rows, marketplace, Silent(), now=now, dry_run=True)

    assert before == counts()
    assert (BATCH_SIZE, 0) == (added, known)
    # The plan that the first batch would have made binds the second as well.
    assert {BATCH_SIZE + 2, BATCH_SIZE + 3} == set(refused)


@pytest.mark.django_db
def test_payouts_are_imported_into_payouts(marketplace, strict, now):
    bank, card = strict.add_bank_account(), strict.add_card()
    rows = [
        row(1, direction="credit", plan="wages", funding_instrument_uri=bank),
        row(2, direction="credit", plan="wages", funding_instrument_uri=card),
    ]

    added, _, refused = taken(rows, marketplace, strict, now=now)

    assert added == 1
    # The card of this twin can be charged only.
    assert refused == {3: "funding_instrument: cannot be paid into"}
    assert Payout.objects.get().external_id == "wages"
    assert Scheduler.objects.get().direction == "credit"


@pytest.mark.django_db
def test_companies_have_their_own_names(marketplace, strict, now):
    other = Company.create(name="Other", now=now)

    found = [taken([row()], each, strict, now=now) for each in (marketplace, other)]

    assert [(1, 0, {})] * 2 == found
    assert Counter([marketplace.pk, other.pk]) == Counter(
        Scheduler.objects.values_list("company_id", flat=True)
    )


@pytest.mark.django_db
def test_a_customer_that_was_deleted_and_a_plan_that_was_withdrawn_take_nobody(
    marketplace, strict, goat, now
):
    Customer.create(company=marketplace, external_id="sub-1", now=now)
    Customer.objects.update(deleted_at=now)
    Plan.objects.filter(pk=goat.pk).update(deleted_at=now, external_id="old")

    _, _, refused = taken([row(1), row(2, plan="old")], marketplace, strict, now=now)

    assert refused == {2: "customer: was deleted", 3: "plan: was deleted"}
