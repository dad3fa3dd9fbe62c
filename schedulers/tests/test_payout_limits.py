"""A payout to a new account waits, and a day's payouts never come to more than the cap.

Carol's account is made with the story, and payroll pays ninety cents.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.limits import change as limit
from accounts.models import Customer
from audit.findings import Scope
from audit.models import AuditEvent
from conftest import give_instrument, open_company, subscribe, tick
from core.frequency import Frequency
from core.invalid import Invalid
from invoices import collect
from invoices.models import AuditFeed, PayoutDay, Transaction
from invoices.verify import CHECKS
from plans.models import Payout
from processors.base import Kind
from processors.memory import Declined, Refused
from schedulers import cycle
from schedulers.models import Scheduler
from schedulers.tests.test_sharing import at_once

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def crew(memory, now):
    """Return a function that puts this many people on a payout."""

    def hired(count, payout):
        for number in range(count):
            worker = Customer.create(company=payout.company, name=f"Worker {number}", now=now)
            another(worker, memory, now=now)
            subscribe(payout, worker, now=now)

    return hired


def paid_out(memory):
    return memory.sum(kind=Kind.CREDIT)


def another(customer, memory, *, now):
    """Give a customer a new account, as after a payout that was declined."""
    account = memory.add_bank_account(can_debit=False)
    return give_instrument(customer, account, memory=memory, now=now)


def room():
    return list(PayoutDay.objects.order_by("day").values_list("day", "amount"))


def replayed(now):
    """Return where the events, and the sums of attempts, say otherwise than the tables."""
    checks = [each for each in CHECKS if each.id in {"I4", "I10", "I13"}]
    return [found for each in checks for found in each.find(Scope(now=now))]


def open_elsewhere(zone, *, amount, cap, now):
    """Open a company in another zone that pays out monthly, and so much a day at most."""
    company = limit(open_company(zone, now=now, time_zone=zone), {"payout_cap": cap}, now=now)
    return Payout.create(company=company, amount=amount, frequency=Frequency.MONTHLY, now=now)


# -- the hold -----------------------------------------------------------------------------------


def test_a_payout_to_a_new_account_leaves_after_exactly_the_hours(payroll, carol, memory, now):
    limit(payroll.company, {"payout_hold_hours": 24}, now=now)
    subscribe(payroll, carol, now=now)

    report = tick(memory, now=now)

    attempt, leaves = Transaction.objects.get(), now + 24 * HOUR
    assert (report.opened, report.settled) == (1, ())
    assert (attempt.state, attempt.due_at, attempt.lease_token) == ("queued", leaves, None)
    assert not tick(memory, now=leaves - timedelta(microseconds=1)).worked
    assert paid_out(memory) == 0
    tick(memory, now=leaves)
    assert paid_out(memory) == 90
    assert AuditFeed.objects.get().state == "settled"


def test_the_trail_says_until_when_a_payout_waits_and_why(payroll, carol, memory, now):
    limit(payroll.company, {"payout_hold_hours": 1}, now=now)
    scheduler = subscribe(payroll, carol, now=now)

    tick(memory, now=now)

    events = AuditEvent.objects.filter(trail=scheduler.pk).order_by("seq")
    assert [each.kind for each in events][1:] == ["invoice.opened", "credit.deferred"]
    assert events[2].transaction_id == Transaction.objects.get().pk
    assert events[2].body == {
        "attempt": 1,
        "amount": 90,
        "until": (now + HOUR).isoformat(),
        "reason": "the account is new, and new accounts wait",
    }
    assert replayed(now) == []


def test_an_account_that_is_old_enough_waits_for_nothing(payroll, carol, memory, now):
    limit(payroll.company, {"payout_hold_hours": 24}, now=now)
    later = now + 24 * HOUR
    subscribe(payroll, carol, now=later)

    tick(memory, now=later)

    assert (paid_out(memory), room()) == (90, [])


def test_a_charge_to_a_new_card_waits_for_nothing(goat, alice, memory, now):
    limit(goat.company, {"payout_hold_hours": 24, "payout_cap": 1}, now=now)
    subscribe(goat, alice, now=now)

    tick(memory, now=now)

    assert (memory.sum(), room()) == (100, [])


def test_a_payout_that_waits_and_cannot_be_sent_then_is_sent_later(payroll, carol, memory, now):
    limit(payroll.company, {"payout_hold_hours": 1}, now=now)
    subscribe(payroll, carol, now=now)
    tick(memory, now=now)
    memory.script.append(Refused)

    tick(memory, now=now + HOUR)
    tick(memory, now=now + 2 * HOUR)

    assert AuditEvent.objects.filter(kind="credit.deferred").count() == 2
    assert paid_out(memory) == 90
    assert replayed(now) == []


# -- the cap ------------------------------------------------------------------------------------


def test_the_third_payout_leaves_on_the_next_day(payroll, crew, memory, now):
    limit(payroll.company, {"payout_cap": 200}, now=now)
    crew(3, payroll)

    tick(memory, now=now)

    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    assert paid_out(memory) == 180
    assert room() == [(now.date(), 180), (midnight.date(), 90)]
    (waits,) = Transaction.objects.filter(state="queued")
    assert waits.due_at == midnight
    told = AuditEvent.objects.get(kind="credit.deferred")
    assert told.body["reason"] == "the payouts of the days before have used their cap"
    tick(memory, now=midnight - timedelta(seconds=1))
    assert paid_out(memory) == 180
    tick(memory, now=midnight)
    assert paid_out(memory) == 270
    assert replayed(now) == []


@pytest.mark.parametrize(
    ("zone", "at", "leaves"),
    [
        ("America/New_York", "2026-03-08T03:00", "2026-03-08T05:00"),  # The eve of the change,
        ("America/New_York", "2026-03-08T12:00", "2026-03-09T04:00"),  # and its own day.
        ("America/New_York", "2026-11-01T12:00", "2026-11-02T05:00"),
        ("Africa/Cairo", "2026-04-23T12:00", "2026-04-23T22:00"),  # A day that begins at one.
        ("Pacific/Kiritimati", "2026-01-01T11:00", "2026-01-02T10:00"),
    ],
)
def test_a_day_is_one_of_the_company_s_own_zone(zone, at, leaves, crew, memory, now):
    payout = open_elsewhere(zone, amount=50, cap=100, now=now)
    at, leaves = (datetime.fromisoformat(f"{each}+00:00") for each in (at, leaves))
    crew(3, payout)
    Scheduler.objects.update(next_run_at=at, anchor_at=at, started_at=at)

    tick(memory, now=at)

    assert paid_out(memory) == 100
    assert Transaction.objects.get(state="queued").due_at == leaves


def test_each_currency_has_a_cap_of_its_own(payroll, crew, memory, now):
    limit(payroll.company, {"payout_cap": 100}, now=now)
    euros = Payout.create(
        company=payroll.company, amount=80, currency="EUR", frequency=Frequency.MONTHLY, now=now
    )
    crew(1, payroll)
    crew(1, euros)

    tick(memory, now=now)

    assert paid_out(memory) == 170
    assert set(PayoutDay.objects.values_list("currency", "amount")) == {("USD", 90), ("EUR", 80)}


def test_another_company_s_payouts_take_no_room(payroll, crew, memory, now):
    limit(payroll.company, {"payout_cap": 90}, now=now)
    crew(1, payroll)
    crew(2, open_elsewhere("UTC", amount=50, cap=50, now=now))

    tick(memory, now=now)

    assert paid_out(memory) == 90 + 50


def test_a_hold_comes_first_and_then_the_cap_of_the_day_that_it_gives(payroll, crew, memory, now):
    limit(payroll.company, {"payout_cap": 100, "payout_hold_hours": 24}, now=now)
    crew(2, payroll)

    tick(memory, now=now)

    tomorrow = now.date() + timedelta(days=1)
    assert room() == [(tomorrow, 90), (tomorrow + timedelta(days=1), 90)]
    first, second = Transaction.objects.order_by("due_at")
    assert first.due_at == now + 24 * HOUR
    assert second.due_at == datetime(*now.timetuple()[:3], tzinfo=UTC) + timedelta(days=2)


def test_a_lower_cap_moves_nothing_and_a_higher_one_has_room_at_once(payroll, crew, memory, now):
    limit(payroll.company, {"payout_cap": 180}, now=now)
    crew(2, payroll)
    tick(memory, now=now)
    limit(payroll.company, {"payout_cap": 90}, now=now)
    crew(1, payroll)
    tick(memory, now=now)
    limit(payroll.company, {"payout_cap": 270}, now=now)
    crew(1, payroll)

    tick(memory, now=now)

    assert room() == [(now.date(), 270), (now.date() + timedelta(days=1), 90)]


def test_workers_at_once_never_pass_the_cap(payroll, crew, memory, now):
    limit(payroll.company, {"payout_cap": 450}, now=now)
    crew(24, payroll)

    at_once(*[lambda: tick(memory, now=now, batch_size=6)] * 4)
    while tick(memory, now=now).worked:
        pass

    days = [now.date() + timedelta(days=ahead) for ahead in range(5)]
    assert room() == [*((day, 450) for day in days[:4]), (days[4], 360)]
    assert paid_out(memory) == 450
    left = Counter(each.due_at.date() for each in Transaction.objects.filter(state="queued"))
    assert left == {**dict.fromkeys(days[1:4], 5), days[4]: 4}


def test_a_year_without_room_parks_the_scheduler(payroll, crew, memory, now):
    limit(payroll.company, {"payout_cap": 90}, now=now)
    PayoutDay.objects.bulk_create(
        PayoutDay(
            company=payroll.company,
            currency="USD",
            day=now.date() + timedelta(days=ahead),
            amount=90,
        )
        for ahead in range(366)
    )
    crew(1, payroll)

    tick(memory, now=now)

    scheduler = Scheduler.objects.get()
    assert (scheduler.state, scheduler.next_run_at) == ("parked", now)
    assert scheduler.reason == (
        "amount: there is no room for a payout of 90 minor units within 366 days"
    )


def test_the_example_of_the_page_on_security(memory, now):
    noon = datetime(2026, 3, 2, 17, tzinfo=UTC)  # In New York.
    company = open_company("Sellers", now=now, time_zone="America/New_York")
    payout = Payout.create(company=company, amount=500_00, frequency=Frequency.DAILY, now=now)
    limits = {"amount_limit": 500_00, "payout_cap": 1_200_00, "payout_hold_hours": 24}
    limit(company, limits, now=now)
    sellers = [(now, noon), (now, noon), (noon - 3 * HOUR, noon), (now, noon + HOUR)]
    for known_since, paid_at in sellers:
        seller = Customer.create(company=company, now=now)
        another(seller, memory, now=known_since)
        subscribe(payout, seller, now=paid_at, ends_after=1)

    tick(memory, now=noon)
    tick(memory, now=noon + HOUR)

    assert paid_out(memory) == 1_000_00
    assert [amount for _, amount in room()] == [1_000_00, 1_000_00]
    waiting = Transaction.objects.filter(state="queued").order_by("due_at")
    midnight = datetime(2026, 3, 3, 5, tzinfo=UTC)
    assert [each.due_at for each in waiting] == [midnight, midnight + 9 * HOUR]


# -- by hand ------------------------------------------------------------------------------------


def test_a_declined_payout_takes_room_again_when_a_person_tries_it(payroll, carol, memory, now):
    limit(payroll.company, {"payout_cap": 200}, now=now)
    memory.script.append(Declined)
    subscribe(payroll, carol, now=now)
    tick(memory, now=now)
    feed = AuditFeed.objects.get()
    assert not Transaction.objects.filter(state="queued").exists()

    collect.collect(feed, instrument=another(carol, memory, now=now), now=now, lease_seconds=120)

    assert room() == [(now.date(), 180)]


def test_what_has_no_room_today_is_refused_by_hand_and_takes_none(payroll, carol, memory, now):
    limit(payroll.company, {"payout_cap": 100}, now=now)
    memory.script.append(Declined)
    subscribe(payroll, carol, now=now)
    tick(memory, now=now)
    feed, account = AuditFeed.objects.get(), another(carol, memory, now=now)

    with pytest.raises(Invalid, match=r"invoice: may not be paid out before 2026-01-02T00:00:00"):
        collect.collect(feed, instrument=account, now=now, lease_seconds=120)

    assert room() == [(now.date(), 90)]


def test_a_new_account_is_refused_by_hand_with_the_instant(payroll, carol, memory, now):
    memory.script.append(Declined)
    subscribe(payroll, carol, now=now)
    tick(memory, now=now)
    feed = AuditFeed.objects.get()
    limit(payroll.company, {"payout_hold_hours": 24}, now=now)
    later = now + timedelta(days=3)
    new = another(carol, memory, now=later)

    until = (later + 24 * HOUR).isoformat()
    with pytest.raises(Invalid) as caught:
        collect.collect(feed, instrument=new, now=later, lease_seconds=120)

    (words,) = caught.value.errors.values()
    assert list(caught.value.errors) == ["funding_instrument"]
    assert words.startswith(f"may not be paid out before {until}")
    assert collect.collect(feed, instrument=new, now=later + 24 * HOUR, lease_seconds=120)


def test_a_draft_without_room_stays_one_and_takes_no_number(payroll, carol, memory, now):
    subscribe(payroll, carol, now=now, catch_up="hold")
    later = now + timedelta(days=70)
    tick(memory, now=later)
    first, second, *_ = AuditFeed.objects.filter(state="draft").order_by("occurrence")
    limit(payroll.company, {"payout_cap": 90}, now=now)

    collect.issue(first, now=later, lease_seconds=120)
    with pytest.raises(Invalid, match="invoice: may not be paid out before"):
        collect.issue(second, now=later, lease_seconds=120)

    second.refresh_from_db()
    assert (second.state, second.number) == ("draft", None)
    assert AuditFeed.objects.get(state="open").number == 1


def test_a_payout_that_waits_is_called_off_by_hand_with_its_invoice(payroll, carol, memory, now):
    limit(payroll.company, {"payout_hold_hours": 24}, now=now)
    subscribe(payroll, carol, now=now)
    tick(memory, now=now)

    collect.void(AuditFeed.objects.get(), now=now)
    tick(memory, now=now + 24 * HOUR)

    assert (paid_out(memory), Transaction.objects.get().state) == (0, "voided")


def test_payouts_without_limits_cost_one_statement_more_than_charges(
    goat, payroll, alice, carol, limits, now
):
    counts = []
    for plan, customer in ((goat, alice), (goat, alice), (payroll, carol)):
        subscribe(plan, customer, now=now)
        with CaptureQueriesContext(connection) as captured:
            cycle.begin(now=now, limits=limits)
        counts.append(len(captured))

    _, charge, payout = counts  # The first one reads, and keeps, which installation this is.
    assert payout == charge + 1
    assert room() == []
