"""Offers: the front page's example, every bad term by its name, and trials."""

from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Company
from audit.models import AuditEvent
from core.frequency import Frequency
from core.invalid import CardNumber, Invalid
from core.money import LARGEST_AMOUNT
from plans.models import Payout, Plan
from plans.offer import LONGEST_TRIAL_DAYS, checked, trial_days

GOOD = {"amount": 100, "description": "the goat - silver", "frequency": Frequency.MONTHLY}
CARD = "4111111111111111"

BAD: list[tuple[str, object]] = [
    ("amount", None),
    ("amount", 0),
    ("amount", -1),
    ("amount", 1.0),
    ("amount", 0.5),
    ("amount", Decimal(100)),
    ("amount", "100"),
    ("amount", "١٢"),
    ("amount", True),
    ("amount", 2**53),
    ("amount", 2**63),
    ("amount", float("nan")),
    ("currency", "XXX"),
    ("currency", "usd"),
    ("currency", "US$"),
    ("currency", ""),
    ("currency", 840),
    ("frequency", "hourly"),
    ("frequency", "monthly "),
    ("frequency", ""),
    ("frequency", 3),
    ("interval", 0),
    ("interval", -1),
    ("interval", 1.5),
    ("interval", "3"),
    ("interval", True),
    ("interval", 10_001),
    ("trial_period", -1),
    ("trial_period", 1.5),
    ("trial_period", "14"),
    ("trial_period", True),
    ("trial_period", timedelta(hours=36)),
    ("trial_period", timedelta(days=-1)),
    ("trial_period", timedelta(days=1, microseconds=1)),
    ("trial_period", LONGEST_TRIAL_DAYS + 1),
    ("trial_period", timedelta.max),
    ("description", "x" * 201),
    ("description", "two\nlines"),
    ("description", "nul\0"),
    ("description", "\udcff"),
    ("description", 7),
    ("description", 0),
    ("time_zone", "Mars/Olympus"),
    ("time_zone", "/etc/localtime"),
    ("time_zone", 0),
    ("month_end", "first_day"),
    ("month_end", 0),
    ("shift", "sideways"),
    ("rule", "FREQ=SECONDLY"),
    ("rule", "nonsense"),
    ("rule", 0),
    ("task", "no-such-task"),
    ("task", "fixed-payout"),
    ("task", 7),
    ("params", []),
    ("params", "text"),
    ("params", {"rate": 0.5}),
    ("params", {"rate": 2**53}),
    ("params", {"at": date(2026, 1, 1)}),
    ("external_id", "x" * 129),
    ("external_id", 7),
    ("external_id", "a\tb"),
    ("trial_days", 14),
    ("prize", 100),
]


@pytest.mark.django_db
def test_the_goat_plan_bills_every_three_months():
    plan = Plan.create(
        amount=100,
        description="the goat - silver",
        trial_period=None,
        frequency=Frequency.MONTHLY,
        interval=3,
    )

    found = Plan.objects.get(pk=plan.pk)
    assert (100, "USD", "monthly", 3, None) == (
        found.amount,
        found.currency,
        found.frequency,
        found.interval,
        found.trial_days,
    )
    assert ("debit", "fixed-debit", Company.default()) == (
        found.direction,
        found.task,
        found.company,
    )
    assert plan.guid.startswith("PL")
    assert AuditEvent.objects.filter(kind="plan.created", trail_id=plan.company_id).count() == 1


@pytest.mark.django_db
def test_a_payout_is_a_plan_that_pays(marketplace, goat, now):
    payroll = Payout.create(company=marketplace, **GOOD, now=now)

    assert ("credit", "fixed-payout") == (payroll.direction, payroll.task)
    assert [payroll] == list(Payout.objects.all())
    assert {goat.pk, payroll.pk} == set(Plan.objects.values_list("pk", flat=True))


@pytest.mark.django_db
def test_every_bad_term_is_refused_by_its_name_and_nothing_is_written(marketplace, now):
    told = {}
    for position, (field, value) in enumerate(BAD):
        with pytest.raises(Invalid) as caught:
            Plan.create(company=marketplace, **GOOD | {field: value}, now=now)
        told[position] = sorted({name.partition(".")[0] for name in caught.value.errors})

    assert {position: [field] for position, (field, _) in enumerate(BAD)} == told
    assert not Plan.objects.exists()
    assert Plan.create(company=marketplace, **GOOD, now=now).amount == 100


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", f"card {CARD}"),
        ("external_id", CARD),
        ("params", {"note": CARD}),
        ("params", {CARD: 1}),
        ("params", {"deep": [{"er": "4111-1111-1111-1111"}]}),
    ],
)
@pytest.mark.django_db
def test_a_card_number_is_refused_anywhere_and_not_repeated(field, value, marketplace, now):
    with pytest.raises(CardNumber) as caught:
        Plan.create(company=marketplace, **GOOD | {field: value}, now=now)

    assert CARD not in str(caught.value).replace("-", "")


@pytest.mark.parametrize("field", ["task", "currency", "frequency", "time_zone", "shift", "rule"])
def test_a_refused_choice_is_not_repeated_either(field):
    with pytest.raises(Invalid) as caught:
        checked("debit", GOOD | {field: CARD}, currency="USD")

    assert CARD not in str(caught.value)


def test_all_that_is_wrong_is_named_at_once():
    terms = {"amount": 0, "interval": 0, "currency": "?", "frequency": "?", "trial_period": -1}

    with pytest.raises(Invalid) as caught:
        checked("debit", terms, currency="USD")

    assert set(terms) == set(caught.value.errors)


@pytest.mark.parametrize(
    ("given", "days"),
    [
        (None, None),
        (0, None),
        (timedelta(0), None),
        (14, 14),
        (timedelta(days=14), 14),
        (timedelta(weeks=2), 14),
        (LONGEST_TRIAL_DAYS, LONGEST_TRIAL_DAYS),
    ],
)
def test_a_trial_is_nothing_or_whole_days(given, days):
    assert days == trial_days(given)


@given(st.integers(1, LARGEST_AMOUNT), st.sampled_from(Frequency), st.integers(1, 10_000))
def test_every_sound_price_and_period_is_taken_as_it_is(amount, frequency, interval):
    terms = {"amount": amount, "frequency": frequency.upper(), "interval": interval}

    found = checked("debit", terms, currency="EUR")

    assert (amount, frequency, interval, "EUR") == (
        found.amount,
        found.frequency,
        found.interval,
        found.currency,
    )


def test_a_rule_says_how_often():
    found = checked("debit", {"amount": 1, "rule": "FREQ=MONTHLY;BYMONTHDAY=1,15"}, currency="USD")

    assert (Frequency.MONTHLY, 1) == (found.frequency, found.interval)


@pytest.mark.django_db
def test_an_external_id_names_one_offer_of_a_company_whichever_way_its_money_goes(marketplace, now):
    other = Company.create(name="Other", now=now)
    Plan.create(company=marketplace, external_id="goat", **GOOD, now=now)
    Plan.create(company=other, external_id="goat", **GOOD, now=now)

    for kind in (Plan, Payout):
        with pytest.raises(Invalid, match="external_id: is the name of another plan or payout"):
            kind.create(company=marketplace, external_id="goat", **GOOD, now=now)

    assert Plan.objects.count() == 2


@pytest.mark.django_db
def test_of_two_that_take_a_name_at_once_one_is_refused(marketplace, now):
    gate, refused = Barrier(4), []

    def take():
        try:
            gate.wait()
            Plan.create(company=marketplace, external_id="goat", **GOOD, now=now)
        except Invalid as invalid:
            refused.append(list(invalid.errors))
        finally:
            connection.close()

    threads = [Thread(target=take) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert [["external_id"]] * 3 == refused
    assert Plan.objects.count() == 1
