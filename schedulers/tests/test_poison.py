"""One bad row must not sink the batch: it parks itself, and the others settle in the same tick."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from audit.chain import Fact
from audit.models import AuditEvent
from audit.record import heads, record
from conftest import change, crowd, hasten, subscribe, sweep, tick
from core.frequency import Frequency
from core.ids import uuid7
from core.money import LARGEST_AMOUNT
from invoices.models import AuditFeed, Transaction
from invoices.naming import charge_key
from plans.models import Plan
from processors.base import Status
from processors.memory import Memory, Pending
from schedulers import rules
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db

OTHERS = 11


def set_columns(**columns):
    """Return what breaks a row by an UPDATE that no verb of ours would make."""

    def poison(scheduler):
        names = ", ".join(f"{name} = %s" for name in columns)
        change(
            f"UPDATE billy_schedulers_scheduler SET {names} WHERE id = %s",
            [*columns.values(), scheduler.pk],
        )

    return poison


def occurrence_exists(scheduler):
    """Another writer has opened the occurrence, and the counter does not know it."""
    change(
        "INSERT INTO billy_invoices_auditfeed (id, company_id, trail_id, occurrence, kind,"
        " direction, period_start, period_end, customer_id, currency, terms, total, live, captured,"
        " returned, refunded, applied, credited, state, due_at, created_at)"
        " VALUES (%s, %s, %s, 0, 'period', 'debit', %s, %s, %s, 'USD', '{}', 100, 0, 0, 0, 0, 0,"
        " 0, 'draft', %s, %s)",
        [
            uuid7(now=scheduler.created_at),
            scheduler.company_id,
            scheduler.pk,
            scheduler.next_run_at,
            scheduler.next_run_at + timedelta(days=1),
            scheduler.customer_id,
            scheduler.next_run_at,
            scheduler.next_run_at,
        ],
    )


def fact_was_told(scheduler):
    """The trail holds the fact that the first line would be."""
    fact = Fact(
        trail_id=scheduler.pk,
        company_id=scheduler.company_id,
        kind="invoice.line",
        currency="USD",
        body={},
        dedupe="line/0/0",
    )
    record([fact], heads=heads([scheduler.pk]), now=scheduler.created_at)


def key_is_taken(scheduler):
    """Another attempt goes by the key that the first one would have."""
    key = charge_key(
        company=scheduler.company_id,
        trail=scheduler.pk,
        feed=scheduler.pk,
        occurrence=0,
        attempt=1,
    )
    change(
        "INSERT INTO billy_invoices_transaction"
        " SELECT (jsonb_populate_record(a, jsonb_build_object('id', %s::text, 'attempt', 9,"
        " 'state', 'voided', 'key', %s::text, 'processor_uri', null))).*"
        " FROM billy_invoices_transaction a LIMIT 1",
        [str(uuid7(now=scheduler.created_at)), key],
    )


POISONS = {
    "a zone that does not exist": set_columns(time_zone="Mars/Olympus"),
    "a frequency that does not exist": set_columns(frequency="lunar"),
    "a rule that cannot be read": set_columns(rule="FREQ=NEVER"),
    "a currency that is dead": set_columns(currency="DEM"),
    "a currency that never was": set_columns(currency="???"),
    "somebody else's task": set_columns(task="nothing-of-ours"),
    "a retry policy that is none": set_columns(retry_policy=json.dumps({"days": "often"})),
    "a retry policy that is a list": set_columns(retry_policy="[1]"),
    "follow-ups that are none": set_columns(follow_ups=json.dumps([{"role": "x"}])),
    "parameters that are none": set_columns(params="[1, 2]"),
    "no amount": set_columns(plan_id=None, amount=None),
    "an occurrence that exists": occurrence_exists,
    "a fact that was told": fact_was_told,
    "a key that is taken": key_is_taken,
}
HARMLESS = {"parameters that are none"}  # A fixed price has no use for them.


@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_scheduler_parks_itself_and_the_others_settle(poison, goat, alice, memory, now):
    before = now - timedelta(days=40)
    crowd(goat, memory, count=1, now=before)
    tick(memory, now=before)
    drafts = crowd(goat, memory, count=OTHERS, now=now)
    bad = subscribe(goat, alice, now=now)
    POISONS[poison](bad)

    report = tick(memory, now=now)

    bad.refresh_from_db()
    settled = AuditFeed.objects.filter(trail_id__in=[each.pk for each in drafts], state="settled")
    assert settled.count() == OTHERS
    if poison in HARMLESS:
        assert (report.parked, bad.state) == (0, "active")
        return
    assert (report.parked, bad.state, bad.occurrence) == (1, "parked", 0)
    assert bad.reason != ""
    assert (bad.next_run_at, Transaction.objects.filter(feed__trail_id=bad.pk).count()) == (now, 0)
    event = AuditEvent.objects.get(trail_id=bad.pk, kind="scheduler.parked")
    assert event.body == {"from": "active", "reason": bad.reason}


def test_one_in_five_hundred_parks_and_499_settle_in_the_same_tick(goat, memory, now):
    drafts = crowd(goat, memory, count=500, now=now)
    occurrence_exists(drafts[321])

    report = tick(memory, now=now)

    states = Scheduler.objects.filter(state="parked").values_list("pk", flat=True)
    assert (report.opened, report.parked, len(report.settled)) == (499, 1, 499)
    assert list(states) == [drafts[321].pk]
    assert AuditFeed.objects.filter(state="settled").count() == 499
    numbers = AuditFeed.objects.filter(number__isnull=False).values_list("number", flat=True)
    assert sorted(numbers) == [*range(1, 500)]


def test_a_sum_that_is_too_large_parks_its_scheduler_alone(marketplace, alice, bob, memory, now):
    plan = Plan.create(
        company=marketplace, amount=LARGEST_AMOUNT, frequency=Frequency.DAILY, now=now
    )
    small = Plan.create(company=marketplace, amount=5, frequency=Frequency.DAILY, now=now)
    large = subscribe(plan, alice, now=now, catch_up="collapse")
    subscribe(small, bob, now=now, catch_up="collapse")

    tick(memory, now=now + timedelta(days=2))

    large.refresh_from_db()
    assert (large.state, memory.sum()) == ("parked", 15)


def test_the_largest_amount_is_charged(marketplace, alice, memory, now):
    plan = Plan.create(company=marketplace, amount=LARGEST_AMOUNT, now=now)
    subscribe(plan, alice, now=now)

    tick(memory, now=now)

    assert memory.sum() == LARGEST_AMOUNT == AuditFeed.objects.get().captured


def test_one_outcome_that_cannot_be_written_is_parked_and_the_others_land(goat, memory, now):
    drafts = crowd(goat, memory, count=8, now=now)
    twin = Twin(memory)

    tick(twin, now=now)

    states = Transaction.objects.values_list("state", flat=True)
    assert sorted(states) == ["parked"] + ["succeeded"] * 7
    parked = Transaction.objects.get(state="parked")
    assert "could not be written" in parked.failures[-1]["message"]
    assert parked.feed.trail_id in {each.pk for each in drafts}


class Twin(Memory):
    """A processor that names the same object for two orders."""

    def __init__(self, memory):
        super().__init__()
        self.answers = []
        self.inner = memory

    def submit(self, order):
        receipt = self.inner.submit(order)
        self.answers.append(receipt)
        return replace(receipt, uri=self.answers[0].uri) if len(self.answers) == 5 else receipt


def test_a_pending_payment_whose_object_changed_its_name_does_not_stop_the_sweep(
    goat, bob, alice, now
):
    memory = Memory(script=[Pending, Pending])
    subscribe(goat, bob, now=now)
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    first, second = Transaction.objects.order_by("processor_uri")
    hasten()

    class Renamed(Memory):
        def fetch(self, *, account, uri):
            receipt = replace(memory.fetch(account=account, uri=uri), status=Status.SUCCEEDED)
            return replace(receipt, uri="/debits/OTHER") if uri == first.processor_uri else receipt

    sweep(Renamed(), now=now)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("pending", "succeeded")
    assert "could not be written" in first.failures[-1]["message"]


def test_a_parked_scheduler_goes_on_once_a_person_has_looked(goat, alice, memory, now):
    scheduler = subscribe(goat, alice, now=now)
    set_columns(time_zone="Mars/Olympus")(scheduler)
    tick(memory, now=now)
    set_columns(time_zone="UTC")(scheduler)

    rules.resume(scheduler, now=now)
    tick(memory, now=now)

    assert (AuditFeed.objects.get().state, memory.sum()) == ("settled", 100)
