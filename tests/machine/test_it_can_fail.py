"""The machine finds what is broken: each of these is a wrong engine, processor or model.

They are swapped at the edge: the engine's doors, the processor and the model are arguments.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.models import Company
from accounts.open import account_of
from conftest import change
from core.invalid import Invalid
from invoices import payments
from invoices.models import Transaction
from processors.base import ProcessorError
from schedulers import cycle
from tasks.outcome import Outcome, Verdict
from tests.machine.moody import Moody
from tests.machine.promise import Promise
from tests.machine.world import Engine
from webhooks import receive

pytestmark = [pytest.mark.machine]

CARD = {
    "company": 0,
    "timer": ("monthly", 1),
    "zone": "UTC",
    "who": "card",
    "starts": "now",
    "trial_days": 0,
    "catch_up": "each",
    "ends_after": 2,
    "end_of_dunning": "pause",
    "share": 0,
    "has_own_task": False,
    "without_instrument": "pause",
}
TICKS: tuple[str, dict[str, object]] = ("a_worker_ticks", {})
SWEEPS = ("a_worker_sweeps", {"leases_end": True})
DIES_AFTER_THE_CALL = (
    "a_worker_breaks",
    {"where": ("call", 1, True), "how": "dies"},
)
NONSENSE = ("the_processor_is", {"mood": "talking nonsense"})
A_MONTH = ("time_passes", {"jump": "a month", "works": True})
PAUSES = ("a_person_decides", {"which": 0, "what": "pause"})


class Forgetful(Moody):
    """Says that it keeps keys, and forgets each at once."""

    def _submit(self, order):
        self._ledger._by_key.clear()
        return super()._submit(order)

    def _find(self, order):
        self._ledger._by_key.clear()
        return super()._find(order)


class TooFew(Promise):
    """A model that expects one occurrence fewer than was agreed."""

    def _run(self, now):
        if self.ends_after is None or self.counter - self.first < self.ends_after - 1:
            super()._run(now)
        else:
            self.state = "ended"


class TooLate(Promise):
    """A model whose periods are all a day late, but the first."""

    def at(self, occurrence):
        return super().at(occurrence) + timedelta(days=1 if occurrence else 0)


def ticks_with_a_second_try(*, processor, now, limits):
    """Tick; what is unknown then is sent again, blindly and under a new key."""
    report = cycle.tick(processor=processor, now=now, limits=limits)
    for attempt in unknown():
        order = attempt.order(account_of(Company.objects.get(pk=attempt.company_id)))
        with suppress(ProcessorError):
            processor.submit(replace(order, key=f"{order.key}-again"))
    return report


def sweeps_by_guessing(*, processor, now, limits):
    """Sweep; what is unknown is taken for declined, and nobody is asked."""
    guesses = [
        (each, Outcome(transaction_id=each.transaction_id, verdict=Verdict.DECLINED))
        for each in unknown()
    ]
    cycle.settle(guesses, now=now, limits=limits)


def unknown():
    ids = Transaction.objects.filter(state="unknown").values_list("pk", flat=True)
    return payments.held(list(ids))


def sweeps_nothing(*, processor, now, limits):
    """A sweeper that sleeps."""


def ticks_the_paused_too(*, processor, now, limits):
    """Tick, having woken what a person had paused."""
    change("UPDATE billy_schedulers_scheduler SET state = 'active' WHERE state = 'paused'")
    return cycle.tick(processor=processor, now=now, limits=limits)


def ticks_and_loses_a_cent(*, processor, now, limits):
    """Tick, and take a cent off an invoice behind the events' back."""
    report = cycle.tick(processor=processor, now=now, limits=limits)
    change("UPDATE billy_invoices_auditfeed SET live = live - 1 WHERE live > 1")
    return report


def receives_from_anybody(*, company_guid, key, **more):
    """Take every callback for a true one: the secret is looked up, not asked for."""
    del key
    company = next(each for each in Company.objects.all() if each.guid == company_guid)
    with suppress(Invalid):
        return receive.receive(company, **more)
    return "ok"


def becomes_another_installation():
    """Give a restored backup a new name: its keys are no longer those that were sent."""
    change("UPDATE billy_accounts_installation SET instance_id = %s", [str(uuid.uuid4())])


# Each is what is swapped, a history that must show it, and what is said of it.
WRONG = {
    "a key that is not kept": (
        {"processor": Forgetful},
        [DIES_AFTER_THE_CALL, SWEEPS],
        "has 2 objects",
    ),
    "an occurrence too few": (
        {"engine": Engine(promise=TooFew)},
        [TICKS, A_MONTH],
        "the counter must be 1 and is 2",
    ),
    "periods that begin later": (
        {"engine": Engine(promise=TooLate)},
        [TICKS, A_MONTH],
        "what was opened must be",
    ),
    "a second try under a new key": (
        {"engine": Engine(tick=ticks_with_a_second_try)},
        [NONSENSE, TICKS],
        "nobody here knows of debit",
    ),
    "a time-out that counts as declined": (
        {"engine": Engine(sweep=sweeps_by_guessing)},
        [NONSENSE, TICKS, SWEEPS],
        "is succeeded there and declined here",
    ),
    "a sweeper that sleeps": (
        {"engine": Engine(sweep=sweeps_nothing)},
        [NONSENSE, TICKS],
        "is succeeded there and unknown here",
    ),
    "a pause that does not hold": (
        {"engine": Engine(tick=ticks_the_paused_too)},
        [TICKS, PAUSES, TICKS],
        "the state must be paused and is active",
    ),
    "a sum that was changed": (
        {"engine": Engine(tick=ticks_and_loses_a_cent)},
        [("the_processor_is", {"mood": "pending"}), TICKS],
        "an invoice's sums are those of its attempts",
    ),
    "a callback without its secret": (
        {"engine": Engine(receive=receives_from_anybody)},
        [TICKS, ("a_callback_comes", {"which": 0, "event": 0, "how": "forged"})],
        "was taken for a true one",
    ),
    "keys that a restore changes": (
        {"engine": Engine(restored=becomes_another_installation)},
        [("a_backup_is_made", {}), TICKS, ("the_backup_is_restored", {}), TICKS],
        "was paid 2 times",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_broken_is_found(machine, wrong):
    swapped, steps, words = WRONG[wrong]

    with pytest.raises(AssertionError, match=words):
        happens(machine(**swapped), steps)


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_sound_keeps_quiet_in_the_same_history(machine, wrong):
    _, steps, _ = WRONG[wrong]

    happens(machine(), steps)


def test_random_histories_find_what_is_broken(tell):
    engine = Engine(tick=ticks_with_a_second_try)

    with pytest.raises(AssertionError, match=r"nobody here knows of|was paid 2 times"):
        tell(7, histories=30, engine=engine, shrinks=False)


def happens(histories, steps):
    """Tell one history in this order, up to its end."""
    history = histories()
    try:
        history.signs_up(CARD)
        for name, terms in steps:
            getattr(history, name)(**terms)
    finally:
        history.teardown()
