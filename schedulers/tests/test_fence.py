"""A frozen installation sends nothing: no claim, no lease, no person's wish gets past it."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts import fence
from accounts.clock import ClocksApart, database_now, shared_now
from accounts.open import account_of
from conftest import LIMITS, abandon, change, crowd, hasten, subscribe, sweep, tick
from core.invalid import Invalid
from core.money import Money
from invoices import payments
from invoices.collect import collect, issue
from invoices.models import AuditFeed, Transaction
from invoices.one_off import invoice
from invoices.refund import give_back
from processors.base import Status
from processors.memory import Declined, Lost, Memory, Pending
from schedulers import claim, cycle
from schedulers.models import Scheduler
from schedulers.watch import Watch
from tasks.pricing import Line

pytestmark = pytest.mark.django_db


def freeze():
    change("UPDATE billy_accounts_installation SET dispatch = 'frozen', reason = 'set back'")


def thaw(now):
    fence.unfreeze([], why="", now=now, actor="ada")


def test_nothing_that_is_due_begins(goat, memory, now):
    crowd(goat, memory, count=3, now=now)
    freeze()

    report = tick(memory, now=now)

    assert (False, []) == (report.worked, memory.orders)
    thaw(now)
    assert 3 == tick(memory, now=now).opened


def test_the_claims_themselves_ask_so_that_a_batch_under_way_stops_too(goat, alice, now):
    scheduler = subscribe(goat, alice, now=now)
    companies = claim.work(now=now).companies
    freeze()

    assert () == claim.work(now=now).companies
    assert [] == claim.claim(companies, now=now, limit=10, share=10)
    assert [] == claim.claim_only([scheduler.pk], now=now)
    assert [] == claim.computed(now=now, limit=10)


@pytest.mark.parametrize("answer", [Declined, Lost, Pending])
def test_nothing_that_was_begun_goes_on(goat, bob, answer, now):
    memory = Memory(script=[answer])
    subscribe(goat, bob, now=now)
    tick(memory, now=now)
    later = now + timedelta(days=2)
    for each in (abandon, hasten):
        each()
    freeze()

    reports = [work(memory, now=later) for work in (tick, sweep)]

    assert [False, False] == [report.worked for report in reports]
    assert 1 == len(memory.orders)
    assert [] == payments.lease_queued(now=later, limit=10, lease_seconds=60)


def test_what_a_person_asks_for_is_refused_by_name(goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    feed = AuditFeed.objects.get()
    late = subscribe(goat, alice, now=now, started_at=now - timedelta(days=200), catch_up="hold")
    tick(memory, now=now)
    draft = AuditFeed.objects.filter(trail_id=late.pk, state="draft").first()
    card = feed.instrument
    line = Line(description="once", amount=Money(100, "USD"))
    AuditFeed.objects.filter(pk=feed.pk).update(state="open", captured=0)
    freeze()

    for ask in (
        lambda: collect(feed, instrument=card, now=now, lease_seconds=60),
        lambda: issue(draft, now=now, lease_seconds=60),
        lambda: give_back(feed, now=now, lease_seconds=60),
        lambda: invoice(alice, lines=[line], now=now, lease_seconds=60, instrument=card),
    ):
        with pytest.raises(Invalid, match="is frozen: set back"):
            ask()

    assert "draft" == AuditFeed.objects.get(pk=draft.pk).state


def test_what_the_processor_itself_says_is_believed_all_the_same(goat, bob, now):
    memory = Memory(script=[Pending])
    subscribe(goat, bob, now=now)
    tick(memory, now=now)
    attempt = Transaction.objects.get()
    freeze()

    receipt = memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    cycle.believe(attempt.pk, receipt, now=now, limits=LIMITS())

    assert "settled" == AuditFeed.objects.get().state


def test_a_processor_without_keys_is_asked_before_every_send(goat, alice, now):
    memory = Memory(hide_keys=True)
    subscribe(goat, alice, now=now)
    held = cycle.begin(now=now, limits=LIMITS()).held
    account = account_of(goat.company)
    memory.submit(held[0].order(account))  # As the database did that was set back since.

    cycle.run(held, processor=memory, now=now, limits=LIMITS())

    assert (1, 100) == (len(memory.orders), memory.sum())
    assert "settled" == AuditFeed.objects.get().state


# --- The worker's own clock -------------------------------------------------------------------


def clock(seconds):
    """A worker's clock that is ahead of the database's by so much."""
    return lambda: database_now() + timedelta(seconds=seconds)


def test_clocks_that_agree_say_nothing(caplog):
    now = shared_now(clock=clock(0), most_seconds=60)

    assert abs(now - database_now()) < timedelta(seconds=5)
    assert "" == caplog.text


@pytest.mark.parametrize("seconds", [-10, 10])
def test_clocks_that_are_a_little_apart_are_a_warning(seconds, caplog):
    shared_now(clock=clock(seconds), most_seconds=60)

    assert "10 s apart" in caplog.text


@pytest.mark.parametrize("seconds", [-70, 70])
def test_clocks_that_are_far_apart_send_nothing(seconds):
    with pytest.raises(ClocksApart, match="70 s apart, and 60 are allowed"):
        shared_now(clock=clock(seconds), most_seconds=60)


def test_a_slow_answer_is_no_difference_of_clocks():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ticks = iter([start, start + timedelta(seconds=90)])

    now = shared_now(
        clock=lambda: next(ticks), most_seconds=60, ask=lambda: start + timedelta(seconds=45)
    )

    assert start + timedelta(seconds=45) == now


def test_whatever_is_allowed_nothing_begins_far_ahead_of_the_workers_clock():
    start = datetime(2026, 1, 1, tzinfo=UTC)

    now = shared_now(
        clock=lambda: start, most_seconds=86_400, ask=lambda: start + timedelta(hours=5)
    )

    assert start + timedelta(minutes=10) == now


# --- The watch --------------------------------------------------------------------------------


def test_a_worker_whose_clock_is_wrong_sends_nothing_and_says_so(marketplace, caplog):
    watch = Watch()

    assert watch.now(clock=clock(-3600)) is None
    assert watch.now(clock=clock(-3600)) is None

    assert 1 == caplog.text.count("nothing is sent")
    assert watch.now(clock=clock(0)) is not None
    assert "" == watch.reason


def test_the_fence_is_asked_once_a_minute_and_on_each_new_connection(
    marketplace, django_assert_num_queries
):
    from django.db import connection

    watch = Watch()
    watch.now(clock=clock(0))
    with django_assert_num_queries(3):  # The time of day, thrice: by the database and our clock.
        watch.now(clock=clock(0))
    change("UPDATE billy_accounts_installation SET dispatch = 'frozen', reason = 'set back'")
    assert "" == watch.look()

    connection.close()
    watch.now(clock=clock(0))

    assert "set back" == watch.reason


def test_the_fence_may_be_turned_off(marketplace, settings):
    settings.BILLY_FENCE = False
    freeze()

    assert "" == Watch().look(at_once=True)


def test_the_due_are_still_there_when_it_opens_again(goat, memory, now):
    drafts = crowd(goat, memory, count=5, now=now)
    freeze()
    tick(memory, now=now)
    thaw(now)

    tick(memory, now=now)

    assert 5 * 100 == memory.sum()
    assert {1} == set(Scheduler.objects.values_list("occurrence", flat=True))
    assert len(drafts) == AuditFeed.objects.filter(state="settled").count()
