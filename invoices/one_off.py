"""A one-off invoice: no scheduler, on the customer's own trail."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from accounts import fence
from audit.record import heads
from core import check
from core.invalid import Invalid, Taken
from core.periods import Period
from invoices import opening, payments
from invoices.models import AuditFeed
from invoices.naming import feed_id
from invoices.opening import NewFeed
from tasks.pricing import LINE_LIMIT, Line, check_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from accounts.models import Customer, FundingInstrument
    from invoices.attempts import Held

DAY = timedelta(days=1)  # A one-off has no period of its own; the day it was made stands for one.


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a one-off may say besides its lines.

    `request` names the asking itself: asked again under it, the first one's invoice is the answer.
    `shown` is kept with the invoice, for whoever shows it.
    """

    instrument: FundingInstrument | None = None
    external_id: str | None = None
    statement_text: str = ""
    request: str = ""
    actor: str = "billy"
    shown: dict[str, Any] = field(default_factory=dict)


def invoice(
    customer: Customer,
    *,
    lines: Sequence[Line],
    now: datetime,
    lease_seconds: float,
    **terms: Any,
) -> tuple[UUID, list[Held]]:
    """Open an invoice; returns its id, and the attempt to send where it has an instrument.

    `terms` are the fields of Terms. A total of zero is settled at once, and without an instrument
    it waits. Its id and key are derived from `external_id`, else from `request`: without either, a
    rewound database cannot make them again. Raises Invalid, and Taken for the name of another.
    """
    fence.check_open()
    company, said = customer.company, Terms(**terms)
    _check_lines(lines, currency=company.currency)
    company.check_amount(sum(line.amount.amount for line in lines), direction="debit")
    _check_instrument(said.instrument, customer=customer)
    check.statement_text("statement_text", said.statement_text)
    if said.external_id is not None:
        check.text("external_id", said.external_id, limit=128, is_required=True)
    new = _feed(customer, lines, said, now=now)
    try:
        with transaction.atomic(durable=True):
            held = opening.write(
                [new],
                heads=heads([customer.pk]),
                now=now,
                lease=payments.Lease(token=payments.token(), seconds=lease_seconds),
                listeners=[company.pk] if company.listens else [],
            )
    except IntegrityError:
        there = AuditFeed.objects.filter(pk=new.id).first()
        if said.request and there is not None and there.terms.get("request") == said.request:
            return new.id, []  # Its attempt is with the first one, or the sweep finishes it.
        if said.external_id is None:
            raise
        raise Taken(external_id="is the name of another invoice of this customer") from None
    return new.id, held


def _feed(customer: Customer, lines: Sequence[Line], said: Terms, *, now: datetime) -> NewFeed:
    company, instrument = customer.company, said.instrument
    asked = f"request/{said.request}" if said.request else ""
    name = f"one-off/{said.external_id or asked or uuid.uuid4().hex}"
    at = customer.created_at if said.external_id or asked else now
    return NewFeed(
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
            "statement_text": said.statement_text,
            **({"shown": said.shown} if said.shown else {}),
            **({"request": said.request} if said.request else {}),
        },
        due_at=now,
        external_id=said.external_id,
        instrument_id=instrument.pk if instrument else None,
        instrument_kind=instrument.kind if instrument else "",
        instrument_uri=instrument.uri if instrument else "",
        statement_text=said.statement_text,
        processor_account=company.processor_account,
        actor=said.actor,
    )


def _check_lines(lines: Sequence[Line], *, currency: str) -> None:
    if not 1 <= len(lines) <= LINE_LIMIT:
        raise Invalid(lines=f"must be from 1 to {LINE_LIMIT}")
    if any(line.amount.currency != currency for line in lines):
        raise Invalid(currency=f"must be the company's, {currency}")
    for position, line in enumerate(lines):
        try:
            check_words(line)
        except Invalid as problem:
            told = {f"lines[{position}].{name}": words for name, words in problem.errors.items()}
            raise type(problem)(told) from None
    if sum(line.amount.amount for line in lines) < 0:
        raise Invalid(amount="the lines must not add up to less than nothing")


def _check_instrument(instrument: FundingInstrument | None, *, customer: Customer) -> None:
    if instrument is None:
        return
    if instrument.customer_id != customer.pk or instrument.state != "active":
        raise Invalid(funding_instrument="must be a usable instrument of this customer")
    if not instrument.can_debit:
        raise Invalid(funding_instrument="cannot be charged")
