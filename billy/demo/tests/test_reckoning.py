"""The end of the story tells the truth, the bad one too."""

from __future__ import annotations

import io

import pytest

from accounts.models import Company
from audit.sets import execute
from billy.demo import reckoning
from billy.demo.agreement import Agreement
from billy.demo.screen import Screen
from core.money import Money

SUMS = {"debit": (2, Money(123_456, "USD"))}


@pytest.fixture
def out():
    return io.StringIO()


def agreement(*differences):
    return Agreement(
        count=2, moved=Money(123_456, "USD"), sums=SUMS, differences=tuple(differences)
    )


def test_an_agreement_is_told_with_its_sums(out):
    good = reckoning.sides(Screen(out), agreement())

    assert good
    assert out.getvalue().splitlines() == [
        "  debits         2      $1,234.56 moved",
        "",
        "Billy and Balanced agree: 2 transactions, $1,234.56",
    ]


def test_differences_are_told_one_by_one_and_no_more_than_can_be_read(out):
    good = reckoning.sides(Screen(out), agreement(*(f"debit k{n}: gone" for n in range(25))))

    lines = out.getvalue().splitlines()
    assert not good
    assert lines[2] == "Billy and Balanced disagree in 25 places:"
    assert lines[3:] == [f"  debit k{n}: gone" for n in range(20)]


@pytest.mark.django_db
def test_intact_trails_are_counted(out, now):
    Company.create(name="Shop", now=now)

    good = reckoning.trails(Screen(out))

    assert good
    assert out.getvalue() == "audit trails intact: 1 trails, 1 events, every hash computed anew\n"


@pytest.mark.django_db
def test_a_broken_trail_is_named(out, now):
    company = Company.create(name="Shop", now=now)
    execute("ALTER TABLE billy_audit_auditevent DISABLE TRIGGER ALL")
    execute("UPDATE billy_audit_auditevent SET amount = 7")

    good = reckoning.trails(Screen(out))

    told = " ".join(out.getvalue().split())
    assert not good
    assert told.startswith("audit trails are broken in 1 places:")
    assert f"trail {company.pk}, event 1: was changed after it was written" in told
