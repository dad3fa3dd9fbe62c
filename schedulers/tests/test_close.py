"""What a person closes: the invoice and the scheduler go on as if the processor had said it."""

from datetime import timedelta
from io import StringIO
from json import loads

import pytest
from django.core.management import CommandError, call_command

import processors
from audit.models import AuditEvent
from audit.verify import broken
from conftest import LIMITS, instrument_of, open_feed, subscribe, tick
from core.invalid import Invalid
from invoices.collect import collect
from invoices.collect import waive as forgive
from invoices.models import AuditFeed, Transaction
from invoices.refund import give_back
from processors.base import Kind
from processors.memory import Conflict, Declined, Lost, Memory
from schedulers import cycle, limits
from schedulers.close import close, waive
from schedulers.models import Scheduler
from schedulers.rules import cancel

pytestmark = pytest.mark.django_db

URI = "/debits/WD00000000000000000099"
SAYS = {"reason": "asked them", "actor": "ada"}


@pytest.fixture
def parked(goat, alice, now):
    """An attempt whose answer was a conflict: nobody knows what became of it."""
    subscribe(goat, alice, now=now)
    tick(Memory(script=[Conflict]), now=now)
    return Transaction.objects.get(state="parked")


def closed(attempt, word, *, now, **said):
    return close(attempt, word=word, limits=LIMITS(), now=now, **(SAYS | said))


def states(attempt):
    """Return how the attempt, its invoice and its scheduler stand."""
    attempt.refresh_from_db()
    scheduler = Scheduler.objects.get(pk=attempt.feed.trail_id)
    return attempt.state, AuditFeed.objects.get(pk=attempt.feed_id).state, scheduler.state


def told(attempt):
    events = AuditEvent.objects.filter(trail=attempt.feed.trail_id).order_by("seq")
    return [(event.kind, event.actor) for event in events][-3:]


def test_one_that_succeeded_settles_its_invoice(parked, now):
    assert "succeeded" == closed(parked, "succeeded", uri=URI, now=now)

    assert ("succeeded", "settled", "active") == states(parked)
    assert URI == parked.processor_uri
    assert [("debit.closed", "ada"), ("debit.succeeded", "billy")] == told(parked)[-2:]
    event = AuditEvent.objects.get(kind="debit.closed")
    body = {"as": "succeeded", "reason": "asked them", "attempt": 1, "amount": 100, "uri": URI}
    assert body == event.body
    assert [] == list(broken())


def test_one_that_was_declined_is_tried_again_by_the_plan(parked, memory, now):
    assert "declined" == closed(parked, "declined", now=now)

    assert ("declined", "open", "past_due") == states(parked)
    tick(memory, now=now + timedelta(days=2))
    assert ("declined", "settled", "active") == states(parked)


def test_one_that_is_called_off_gives_its_invoice_up(parked, memory, now):
    assert "voided" == closed(parked, "voided", now=now)

    assert ("voided", "uncollected", "active") == states(parked)
    assert 0 == AuditFeed.objects.get(pk=parked.feed_id).live
    kinds = ["debit.closed", "debit.voided", "invoice.uncollected"]
    assert [(kind, "ada") for kind in kinds] == told(parked)
    assert not tick(memory, now=now + timedelta(days=2)).worked
    held = collect(parked.feed, instrument=parked.instrument, now=now, lease_seconds=60)
    cycle.run(held, processor=memory, now=now, limits=LIMITS())
    assert "settled" == AuditFeed.objects.get(pk=parked.feed_id).state


def test_calling_off_the_last_debt_of_one_past_due_lets_it_go_on(goat, alice, now):
    subscribe(goat, alice, now=now)
    memory = Memory(script=[Declined, Conflict])
    for days in (0, 2):
        tick(memory, now=now + timedelta(days=days))
    attempt = Transaction.objects.get(state="parked")
    assert "past_due" == states(attempt)[2]

    closed(attempt, "voided", now=now)

    assert ("voided", "uncollected", "active") == states(attempt)
    assert ("scheduler.resumed", "ada") == told(attempt)[-1]


def test_one_of_a_canceled_scheduler_is_not_tried_again(parked, now):
    cancel(Scheduler.objects.get(), now=now, at="now")

    closed(parked, "declined", now=now)

    assert ("declined", "uncollected", "canceled") == states(parked)


def test_a_refund_that_is_called_off_leaves_the_invoice_as_it_is(goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    feed = AuditFeed.objects.get()
    memory.script.append(Conflict)
    held = give_back(feed, now=now, lease_seconds=60)
    cycle.run([held], processor=memory, now=now, limits=LIMITS())
    attempt = Transaction.objects.get(kind="refund")

    closed(attempt, "voided", now=now)

    assert ("voided", "settled", "active") == states(attempt)
    assert 0 == AuditFeed.objects.get().refunded


@pytest.mark.parametrize(
    ("word", "said", "field"),
    [
        ("succeeded", {}, "uri: must be the address"),
        ("rejected", {}, "as: must be one of"),
        ("declined", {"reason": ""}, "reason: "),
        ("declined", {"reason": "card 4111111111111111"}, "reason: "),
    ],
)
def test_what_is_not_said_well_is_refused_by_name(parked, word, said, field, now):
    with pytest.raises(Invalid, match=field):
        closed(parked, word, now=now, **said)

    assert ("parked", "open", "active") == states(parked)


def test_only_what_is_parked_is_closed_and_only_once(goat, alice, parked, now):
    closed(parked, "declined", now=now)

    with pytest.raises(Invalid, match="is declined; only a parked one"):
        closed(parked, "succeeded", uri=URI, now=now)


# --- Forgiving --------------------------------------------------------------------------------


def test_forgiving_the_last_debt_lets_a_scheduler_go_on(goat, alice, now):
    subscribe(goat, alice, now=now)
    tick(Memory(script=[Declined]), now=now)
    attempt = Transaction.objects.get(attempt=1)

    waive(attempt.feed, now=now, reason="our fault", actor="ada")

    assert ("declined", "waived", "active") == states(attempt)
    assert ("scheduler.resumed", "ada") == told(attempt)[-1]
    assert [] == list(broken())


def test_forgiving_one_of_two_debts_does_not(goat, alice, now):
    subscribe(goat, alice, now=now, catch_up="each", retry_policy={"days": [60, 90]})
    memory = Memory(script=[Declined, Declined])
    for days in (0, 32):
        tick(memory, now=now + timedelta(days=days))
    attempt = Transaction.objects.filter(attempt=1).order_by("created_at").first()

    waive(attempt.feed, now=now, reason="our fault")

    assert ("declined", "waived", "past_due") == states(attempt)


def test_forgiving_what_is_settled_changes_nothing(goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    attempt = Transaction.objects.get()

    for verb in (waive, forgive):
        with pytest.raises(Invalid, match="only what is owed"):
            verb(attempt.feed, now=now, reason="no")

    assert ("succeeded", "settled", "active") == states(attempt)


# --- The command ------------------------------------------------------------------------------


@pytest.fixture
def twin(settings):
    settings.BILLY_PROCESSOR = "memory"
    processors.load.cache_clear()
    yield limits.processor()
    processors.load.cache_clear()


def command(*arguments):
    out = StringIO()
    call_command("parked", *arguments, stdout=out)
    return out.getvalue()


def test_what_waits_is_listed_with_its_reason_and_its_age(parked, twin, goat, alice, now):
    Scheduler.objects.update(state="parked", reason="the task raised")

    text, found = command(), loads(command("--json"))

    assert "1 attempts and 1 schedulers wait" in text
    assert parked.guid in text
    assert "the task raised" in text
    ((attempt,), (scheduler,)) = found["attempts"], found["schedulers"]
    assert (parked.guid, parked.key, 100) == (
        attempt["transaction"],
        attempt["key"],
        attempt["amount"],
    )
    assert attempt["reason"]
    assert (Scheduler.objects.get().guid, "parked") == (scheduler["scheduler"], scheduler["state"])


def test_one_is_closed_by_command_where_the_processor_agrees(goat, alice, twin, now):
    twin.script += [Lost]
    feed = open_feed(goat, alice, now=now)
    attempt = feed.transaction_set.get()
    (held,) = cycle.payments.held([attempt.pk])
    cycle.run([held], processor=twin, now=now, limits=LIMITS())
    Transaction.objects.update(state="parked")
    (receipt,) = twin.ledger
    line = ("--close", attempt.guid, "--reason", "I saw it")

    with pytest.raises(CommandError, match="that is no voided"):
        command(*line, "--as", "voided")
    with pytest.raises(CommandError, match="could not be asked"):
        command(*line, "--as", "succeeded", "--uri", URI)
    said = command(*line, "--as", "succeeded", "--uri", receipt.uri)

    assert f"{attempt.guid} is succeeded; invoice IN-000001 is settled\n" == said.replace(
        str(AuditFeed.objects.get()), "IN-000001"
    )


def test_another_payments_address_is_refused(goat, alice, bob, twin, now):
    twin.script += [Conflict]
    subscribe(goat, alice, now=now)
    tick(twin, now=now)
    subscribe(goat, bob, now=now)
    tick(twin, now=now)
    attempt = Transaction.objects.get(state="parked")
    (receipt,) = twin.ledger

    with pytest.raises(CommandError, match="carries another key"):
        command("--close", attempt.guid, "--as", "succeeded", "--uri", receipt.uri, "--reason", "x")

    assert receipt.kind is Kind.DEBIT
    assert "parked" == Transaction.objects.get(pk=attempt.pk).state


def test_one_is_closed_unchecked_where_a_person_insists(parked, twin):
    said = command("--close", parked.guid, "--as", "voided", "--reason", "x", "--unchecked")

    assert "is voided" in said


def test_a_scheduler_is_resumed_by_command(goat, alice, twin, now):
    scheduler = subscribe(goat, alice, now=now)
    Scheduler.objects.update(state="parked", reason="the task raised")

    said = command("--resume", scheduler.guid, "--actor", "ada")

    assert f"{scheduler.guid} is active; it runs at 2026-01-01 12:00 UTC\n" == said
    assert instrument_of(alice) == Scheduler.objects.get().instrument


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--close", "TX1"), "--close: must be TX"),
        (("--close", "TX1111111111111111111111"), "--close: there is none"),
        (("--resume", "SU1111111111111111111111"), "--resume: there is none"),
    ],
)
def test_what_is_not_there_is_named(database, arguments, message):
    with pytest.raises(CommandError, match=message):
        command(*arguments)
