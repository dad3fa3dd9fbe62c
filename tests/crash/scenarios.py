"""The scenarios: each a cast, and the steps that processes and people take.

`ends_well` says of an end that differs from that of the undisturbed run that it is right as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from accounts.clock import database_now
from core.money import Money
from processors.base import Status
from processors.memory import Declined, Pending
from schedulers import usage
from tasks.kinds import DebitTask, task
from tests.crash import steps
from tests.crash.steps import DAY, MONTH, asks, meanwhile, outside, sweeps, the_bank_says, ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.crash.stage import Step

POISON = "the database refuses this one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens, in words. One that is not `thorough` is crashed at one side of each boundary.

    Which side, the seed says: another run takes others.
    """

    name: str
    cast: Callable[..., object]
    steps: tuple[Step, ...]
    edge: str = "memory"
    ends_well: Callable[..., bool] | None = None
    thorough: bool = True

    def __str__(self):
        """Return a name that a command line can hold."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower())


@task("crash-storage")
class Storage(DebitTask):
    """Charge two cents for each gigabyte, and a dollar for the month."""

    def price(self, context):
        gigabytes = context.usage("storage_gb")
        return [
            context.line("Storage", unit_amount=Money(100, "USD")),
            context.line("Traffic", quantity=gigabytes, unit_amount=Money(2, "USD")),
        ]


# -- casts --------------------------------------------------------------------------------------


def by_card(run, **terms):
    return run.subscribes(**terms)


def by_bank_account(run, **terms):
    return run.subscribes("bank account", **terms)


def playing(cast, **terms):
    """Return a cast with these terms."""
    return lambda run: cast(run, **terms)


def declined(run):
    run.subscribes(answers=[Declined()])


def pending(run):
    by_bank_account(run, answers=[Pending()])


def paid_out(run):
    by_bank_account(run, offer=run.stage.offer(amount=90, payout=True))


def two_paid_out_and_a_day_with_room_for_one(run):
    steps.gets_a_cap(run, 100)
    payout = run.stage.offer(amount=90, payout=True)
    for late in range(2):  # The order says which of them waits.
        run.subscribes("bank account", offer=payout, started_at=run.now + timedelta(seconds=late))
    run.now += timedelta(minutes=1)


def on_a_plan_of_its_own(run):
    plan = run.stage.new_offer(amount=100, description="the goat")
    run.subscribes(offer=plan, ends_after=2)


def three_months_late(run):
    run.subscribes(started_at=run.now - 61 * DAY, ends_after=3)


def held_for_two_months(run):
    run.subscribes(started_at=run.now - 36 * DAY, ends_after=2, catch_up="hold")


def five_with_one_poisoned(run):
    run.subscribes(offer=run.stage.offer(description=POISON))
    for late in range(4):  # Each a little later, so that a batch has always the same order.
        run.subscribes(started_at=run.now + timedelta(seconds=late + 1))
    run.now += timedelta(minutes=1)


def with_a_seller(run):
    seller, account = run.joins("bank account")
    rule = {"role": "seller", "customer": seller.guid, "instrument": account.guid}
    run.subscribes(follow_ups=[rule | {"share": 8500, "after_days": 0}])


def without_a_scheduler(run):
    run.joins()


def metered(run):
    scheduler = run.subscribes(
        offer=run.stage.offer(amount=None, task="crash-storage"), ends_after=2
    )
    used = usage.Used(metric="storage_gb", quantity=30, at=run.now + DAY, external_id="one")
    usage.record(scheduler, used, now=run.now)


def due_by_the_real_clock(run):
    run.now = database_now()
    run.subscribes(started_at=run.now - timedelta(hours=1))


# -- ends ---------------------------------------------------------------------------------------


def a_person_looks(books):
    """Say whether the one attempt is parked: nobody may send a second without a key."""
    return [each.state for each in books.attempts] == ["parked"]


SCENARIOS = (
    Scenario(name="success", cast=by_card, steps=(*ticks(),)),
    Scenario(
        name="decline, retry, success",
        cast=declined,
        steps=(*ticks(), *ticks(after=2 * DAY)),
    ),
    Scenario(
        name="pending, then success",
        cast=pending,
        steps=(*ticks(), the_bank_says(Status.SUCCEEDED), *sweeps()),
    ),
    Scenario(
        name="pending, then return",
        cast=pending,
        steps=(
            *ticks(),
            the_bank_says(Status.SUCCEEDED),
            *sweeps(),
            the_bank_says(Status.FAILED, "R01"),
            *asks(steps.is_called_back, after=DAY),
        ),
    ),
    Scenario(name="payout", cast=paid_out, steps=(*ticks(),)),
    Scenario(
        name="a payout above the day's cap",
        cast=two_paid_out_and_a_day_with_room_for_one,
        steps=(*ticks(), *ticks(after=DAY), outside(steps.took_room_once)),
        thorough=False,
    ),
    Scenario(name="refund", cast=by_card, steps=(*ticks(), *asks(steps.gives_back))),
    Scenario(
        name="reversal of a payout",
        cast=paid_out,
        steps=(*ticks(), *asks(steps.gives_back)),
        thorough=False,
    ),
    Scenario(
        name="cancel during the call",
        cast=playing(by_card, ends_after=2),
        steps=(meanwhile(steps.cancels), *ticks(), *ticks(after=MONTH)),
    ),
    Scenario(
        name="price raised during the call",
        cast=on_a_plan_of_its_own,
        steps=(meanwhile(steps.raises_the_price), *ticks(), *ticks(after=MONTH)),
    ),
    Scenario(
        name="card replaced during the call",
        cast=playing(by_card, ends_after=2),
        steps=(
            outside(steps.gets_another_card),
            meanwhile(steps.replaces_the_instrument),
            *ticks(),
            *ticks(after=MONTH),
        ),
        thorough=False,
    ),
    Scenario(
        name="catch-up of three",
        cast=three_months_late,
        steps=(*ticks(), *ticks(), *ticks()),
    ),
    Scenario(
        name="two drafts, issued",
        cast=held_for_two_months,
        steps=(*ticks(), *asks(steps.issues_the_drafts)),
        thorough=False,
    ),
    Scenario(
        name="a batch of five, one poisoned",
        cast=five_with_one_poisoned,
        steps=(*ticks(),),
    ),
    Scenario(
        name="a follow-up payout",
        cast=with_a_seller,
        steps=(*ticks(), *ticks()),
        thorough=False,
    ),
    Scenario(
        name="a one-off invoice",
        cast=without_a_scheduler,
        steps=(*asks(steps.invoices_once),),
        thorough=False,
    ),
    Scenario(
        name="a hard decline, collected with another card",
        cast=playing(by_card, answers=[Declined(hard=True)]),
        steps=(
            *ticks(),
            outside(steps.gets_another_card),
            *asks(steps.collects_with_another_card, after=DAY),
        ),
        thorough=False,
    ),
    Scenario(
        name="a task of one's own",
        cast=metered,
        steps=(*ticks(), *ticks(after=MONTH)),
        thorough=False,
    ),
    Scenario(
        name="a callback before the answer",
        cast=by_card,
        steps=(meanwhile(steps.is_called_back), *ticks()),
        thorough=False,
    ),
    Scenario(
        name="a processor without keys",
        cast=by_card,
        steps=(*ticks(),),
        edge="without keys",
        ends_well=a_person_looks,
        thorough=False,
    ),
    Scenario(name="success over a real wire", cast=by_card, steps=(*ticks(),), edge="sandbox"),
    Scenario(
        name="paused and resumed",
        cast=playing(by_card, ends_after=3),
        steps=(
            *ticks(),
            *asks(steps.pauses),
            *asks(steps.resumes, after=40 * DAY),
            *ticks(after=20 * DAY),
        ),
        thorough=False,
    ),
    Scenario(
        name="the bells of Celery",
        cast=due_by_the_real_clock,
        steps=(*steps.bells(),),
        thorough=False,
    ),
)
