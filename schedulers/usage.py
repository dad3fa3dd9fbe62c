"""Metered usage, as an app reports it: kept once, with its event, to be billed when it is due."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from audit.chain import Fact
from audit.record import heads
from audit.record import record as tell
from core import check
from core.ids import uuid7
from core.invalid import Invalid
from schedulers.models import Scheduler, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """How much of a metric was used, and when. `external_id` is the report's own name.

    `quantity` is whole, a Decimal or plain text of digits, from 0 to below 10^14, with at most six
    decimals: more would have to be rounded, and usage is billed as it was reported.
    """

    metric: str
    quantity: int | str | Decimal
    at: datetime
    external_id: str


def record(scheduler: Scheduler, used: Used, *, now: datetime, actor: str = "billy") -> Usage:
    """Keep a report of usage; the same `external_id` again changes nothing. Raises Invalid."""
    exact = _quantity(used.quantity)
    check.text("metric", used.metric, limit=80, is_required=True)
    check.text("external_id", used.external_id, limit=128, is_required=True)
    if not isinstance(used.at, datetime) or used.at.tzinfo is None:
        raise Invalid(at="must be an instant with a time zone")
    with transaction.atomic():
        locked = heads([scheduler.pk])
        usage, is_new = Usage.objects.get_or_create(
            scheduler=scheduler,
            external_id=used.external_id,
            defaults={
                "id": uuid7(now=now),
                "company_id": scheduler.company_id,
                "metric": used.metric,
                "quantity": exact,
                "at": used.at,
                "created_at": now,
            },
        )
        if is_new:
            listens = [scheduler.company_id] if scheduler.company.listens else []
            fact = replace(_recorded(usage, scheduler), actor=actor)
            tell([fact], heads=locked, now=now, listeners=listens)
    return usage


def _quantity(value: object) -> Decimal:
    is_text = isinstance(value, str) and PLAIN_NUMBER.fullmatch(value) is not None
    if type(value) is int or isinstance(value, Decimal) or is_text:
        exact = Decimal(value)  # type: ignore[arg-type]  # One of the three, as was just seen.
        if exact.is_finite() and 0 <= exact < MOST_USED and exact == round(exact, DECIMALS):
            return exact
    raise Invalid(
        quantity="must be a whole number, a Decimal or digits as text, from 0 to below 10^14, "
        f"with at most {DECIMALS} decimals"
    )


def _recorded(usage: Usage, scheduler: Scheduler) -> Fact:
    return Fact(
        trail_id=scheduler.pk,
        company_id=scheduler.company_id,
        kind="usage.recorded",
        currency=scheduler.currency,
        body={
            "metric": usage.metric,
            "quantity": str(usage.quantity),
            "at": usage.at.isoformat(),
            "external_id": usage.external_id,
        },
        dedupe=f"usage/{usage.pk.hex}",
    )


MOST_USED = 10**14
DECIMALS = 6
# No underscores, blanks, exponents or digits of other scripts, all of which Decimal would take.
PLAIN_NUMBER = re.compile(r"[0-9]{1,14}(\.[0-9]{1,6})?")
