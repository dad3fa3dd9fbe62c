"""A company's limits of money: changed by name, within bounds, and told with both values."""

import pytest
from django.db import IntegrityError, transaction

from accounts.limits import BOUNDS, change
from accounts.models import Company
from audit.models import AuditEvent
from core.invalid import Invalid

pytestmark = pytest.mark.django_db

ALL = {
    "amount_limit": 500_00,
    "payout_cap": 2_000_00,
    "payout_hold_hours": 24,
    "payments_alarm": 300,
}
NO_NUMBERS = [1.0, "7", True, False, -1, 2**63, 2**53, 1e3, "١٢", [], {}]


def limits_of(company):
    return {name: getattr(Company.objects.get(pk=company.pk), name) for name in ALL}


def changes():
    return [each.body for each in AuditEvent.objects.filter(kind="company.changed").order_by("seq")]


def test_a_company_is_born_without_limits(marketplace):
    assert limits_of(marketplace) == dict.fromkeys(ALL) | {"payout_hold_hours": 0}


def test_limits_are_set_and_taken_away_and_each_change_tells_both_values(marketplace, now):
    change(marketplace, ALL, now=now)
    assert limits_of(marketplace) == ALL
    change(marketplace, {"amount_limit": None, "payout_hold_hours": None}, now=now, actor="Ann")

    assert limits_of(marketplace) == ALL | {"amount_limit": None, "payout_hold_hours": 0}
    assert changes() == [
        {"before": dict.fromkeys(ALL) | {"payout_hold_hours": 0}, "after": ALL},
        {
            "before": {"amount_limit": 500_00, "payout_hold_hours": 24},
            "after": {"amount_limit": None, "payout_hold_hours": 0},
        },
    ]
    assert AuditEvent.objects.order_by("seq").last().actor == "Ann"


def test_what_is_the_same_already_is_no_change(marketplace, now):
    change(marketplace, ALL, now=now)

    change(marketplace, ALL | {"payout_cap": 7}, now=now)
    change(marketplace, ALL | {"payout_cap": 7}, now=now)

    assert changes()[1:] == [{"before": {"payout_cap": 2_000_00}, "after": {"payout_cap": 7}}]


@pytest.mark.parametrize("name", ALL)
def test_what_is_no_number_within_bounds_is_refused_by_name(name, marketplace, now):
    least, most = BOUNDS[name]
    for value in [*NO_NUMBERS, least - 1, most + 1]:
        with pytest.raises(Invalid) as caught:
            change(marketplace, {name: value}, now=now)
        assert list(caught.value.errors) == [name]
    for value in (least, most):
        assert getattr(change(marketplace, {name: value}, now=now), name) == value


def test_what_is_no_limit_is_refused(marketplace, now):
    with pytest.raises(Invalid, match="name: is not a limit of a company"):
        change(marketplace, {"name": 7}, now=now)


@pytest.mark.parametrize("name", ALL)
def test_the_database_keeps_the_bounds_too(name, marketplace):
    least, most = BOUNDS[name]
    beyond = [least - 1] if most == 2**31 - 1 else [least - 1, most + 1]
    for value in beyond:
        with pytest.raises(IntegrityError, match="_sound"), transaction.atomic():
            Company.objects.filter(pk=marketplace.pk).update(**{name: value})
