"""A one-off invoice: no scheduler, on the customer's own trail."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from audit.record import heads
from core import check
from core.invalid import Invalid
from core.periods import Period
from invoices import opening, payments
from invoices.naming import feed_id
from tasks.pricing import LINE_LIMIT, Line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from accounts.models import Customer, FundingInstrument
    from invoices.attempts import Held

DAY = timedelta(days=1)  # A one-off has no period of its own; the day it was made stands for one.


def invoice(  # noqa: PLR0913  # What an invoice is made of.
    customer: Customer,
    *,
    lines: Sequence[Line],
    instrument: FundingInstrument | None = None,
    external_id: str | None = None,
    statement_text: str = "",
    now: datetime,
    lease_seconds: float,
) -> tuple[UUID, list[Held]]:
    """Open an invoice; returns its id, and the attempt to send where it has an instrument.

    A total of zero is settled at once, and without an instrument it waits. Its id and key are
    derived from `external_id`: without one, a rewound database cannot make them again. Raises
    Invalid.
    """
    company = customer.company
    _check_lines(lines, currency=company.currency)
    _check_instrument(instrument, customer=customer)
    check.statement_text("statement_text", statement_text)
    if external_id is not None:
        check.text("external_id", external_id, limit=128, is_required=True)
    name = f"one-off/{external_id}" if external_id else f"one-off/{uuid.uuid4().hex}"
    at = customer.created_at if external_id else now
    new = opening.NewFeed(
        id=feed_id(trail=customer.pk, due_at=at, occurrence=name),
        company_id=company.pk,
        trail_id=customer.pk,
        customer_id=customer.pk,
        plan_id=None,
        occurrence=None,
        kind="one_off",
        direction="debit",
        period=Period(now, now + DAY),
        currency=company.currency,
        lines=tuple(lines),
        terms={
            "description": lines[0].description,
            "time_zone": customer.time_zone or company.time_zone,
        },
        due_at=now,
        external_id=external_id,
        instrument_id=instrument.pk if instrument else None,
        instrument_kind=instrument.kind if instrument else "",
        instrument_uri=instrument.uri if instrument else "",
        statement_text=statement_text,
        processor_account=company.processor_account,
    )
    try:
        with transaction.atomic(durable=True):
            held = opening.write(
                [new],
                heads=heads([customer.pk]),
                now=now,
                lease_token=payments.token(),
                lease_seconds=lease_seconds,
                listeners=[company.pk] if company.listens else [],
            )
    except IntegrityError:
        raise Invalid(external_id="is the name of another invoice of this customer") from None
    return new.id, held


def _check_lines(lines: Sequence[Line], *, currency: str) -> None:
    if not 1 <= len(lines) <= LINE_LIMIT:
        raise Invalid(lines=f"must be from 1 to {LINE_LIMIT}")
    if any(line.amount.currency != currency for line in lines):
        raise Invalid(currency=f"must be the company's, {currency}")
    if sum(line.amount.amount for line in lines) < 0:
        raise Invalid(amount="the lines must not add up to less than nothing")


def _check_instrument(instrument: FundingInstrument | None, *, customer: Customer) -> None:
    if instrument is None:
        return
    if instrument.customer_id != customer.pk or instrument.state != "active":
        raise Invalid(funding_instrument="must be a usable instrument of this customer")
    if not instrument.can_debit:
        raise Invalid(funding_instrument="cannot be charged")
