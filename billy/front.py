"""The verbs of the front door: they read the clock and the settings, and make one call each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from accounts import open as opening
from accounts.clock import database_now
from accounts.models import Customer, FundingInstrument
from core.invalid import Invalid
from schedulers import limits, usage
from schedulers.models import Scheduler, Usage
from schedulers.subscribe import Subscription, drafted
from schedulers.subscribe import subscribe as _subscribe
from schedulers.usage import Used

if TYPE_CHECKING:
    from plans.models import Plan


def subscribe(
    *,
    plan: Plan,
    customer: Customer,
    funding_instrument: FundingInstrument | str | None = None,
    now: datetime | None = None,
    **terms: Any,  # The fields of Subscription, each checked there.
) -> Scheduler:
    """Put a customer on a plan or payout and return the scheduler; the next tick opens what is due.

    `funding_instrument` is one that Billy knows, or its uri at the processor (`/cards/CC…`), which
    is checked there and associated with the customer. Terms: amount, params, started_at,
    trial_period, time_zone, ends_after, external_id, catch_up, without_instrument, statement_text,
    retry_policy, follow_ups (see `schedulers.subscribe.Subscription`). Raises Invalid.
    """
    now = now or database_now()
    unknown = set(terms) - TERMS
    if unknown:
        raise Invalid(dict.fromkeys(sorted(unknown), "is not a term of a subscription"))
    if not isinstance(customer, Customer):
        raise Invalid(customer="must be a customer of the plan's company")
    wanted = Subscription(plan=plan, customer=customer, **terms)
    if isinstance(funding_instrument, str):
        # All else is checked before the processor hears of it.
        drafted(wanted, now=now)
        funding_instrument = opening.instrument(
            funding_instrument, customer=customer, processor=limits.processor(), now=now
        )
    return _subscribe(replace(wanted, instrument=funding_instrument), now=now)


def record_usage(
    *,
    scheduler: Scheduler,
    metric: str,
    quantity: int | str | Decimal,
    at: datetime,
    external_id: str,
    now: datetime | None = None,
) -> Usage:
    """Report metered usage; the same `external_id` again changes nothing. Raises Invalid.

    `quantity` is whole, a Decimal or plain text of digits, from 0 to below 10^14, with at most six
    decimals.
    """
    if not isinstance(scheduler, Scheduler):
        raise Invalid(scheduler="must be a subscription, as `subscribe` returns it")
    used = Used(metric=metric, quantity=quantity, at=at, external_id=external_id)
    return usage.record(scheduler, used, now=now or database_now())


TERMS = frozenset(Subscription.__slots__) - {"plan", "customer", "instrument"}
