"""Reconcile: what the processor has is known, adopted, asked for again, or told by name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.open import account_of
from conftest import LIMITS, abandon, change, instrument_of, open_company, subscribe, sweep, tick
from core.invalid import Invalid
from core.money import Money
from invoices.models import AuditFeed, Transaction
from invoices.one_off import invoice
from processors.base import Account, Kind, Order, Status
from processors.memory import Declined, Lost, Memory, Pending
from schedulers import cycle
from schedulers.models import Scheduler
from schedulers.reconcile import Asking, Fate, reconcile
from tasks.pricing import Line

pytestmark = pytest.mark.django_db


def fates(company, memory, *, now, **terms):
    """Reconcile a company; return the fates and reasons, newest object first."""
    asking = Asking(processor=memory, now=now, limits=LIMITS(), **terms)
    return [(found.fate, found.why) for found in reconcile(company, asking)]


def test_what_both_know_is_known(goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)

    assert [(Fate.KNOWN, "")] == fates(goat.company, memory, now=now)


def test_a_lost_answer_is_adopted_as_a_callback_would_be(goat, alice, now):
    memory = Memory(script=[Lost])
    subscribe(goat, alice, now=now)
    tick(memory, now=now)

    first, second = (fates(goat.company, memory, now=now) for _ in range(2))

    assert ([(Fate.ADOPTED, "its attempt was unknown")], [(Fate.KNOWN, "")]) == (first, second)
    assert "settled" == AuditFeed.objects.get().state
    assert 1 == len(memory.orders)


def test_a_dry_run_tells_the_same_and_writes_nothing(goat, alice, now):
    memory = Memory(script=[Lost])
    subscribe(goat, alice, now=now)
    tick(memory, now=now)

    found = fates(goat.company, memory, now=now, dry_run=True)

    assert [(Fate.ADOPTED, "its attempt was unknown")] == found
    assert "unknown" == Transaction.objects.get().state


def test_money_that_a_bank_brought_back_is_adopted(goat, bob, memory, now):
    subscribe(goat, bob, now=now)
    tick(memory, now=now)
    memory.settle(Transaction.objects.get().processor_uri, Status.FAILED, "R01")

    assert [(Fate.ADOPTED, "its attempt was succeeded")] == fates(goat.company, memory, now=now)
    assert "returned" == Transaction.objects.get(attempt=1).state


def test_what_will_be_asked_for_again_is_left_alone_and_replays(goat, alice, memory, now, rewind):
    keep, bring_back = rewind
    subscribe(goat, alice, now=now)
    keep()
    tick(memory, now=now)
    bring_back()

    found = fates(goat.company, memory, now=now)
    tick(memory, now=now)

    assert [(Fate.REPLAYS, "")] == found
    assert (100, "settled") == (memory.sum(), AuditFeed.objects.get().state)


def test_several_periods_and_their_retries_replay(goat, alice, now, rewind):
    keep, bring_back = rewind
    memory = Memory(script=[Declined])
    subscribe(goat, alice, now=now, catch_up="each")
    keep()
    for days in (0, 2, 40, 70):
        tick(memory, now=now + timedelta(days=days))
    bring_back()

    found = fates(goat.company, memory, now=now + timedelta(days=70))

    assert [(Fate.REPLAYS, "")] * 4 == found
    assert 300 == memory.sum()


def test_a_planned_retry_that_was_made_meanwhile_replays(goat, alice, now):
    memory = Memory(script=[Declined])
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    company = goat.company
    queued = Transaction.objects.get(attempt=2)
    held = cycle.payments.held([queued.pk])[0]
    memory.submit(held.order(account_of(company)))

    assert [Fate.REPLAYS, Fate.KNOWN] == [fate for fate, _ in fates(company, memory, now=now)]
    tick(memory, now=now + timedelta(days=2))
    assert (100, "active") == (memory.sum(), Scheduler.objects.get(pk=scheduler.pk).state)


def test_a_payout_that_follows_a_charge_replays(goat, alice, carol, memory, now, rewind):
    keep, bring_back = rewind
    rule = {"role": "seller", "customer": carol.guid, "share": 8500, "after_days": 0}
    rule["instrument"] = instrument_of(carol).guid
    subscribe(goat, alice, now=now, follow_ups=[rule])
    keep()
    for _ in range(2):
        tick(memory, now=now)
    assert 85 == memory.sum(kind=Kind.CREDIT)
    bring_back()

    assert [(Fate.REPLAYS, "")] * 2 == fates(goat.company, memory, now=now)

    for _ in range(2):
        tick(memory, now=now)
    assert (100, 85) == (memory.sum(), memory.sum(kind=Kind.CREDIT))


def test_what_nothing_will_ask_for_again_is_an_orphan(goat, alice, memory, now, rewind):
    keep, bring_back = rewind
    keep()
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    bring_back()

    ((fate, why),) = fates(goat.company, memory, now=now)

    assert Fate.ORPHAN == fate
    assert "nothing will ask for it by itself" in why


def test_missed_periods_that_a_person_must_issue_are_orphans_until_then(
    goat, alice, memory, now, rewind
):
    keep, bring_back = rewind
    subscribe(goat, alice, now=now, catch_up="hold")
    keep()
    tick(memory, now=now)
    bring_back()

    found = fates(goat.company, memory, now=now + timedelta(days=70))

    assert [Fate.ORPHAN] == [fate for fate, _ in found]


def test_what_billy_did_not_make_is_foreign(goat, memory, now):
    account = Account(url="memory:", secret=goat.company.processor_key)
    order = Order(
        account=account,
        kind=Kind.DEBIT,
        key="x",
        amount=5,
        currency="USD",
        target_uri=memory.add_card(),
    )
    memory.submit(order)
    entry = next(iter(memory._ledger.entries.values()))
    entry.receipt = replace(entry.receipt, key=None)

    assert [(Fate.FOREIGN, "")] == fates(goat.company, memory, now=now)


def test_another_amount_is_a_conflict(goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    entry = next(iter(memory._ledger.entries.values()))
    entry.receipt = replace(entry.receipt, amount=99)

    assert [(Fate.CONFLICT, "was asked for as 100 USD")] == fates(goat.company, memory, now=now)


def test_money_that_moved_for_what_is_over_here_is_a_conflict(goat, alice, now):
    memory = Memory(script=[Declined])
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    memory.settle(Transaction.objects.get(attempt=1).processor_uri, Status.SUCCEEDED)

    assert [(Fate.CONFLICT, "its attempt is declined")] == fates(goat.company, memory, now=now)


def test_a_second_payment_under_one_key_is_a_conflict(goat, alice, now):
    memory = Memory(hide_keys=True)
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    memory.submit(memory.orders[0])

    found = fates(goat.company, memory, now=now)

    assert [Fate.CONFLICT, Fate.KNOWN] == [fate for fate, _ in found]
    assert "is a second one beside /debits/" in found[0][1]


def test_two_payments_for_one_key_that_is_still_to_come_are_a_conflict(goat, alice, now, rewind):
    keep, bring_back = rewind
    memory = Memory(hide_keys=True)
    subscribe(goat, alice, now=now)
    keep()
    tick(memory, now=now)
    memory.submit(memory.orders[0])
    bring_back()

    found = fates(goat.company, memory, now=now)

    assert [Fate.CONFLICT] * 2 == [fate for fate, _ in found]


def test_a_parked_attempt_is_left_to_a_person(goat, alice, now):
    memory = Memory(script=[Lost])
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    change("UPDATE billy_invoices_transaction SET state = 'parked'")

    ((fate, why),) = fates(goat.company, memory, now=now)

    assert (Fate.CONFLICT, True) == (fate, "manage.py parked" in why)


def test_a_one_off_that_was_forgotten_is_an_orphan(goat, alice, memory, now, rewind):
    keep, bring_back = rewind
    keep()
    line = Line(description="once", amount=Money(100, "USD"))
    terms = {"instrument": instrument_of(alice), "external_id": "A-1"}
    _, held = invoice(alice, lines=[line], now=now, lease_seconds=60, **terms)
    cycle.run(held, processor=memory, now=now, limits=LIMITS())
    bring_back()

    assert [Fate.ORPHAN] == [fate for fate, _ in fates(goat.company, memory, now=now)]


def test_companies_are_kept_apart(goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)

    assert [] == fates(open_company("Another", now=now), memory, now=now)


def test_a_company_without_a_key_is_named(marketplace, memory, now):
    marketplace.processor_key = ""

    with pytest.raises(Invalid, match="no processor key"):
        fates(marketplace, memory, now=now)


def test_a_retry_that_adopting_brings_forth_is_known_in_the_same_run(goat, bob, now):
    memory = Memory(script=[Pending])
    subscribe(goat, bob, now=now)
    tick(memory, now=now)
    attempt = Transaction.objects.get()
    following = cycle.payments.held([attempt.pk])[0].next_attempt()
    memory.submit(following.order(account_of(goat.company)))
    memory.settle(attempt.processor_uri, Status.FAILED, "R01")

    found = fates(goat.company, memory, now=now)

    assert {(Fate.ADOPTED, "its attempt was pending"), (Fate.REPLAYS, "")} == set(found)
    abandon()
    sweep(memory, now=now)
    tick(memory, now=now + timedelta(days=5))
    assert (100, "settled") == (memory.sum(), AuditFeed.objects.get().state)
