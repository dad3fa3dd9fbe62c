"""The people of the story, with their cards and bank accounts, and what each is subscribed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import processors
from accounts import open as opening
from accounts.models import Customer
from billy.demo import offers
from billy.front import subscribe
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accounts.models import Company
    from billy.demo.desk import Desk
    from plans.models import Payout, Plan
    from schedulers.models import Scheduler

STARTS_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
ENDS_AT: Final = datetime(2027, 1, 1, tzinfo=UTC)

NAMES: Final = ("Alice", "Bob", "Carol", "Dave", "Erin", "Frank", "Sam")

# The shop begins with so many shoppers, and one more comes with each month.
SHOPPERS: Final = 18
MONTHS: Final = 12
SELLERS_SHARE: Final = 8_500  # Basis points.
SELLERS_WAIT_DAYS: Final = 7
CALLS_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What the shop offers."""

    silver: Plan
    gold: Plan
    cheese: Plan
    storage: Plan
    payroll: Payout

    @classmethod
    def make(cls) -> Offers:
        """Make them, by the code that is shown."""
        return cls(
            silver=offers.silver(),
            gold=offers.gold(),
            cheese=offers.cheese(),
            storage=offers.storage(),
            payroll=offers.payroll(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who is told of, by name, and the two schedulers and the card that the story returns to."""

    people: Mapping[str, Customer]
    silver: Scheduler
    storage: Scheduler
    daves_card: str


def gather(desk: Desk, company: Company, made: Offers, *, now: datetime) -> Cast:
    """Enter cards and accounts at Balanced, make the customers, and subscribe each of them."""
    people = {name: Customer.create(name=name, company=company, now=now) for name in NAMES}
    uris = {
        "Bob": desk.bank_account(name="Bob", number="8800000011", verified=True),
        "Carol": desk.bank_account(name="Carol", number="8800000022"),
        "Sam": desk.bank_account(name="Sam", number="8800000033"),
    }
    uris |= {name: desk.card(name=name) for name in NAMES if name not in uris}
    known = {
        name: opening.instrument(
            uris[name], customer=people[name], processor=processors.load("balanced"), now=now
        )
        for name in NAMES
    }

    def put(name: str, plan: Plan, **terms: Any) -> Scheduler:
        return subscribe(
            plan=plan, customer=people[name], funding_instrument=known[name], now=now, **terms
        )

    put("Bob", made.gold, started_at=date(2026, 1, 5))
    put("Carol", made.payroll, started_at=date(2026, 1, 2))  # A Friday, as all its followers.
    put("Dave", made.gold, started_at=date(2026, 1, 1))
    sellers_share = {
        "role": "seller",
        "customer": people["Sam"],
        "instrument": known["Sam"],
        "share": SELLERS_SHARE,
        "after_days": SELLERS_WAIT_DAYS,
    }
    put("Frank", made.cheese, started_at=date(2026, 1, 10), follow_ups=[sellers_share])
    _subscribe_shoppers(desk, company, made.gold, now=now)
    return Cast(
        people=people,
        silver=put("Alice", made.silver),
        storage=put("Erin", made.storage, started_at=date(2026, 1, 31)),
        daves_card=uris["Dave"],
    )


def _subscribe_shoppers(desk: Desk, company: Company, gold: Plan, *, now: datetime) -> None:
    """Subscribe a good many from the first day on, and one more with each month that follows."""
    starts = [date(2026, 1, 1)] * SHOPPERS
    starts += [date(2026, month, 1) for month in range(2, MONTHS + 1)]
    people = [
        Customer.create(name=f"Shopper {number}", company=company, now=now)
        for number in range(1, len(starts) + 1)
    ]
    cards = opening.instruments(
        [(each, desk.card(name=each.name)) for each in people],
        processor=processors.load("balanced"),
        now=now,
        calls_at_once=CALLS_AT_ONCE,
    )
    for customer, card, starts_on in zip(people, cards, starts, strict=True):
        if isinstance(card, Invalid):
            raise card
        subscribe(
            plan=gold, customer=customer, funding_instrument=card, started_at=starts_on, now=now
        )
