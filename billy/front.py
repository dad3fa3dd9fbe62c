"""The verbs of the front door: they read the clock and the settings, and make one call each."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.conf import settings

import processors
from accounts import open as opening
from accounts.clock import database_now
from accounts.models import FundingInstrument
from core import check
from core.ids import uuid7
from core.invalid import Invalid
from schedulers.models import Scheduler, Usage
from schedulers.subscribe import Subscription
from schedulers.subscribe import subscribe as _subscribe

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import Customer
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
    unknown = set(terms) - set(Subscription.__slots__)
    if unknown:
        raise Invalid(dict.fromkeys(sorted(unknown), "is not a term of a subscription"))
    if isinstance(funding_instrument, str):
        funding_instrument = opening.instrument(
            funding_instrument,
            customer=customer,
            processor=processors.load(settings.BILLY_PROCESSOR),
            now=now,
        )
    wanted = Subscription(plan=plan, customer=customer, instrument=funding_instrument, **terms)
    return _subscribe(wanted, now=now)


def record_usage(
    *,
    scheduler: Scheduler,
    metric: str,
    quantity: int | str | Decimal,
    at: datetime,
    external_id: str,
    now: datetime | None = None,
) -> Usage:
    """Report metered usage; the same `external_id` again changes nothing. Raises Invalid."""
    try:
        exact = Decimal(quantity)
    except (InvalidOperation, TypeError, ValueError):
        raise Invalid(quantity="must be a number, as text or whole") from None
    if isinstance(quantity, float) or not exact.is_finite() or not 0 <= exact < 10**14:
        raise Invalid(quantity="must be a whole number, a Decimal or text, from 0 to 10^14")
    check.text("metric", metric, limit=80)
    check.text("external_id", external_id, limit=128)
    if at.tzinfo is None:
        raise Invalid(at="must have a time zone")
    now = now or database_now()
    usage, _ = Usage.objects.get_or_create(
        scheduler=scheduler,
        external_id=external_id,
        defaults={
            "id": uuid7(now=now),
            "company_id": scheduler.company_id,
            "metric": metric,
            "quantity": exact,
            "at": at,
            "created_at": now,
        },
    )
    return usage
