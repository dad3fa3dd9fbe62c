"""What an adversary found: each was a way to move money wrongly, or to stop everybody."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection

from accounts.models import Company, Customer, FundingInstrument
from audit.models import AuditEvent
from conftest import abandon, give_instrument, open_company, subscribe, sweep, tick
from core.invalid import Invalid
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from processors.base import Rejected, Status
from processors.memory import Declined, Lost, Memory, Pending
from schedulers import cycle, rules
from schedulers.models import Scheduler

pytestmark = pytest.mark.django_db


def payout_of_a_share(carol, *, share=8_500, after_days=7):
    account = FundingInstrument.objects.filter(customer=carol).get()
    return {
        "role": "seller",
        "customer": carol.guid,
        "instrument": account.guid,
        "share": share,
        "after_days": after_days,
    }


def believe(attempt, memory, status, limits, *, now, code=""):
    """Let the bank change its mind, and tell Billy what the processor now says."""
    memory.settle(attempt.processor_uri, status, code)
    receipt = memory.fetch(account=memory_account(attempt), uri=attempt.processor_uri)
    return cycle.believe(attempt.pk, receipt, now=now, limits=limits)


def memory_account(attempt):
    from accounts.open import account_of

    return account_of(attempt.company)


def test_an_unknown_attempt_is_never_sent_through_another_account(goat, alice, now):
    memory = Memory(script=[Lost])
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    Company.objects.update(processor_account="memory:another", processor_key="another")

    abandon()
    sweep(memory, now=now)

    assert Transaction.objects.get().state == "unknown"
    assert memory.sum() == 100


def test_nothing_is_tried_again_after_a_cancel_now(goat, alice, limits, now):
    memory = Memory(script=[Pending])
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    rules.cancel(scheduler, now=now, at=rules.NOW)

    believe(Transaction.objects.get(), memory, Status.FAILED, limits, now=now)

    assert [("declined",)] == list(Transaction.objects.values_list("state"))
    assert AuditFeed.objects.get().state == "uncollected"


def test_a_dunning_that_ends_in_a_cancel_calls_off_the_other_retries(goat, alice, now):
    memory = Memory(script=[Declined, Declined])
    policy = {"days": [1, 40], "end": "cancel"}
    subscribe(goat, alice, now=now, retry_policy=policy)
    tick(memory, now=now)
    tick(memory, now=now + timedelta(days=2))
    memory.script += [Declined, Declined]
    tick(memory, now=now + timedelta(days=31))

    tick(memory, now=now + timedelta(days=41))

    assert Scheduler.objects.get().state == "canceled"
    assert not Transaction.objects.filter(state="queued").exists()


def test_the_seller_waits_while_the_buyers_money_is_back_at_the_bank(goat, bob, carol, limits, now):
    memory = Memory(script=[])
    subscribe(goat, bob, now=now, follow_ups=[payout_of_a_share(carol)])
    tick(memory, now=now)
    debit = Transaction.objects.get(kind="debit")

    believe(debit, memory, Status.FAILED, limits, now=now + timedelta(days=2), code="R10")
    tick(memory, now=now + timedelta(days=8))

    seller = Scheduler.objects.get(parent__isnull=False)
    assert seller.state == "paused"
    assert not Transaction.objects.filter(kind="credit").exists()


def test_shares_never_add_up_to_more_than_the_charge(goat, bob, carol, now):
    rule = payout_of_a_share(carol, share=9_000)

    with pytest.raises(Invalid) as caught:
        subscribe(goat, bob, now=now, follow_ups=[rule, rule | {"role": "another"}])

    assert "follow_ups" in caught.value.errors


def test_an_unreadable_key_stops_its_own_company_alone(goat, alice, memory, now):
    other = open_company("Other", now=now)
    zoe = Customer.create(company=other, name="Zoe", now=now)
    give_instrument(zoe, memory.add_card(), memory=memory, now=now)
    plan = Plan.create(company=other, amount=7, description="x", now=now)
    theirs, mine = subscribe(plan, zoe, now=now), subscribe(goat, alice, now=now)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billy_accounts_company SET processor_key = 'fernet1:x' WHERE id = %s",
            [other.pk],
        )

    tick(memory, now=now)

    assert Transaction.objects.get(feed__trail=theirs.pk).state == "queued"
    assert Transaction.objects.get(feed__trail=mine.pk).state == "succeeded"


def test_a_refusal_that_is_no_fault_of_the_account_leaves_it_usable(goat, alice, now):
    refusal = Rejected("the escrow is empty", "insufficient-funds")
    memory = Memory(script=[refusal])
    subscribe(goat, alice, now=now)

    tick(memory, now=now)

    assert FundingInstrument.objects.get(customer=alice).state == "active"
    assert AuditFeed.objects.get().state == "uncollected"


def test_a_scheduler_that_points_at_somebody_elses_card_is_parked(goat, alice, bob, memory, now):
    scheduler = subscribe(goat, alice, now=now)
    theirs = FundingInstrument.objects.get(customer=bob)
    Scheduler.objects.filter(pk=scheduler.pk).update(instrument=theirs)

    tick(memory, now=now)

    scheduler.refresh_from_db()
    assert scheduler.state == "parked"
    assert memory.sum() == 0


def test_an_instant_that_python_cannot_hold_is_refused_by_the_database(goat, alice, now):
    subscribe(goat, alice, now=now)

    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute("UPDATE billy_schedulers_scheduler SET next_run_at = '4713-01-01 BC'")


def test_an_event_that_cannot_be_written_stops_its_own_scheduler_alone(goat, alice, bob, now):
    broken, sound = subscribe(goat, alice, now=now), subscribe(goat, bob, now=now)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billy_audit_audittrail SET head_seq = 9223372036854775807 WHERE id = %s",
            [broken.pk],
        )
    memory = Memory()

    tick(memory, now=now)

    assert memory.sum() == 100
    assert AuditEvent.objects.filter(trail_id=sound.pk, kind="debit.succeeded").exists()
