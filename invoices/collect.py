"""What a person does with an invoice: issue a draft, collect once more, or forgive it.

Each verb locks the trail, then the feed, and leaves an event. Those that move money return the
attempt, leased to the caller, who sends it after the commit.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Max

from accounts import fence
from audit.chain import Fact
from audit.models import AuditEvent
from audit.record import heads, record
from core import check
from core.invalid import Invalid
from invoices import leaving, number, payments
from invoices.attempts import Held
from invoices.models import AuditFeed, Transaction
from invoices.naming import charge_key, transaction_id
from invoices.states import LIVE

REASON_LIMIT = 500  # It stays in the trail for good, so it is short.

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from accounts.models import FundingInstrument


def issue(
    feed: AuditFeed, *, now: datetime, lease_seconds: float, actor: str = "billy"
) -> list[Held]:
    """Open a draft for payment: it gets its number, and an attempt where it has an instrument.

    Raises Invalid where it is no draft, and where the company's limits let nothing leave for it.
    """

    def change(locked: AuditFeed) -> tuple[list[Fact], list[Held]]:
        if locked.state != "draft":
            raise Invalid(invoice=f"is {locked.state}; only a draft can be issued")
        locked.opened_at = now
        locked.state = "open" if locked.total else "settled"
        instrument, held = locked.instrument, []
        if locked.total and instrument is not None and instrument.state == "active":
            held = [_attempt(locked, instrument, step=0, now=now, lease_seconds=lease_seconds)]
        series = number.SERIES[locked.direction]
        taken = number.take({(locked.company_id, series): 1})  # The last lock, as everywhere.
        locked.series, locked.number = series, taken[locked.company_id, series]
        issued = _fact(locked, "invoice.issued", {"number": str(locked)}, actor=actor)
        return [issued, *(_intended(locked, each, actor=actor) for each in held)], held

    return _changed(feed, change, now=now)


def collect(
    feed: AuditFeed,
    *,
    instrument: FundingInstrument,
    now: datetime,
    lease_seconds: float,
    actor: str = "billy",
    request: str = "",
) -> list[Held]:
    """Try once more at once, with this instrument; a planned retry is called off for it.

    The attempt is by hand, so it has no step in the retry plan. `request` names the asking itself:
    asked again under it, nothing more is tried. Raises Invalid where nothing is owed, an attempt is
    under way, or the company's limits let nothing leave for it now.
    """

    def change(locked: AuditFeed) -> tuple[list[Fact], list[Held]]:
        if asked_under(locked, request) is not None:
            return [], []
        if locked.state not in {"open", "uncollected"} or locked.owed < 1:
            raise Invalid(invoice=f"is {locked.state}, so there is nothing to collect")
        _check_usable(instrument, locked)
        facts = _void_planned(locked, actor=actor, now=now)
        locked.state = "open"
        held = _attempt(locked, instrument, step=None, now=now, lease_seconds=lease_seconds)
        return [*facts, _intended(locked, held, actor=actor, request=request)], [held]

    return _changed(feed, change, now=now)


def waive(feed: AuditFeed, *, now: datetime, reason: str, actor: str = "billy") -> None:
    """Forgive a draft or an open invoice for good. Raises Invalid while an attempt is under way.

    That of a scheduler is forgiven by `schedulers.close.waive`, which lets the scheduler go on.
    """
    check.text("reason", reason, limit=REASON_LIMIT)

    def change(locked: AuditFeed) -> tuple[list[Fact], list[Held]]:
        if locked.state not in {"draft", "open"}:
            raise Invalid(invoice=f"is {locked.state}; only what is owed can be forgiven")
        facts = _void_planned(locked, actor=actor, now=now)
        locked.state = "waived"
        return [*facts, _fact(locked, "invoice.waived", {"reason": reason}, actor=actor)], []

    _changed(feed, change, now=now, durable=False)


def void(feed: AuditFeed, *, now: datetime, actor: str = "billy") -> None:
    """Call an invoice off for good that is unpaid. Raises Invalid while an attempt is under way.

    That of a scheduler is called off by `schedulers.close.void`, which lets the scheduler go on.
    """

    def change(locked: AuditFeed) -> tuple[list[Fact], list[Held]]:
        if locked.state not in {"draft", "open", "uncollected"}:
            raise Invalid(invoice=f"is {locked.state}; only what is unpaid can be called off")
        facts = _void_planned(locked, actor=actor, now=now)
        locked.state = "voided"
        return [*facts, _fact(locked, "invoice.voided", {}, actor=actor)], []

    _changed(feed, change, now=now, durable=False)


def assign(
    feed: AuditFeed, instrument: FundingInstrument, *, now: datetime, actor: str = "billy"
) -> None:
    """Name another instrument on an invoice that asks for nothing. Raises Invalid."""

    def change(locked: AuditFeed) -> tuple[list[Fact], list[Held]]:
        if locked.total:
            raise Invalid(invoice="has an amount, so it is collected with an instrument")
        _check_usable(instrument, locked)
        if locked.instrument_id == instrument.pk:
            return [], []
        locked.instrument = instrument
        place = AuditEvent.objects.filter(feed_id=locked.pk, kind="invoice.changed").count()
        name = f"invoice.changed/{locked.pk.hex}/{place}"
        body = {"instrument": instrument.guid}
        return [_fact(locked, "invoice.changed", body, actor=actor, name=name)], []

    _changed(feed, change, now=now, durable=False)


def asked_under(feed: AuditFeed, request: str) -> UUID | None:
    """Return the attempt that was asked for under this name, or None; lock the trail first."""
    if not request:
        return None
    of_feed = AuditEvent.objects.filter(feed_id=feed.pk, kind__endswith=".intended")
    found = of_feed.filter(body__request=request).first()
    return None if found is None else found.transaction_id


def _check_usable(instrument: FundingInstrument, feed: AuditFeed) -> None:
    usable = instrument.can_credit if feed.direction == "credit" else instrument.can_debit
    if instrument.customer_id != feed.customer_id or instrument.state != "active" or not usable:
        raise Invalid(funding_instrument="must be a usable instrument of this customer")


def _changed(
    feed: AuditFeed,
    change: Callable[[AuditFeed], tuple[list[Fact], list[Held]]],
    *,
    now: datetime,
    durable: bool = True,  # What leads to a call must be committed; what does not may be a part.
) -> list[Held]:
    with transaction.atomic(durable=durable):
        chain = heads([feed.trail_id])
        locked = AuditFeed.objects.select_for_update(of=("self",), no_key=True).get(pk=feed.pk)
        facts, held = change(locked)
        listens = [locked.company_id] if locked.company.listens else []
        record(facts, heads=chain, now=now, listeners=listens)
        locked.save(update_fields=["state", "live", "series", "number", "opened_at", "instrument"])
    return held


def _attempt(
    feed: AuditFeed,
    instrument: FundingInstrument,
    *,
    step: int | None,
    now: datetime,
    lease_seconds: float,
) -> Held:
    """Write the feed's next attempt over what is owed, leased to the caller."""
    fence.check_open()
    of_feed = Transaction.objects.filter(feed=feed, kind=feed.direction)
    attempt = (of_feed.aggregate(last=Max("attempt"))["last"] or 0) + 1
    key = charge_key(
        company=feed.company_id,
        trail=feed.trail_id,
        feed=feed.pk,
        occurrence=feed.occurrence,
        attempt=attempt,
    )
    held = Held(
        transaction_id=transaction_id(feed=feed.pk, kind=feed.direction, attempt=attempt),
        company_id=feed.company_id,
        trail_id=feed.trail_id,
        feed_id=feed.pk,
        occurrence=feed.occurrence,
        direction=feed.direction,
        customer_id=feed.customer_id,
        kind=feed.direction,
        attempt=attempt,
        step=step,
        state="intent",
        lease_token=payments.token(),
        amount=feed.owed,
        currency=feed.currency,
        key=key,
        target_uri=instrument.uri,
        statement_text=str(feed.terms.get("statement_text", "")),
        terms=feed.terms,
        instrument_id=instrument.pk,
        instrument_kind=instrument.kind,
        opened_at=feed.opened_at or now,
        processor_account=feed.company.processor_account,
        fresh=True,
    )
    _check_may_leave(feed, held, now=now)
    payments.intend([held.wanted(due_at=now)], lease_seconds=lease_seconds, now=now)
    feed.live += held.amount
    feed.instrument = instrument
    return held


def _check_may_leave(feed: AuditFeed, held: Held, *, now: datetime) -> None:
    """Raise Invalid for what may not leave now: a person asks again, and nothing is queued.

    The room that was taken for it on a later day is given back with the transaction.
    """
    feed.company.check_amount(held.amount, direction=feed.direction, field="invoice")
    wait = leaving.reserve([held], now=now).get(held.transaction_id)
    if wait is not None:
        until = wait.until.astimezone(UTC).isoformat()
        raise Invalid({wait.field: f"may not be paid out before {until}: {wait.reason}"})


def _void_planned(feed: AuditFeed, *, actor: str, now: datetime) -> list[Fact]:
    """Call off a planned attempt; raises Invalid where one may be on its way."""
    live = Transaction.objects.select_for_update(of=("self",), no_key=True).filter(
        feed=feed, kind=feed.direction, state__in=LIVE
    )
    facts = []
    for planned in live:
        if planned.state != "queued":
            raise Invalid(invoice="has a payment under way; wait for its result")
        planned.state, planned.updated_at = "voided", now
        planned.save(update_fields=["state", "updated_at"])
        feed.live -= planned.amount
        kind = f"{planned.kind}.voided"
        place = feed.pk.hex if feed.occurrence is None else feed.occurrence
        name = f"{kind}/{planned.kind}/{place}/{planned.attempt}"
        body = {"amount": planned.amount, "attempt": planned.attempt}
        facts.append(_fact(feed, kind, body, actor=actor, name=name, attempt=planned.pk))
    return facts


def _intended(feed: AuditFeed, held: Held, *, actor: str, request: str = "") -> Fact:
    body: dict[str, Any] = {"amount": held.amount, "attempt": held.attempt}
    if request:
        body["request"] = request
    kind = f"{feed.direction}.intended"
    name = f"{kind}/{held.label}"
    return _fact(feed, kind, body, actor=actor, name=name, attempt=held.transaction_id)


def _fact(  # Of the invoice, or of an attempt to pay it.
    feed: AuditFeed,
    kind: str,
    body: dict[str, Any],
    *,
    actor: str,
    name: str = "",
    attempt: UUID | None = None,
) -> Fact:
    place = feed.pk.hex if feed.occurrence is None else feed.occurrence
    return Fact(
        trail_id=feed.trail_id,
        company_id=feed.company_id,
        kind=kind,
        currency=feed.currency,
        feed_id=feed.pk,
        transaction_id=attempt,
        body=body,
        actor=actor,
        dedupe=name or f"{kind}/{place}",
    )
