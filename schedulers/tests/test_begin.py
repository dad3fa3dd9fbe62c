"""T1: what is written when occurrences open, to the last row."""

import hashlib
from base64 import b32encode
from datetime import timedelta

import pytest

from accounts.models import Customer, Installation
from audit.models import AuditEvent, AuditTrail, Outbox
from conftest import give_instrument, open_company, open_feed, subscribe, tick
from core.frequency import Frequency
from core.ids import derived
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from schedulers import cycle
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db


def key_by_hand(company, scheduler, *, occurrence, attempt):
    instance = Installation.objects.get().instance_id
    text = f"billy/1|{instance}|{company.guid}|{scheduler.guid}|{occurrence}|{attempt}"
    return "b1-" + b32encode(hashlib.sha256(text.encode()).digest())[:40].decode()


def numbers_of(company, *, series="INV"):
    feeds = AuditFeed.objects.filter(company=company, series=series)
    return sorted(feeds.values_list("number", flat=True))


def test_an_occurrence_is_one_feed_one_attempt_and_one_event(goat, alice, now):
    feed = open_feed(goat, alice, now=now)

    assert AuditFeed.objects.count() == 1
    assert Transaction.objects.count() == 1
    (event,) = AuditEvent.objects.filter(feed_id=feed.pk)
    assert (event.kind, event.amount, event.moved, event.seq) == ("invoice.opened", 100, None, 2)
    assert Outbox.objects.count() == 0


def test_a_feed_says_whose_it_is_for_when_and_what_is_owed(goat, alice, now):
    feed = open_feed(goat, alice, now=now)

    assert (feed.company_id, feed.customer_id) == (goat.company_id, alice.pk)
    assert (feed.plan_id, feed.instrument.uri) == (goat.pk, "/cards/CC00000000000000000000")
    assert (feed.kind, feed.occurrence, feed.direction) == ("period", 0, "debit")
    assert (feed.period_start, feed.period_end) == (now, now.replace(month=2))
    assert (feed.total, feed.live, feed.captured, feed.currency) == (100, 100, 0, "USD")
    assert (feed.state, feed.series, feed.number) == ("open", "INV", 1)
    assert (feed.due_at, feed.opened_at, feed.created_at) == (now, now, now)
    assert feed.terms["description"] == "the goat - silver"


def test_an_attempt_is_leased_and_named_by_the_formula(goat, alice, marketplace, now):
    feed = open_feed(goat, alice, now=now)

    attempt = Transaction.objects.get()
    scheduler = Scheduler.objects.get()
    assert attempt.key == key_by_hand(marketplace, scheduler, occurrence=0, attempt=1)
    assert (attempt.state, attempt.kind, attempt.attempt, attempt.step) == ("intent", "debit", 1, 0)
    assert (attempt.feed_id, attempt.amount, attempt.currency) == (feed.pk, 100, "USD")
    assert attempt.lease_token is not None
    lease = attempt.lease_until - attempt.first_claimed_at
    assert round(lease.total_seconds()) == 120
    assert attempt.processor_account == marketplace.processor_account
    assert (attempt.looks, attempt.failures, attempt.processor_uri) == (0, [], None)


def test_the_scheduler_moves_on_in_the_same_transaction(goat, alice, now):
    open_feed(goat, alice, now=now)

    scheduler = Scheduler.objects.get()
    assert (scheduler.occurrence, scheduler.next_run_at) == (1, now.replace(month=2))
    assert (scheduler.state, scheduler.version) == ("active", 1)


def test_the_trail_ends_where_its_last_event_says(goat, alice, now):
    feed = open_feed(goat, alice, now=now)

    trail = AuditTrail.objects.get(pk=feed.trail_id)
    first, last = AuditEvent.objects.filter(trail=trail).order_by("seq")
    assert (trail.head_seq, bytes(trail.head_hash)) == (2, bytes(last.hash))
    assert bytes(last.prev) == bytes(first.hash)


def test_what_is_asked_is_the_same_when_it_is_read_back(goat, alice, limits, memory, now):
    scheduler = subscribe(goat, alice, now=now, statement_text="GOAT")
    (born,) = cycle.begin(now=now, limits=limits).held

    (read,) = cycle.payments.held([born.transaction_id])

    account = memory.open_account(url="memory:")
    assert read.order(account) == born.order(account)
    assert read.request_hash == born.request_hash == Transaction.objects.get().request_hash
    assert read.order(account).statement_text == "GOAT"
    assert read.trail_id == scheduler.pk


def test_ids_are_derived_so_that_a_rewound_database_makes_them_again(goat, alice, now):
    feed = open_feed(goat, alice, now=now)

    by_hand = derived(at=now, parts=("feed", str(feed.trail_id), 0))
    attempt = derived(at=now, parts=("transaction", str(by_hand), "debit", 1))
    assert (feed.pk, Transaction.objects.get().pk) == (by_hand, attempt)


def test_numbers_are_gapless_over_two_companies_and_two_batches(memory, now):
    companies = [open_company(f"Company {number}", now=now) for number in range(2)]
    for company in companies:
        plan = Plan.create(
            company=company, amount=100, frequency=Frequency.MONTHLY, description="x", now=now
        )
        for _ in range(7):
            customer = Customer.create(company=company, now=now)
            give_instrument(customer, memory.add_card(), memory=memory, now=now)
            subscribe(plan, customer, now=now)

    opened = [tick(memory, now=now, batch_size=10).opened for _ in range(3)]

    assert opened == [10, 4, 0]
    assert [numbers_of(company) for company in companies] == [[*range(1, 8)], [*range(1, 8)]]


def test_charges_and_payouts_are_numbered_apart(goat, payroll, alice, carol, marketplace, now):
    open_feed(goat, alice, now=now)
    open_feed(payroll, carol, now=now)

    assert numbers_of(marketplace, series="INV") == [1]
    assert numbers_of(marketplace, series="PAY") == [1]


def test_an_invoice_without_an_instrument_is_opened_and_waits(goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now, instrument=None)

    report = tick(memory, now=now)

    feed = AuditFeed.objects.get(trail_id=scheduler.pk)
    assert (report.opened, report.settled) == (1, ())
    assert (feed.state, feed.live, feed.number) == ("open", 0, 1)
    assert Transaction.objects.count() == 0


def test_an_instrument_that_failed_for_good_is_not_charged(goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now)
    scheduler.instrument.state = "errored"
    scheduler.instrument.save()

    tick(memory, now=now)

    assert memory.orders == []
    assert AuditFeed.objects.get().state == "open"


@pytest.mark.parametrize(
    ("state", "opened"),
    [
        ("active", 1),
        ("past_due", 1),
        ("paused", 0),
        ("held", 0),
        ("parked", 0),
        ("errored", 0),
        ("canceled", 0),
        ("ended", 0),
    ],
)
def test_only_schedulers_that_tick_open_occurrences(state, opened, goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now)
    Scheduler.objects.filter(pk=scheduler.pk).update(state=state)

    report = tick(memory, now=now)

    assert report.opened == opened


def test_nothing_opens_before_its_time(goat, alice, memory, now):
    subscribe(goat, alice, now=now, started_at=now + timedelta(microseconds=1))

    report = tick(memory, now=now)

    assert report.worked is False


def test_only_a_company_that_listens_costs_rows_in_the_outbox(goat, alice, memory, now):
    other = open_company("Another", now=now)
    goat.company.listens = True
    goat.company.save()
    plan = Plan.create(company=other, amount=5, description="x", now=now)
    subscribe(plan, Customer.create(company=other, now=now), now=now)
    subscribe(goat, alice, now=now)

    tick(memory, now=now)

    told = Outbox.objects.order_by("dedupe").values_list("company_id", "topic")
    assert sorted(told) == [
        (goat.company_id, "debit.succeeded"),
        (goat.company_id, "invoice.opened"),
        (goat.company_id, "scheduler.created"),
    ]
