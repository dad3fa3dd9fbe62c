"""More payments within an hour than a company expects are told of, once an hour."""

import logging
from datetime import timedelta

import pytest

from accounts.limits import change as limit
from audit.models import AuditEvent, Outbox
from conftest import crowd, open_company, tick
from invoices.alarm import alarm

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def three_payments(goat, memory, now):
    """Three customers of the marketplace are charged at noon."""
    crowd(goat, memory, count=3, now=now)
    tick(memory, now=now)


def alarms():
    return AuditEvent.objects.filter(kind="company.alarmed").order_by("at")


def test_more_payments_than_expected_are_a_fact_and_a_line_of_the_log(
    marketplace, three_payments, caplog, now
):
    limit(marketplace, {"payments_alarm": 2}, now=now)

    with caplog.at_level(logging.WARNING):
        assert alarm(now=now + MINUTE) == 1

    told = alarms().get()
    assert told.trail_id == told.company_id == marketplace.pk
    assert told.body == {"limit": 2, "hour": "2026-01-01T12:00:00+00:00"}
    assert caplog.messages == [f"{marketplace.guid} made more than 2 payments within an hour"]


def test_as_many_as_expected_are_no_alarm(marketplace, three_payments, now):
    limit(marketplace, {"payments_alarm": 3}, now=now)

    assert alarm(now=now + MINUTE) == 0
    assert not alarms().exists()


def test_it_is_told_once_in_an_hour_of_the_clock(goat, marketplace, memory, now):
    limit(marketplace, {"payments_alarm": 1}, now=now)
    later = now + timedelta(minutes=50)
    crowd(goat, memory, count=3, now=later)
    tick(memory, now=later)

    raised = [alarm(now=later + minutes * MINUTE) for minutes in range(75)]

    assert [place for place, count in enumerate(raised) if count] == [0, 10]


def test_what_is_older_than_an_hour_does_not_count(marketplace, three_payments, now):
    limit(marketplace, {"payments_alarm": 2}, now=now)

    assert alarm(now=now + 60 * MINUTE) == 0
    assert alarm(now=now + 60 * MINUTE - timedelta(microseconds=1)) == 1


def test_who_wants_no_alarm_has_none_and_another_company_s_payments_are_not_counted(
    marketplace, three_payments, now
):
    other = open_company("Another", now=now)
    limit(other, {"payments_alarm": 1}, now=now)

    assert alarm(now=now + MINUTE) == 0


def test_a_company_that_listens_hears_of_it(marketplace, three_payments, now):
    limit(marketplace, {"payments_alarm": 2}, now=now)
    marketplace.listens = True
    marketplace.save(update_fields=["listens"])

    alarm(now=now + MINUTE)

    assert Outbox.objects.filter(topic="company.alarmed").count() == 1
