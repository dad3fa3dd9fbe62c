"""Give back: the refund of a settled debit, the reversal of a payout.

A fact is never edited: money that moved is answered by money that moves back, as an attempt of
its own, under a key of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Sum

from accounts import fence
from audit.chain import Fact
from audit.record import heads, record
from core import check
from core.ids import PREFIXES, guid
from core.invalid import Invalid
from invoices import payments
from invoices.attempts import Held
from invoices.collect import asked_under
from invoices.models import AuditFeed, Transaction
from invoices.naming import give_back_key, transaction_id

if TYPE_CHECKING:
    from datetime import datetime

GIVES_BACK = {"debit": "refund", "credit": "reversal"}
NOT_GIVEN = ("declined", "rejected", "returned", "voided")  # These attempts gave nothing back.


def give_back(
    feed: AuditFeed,
    *,
    amount: int | None = None,
    now: datetime,
    lease_seconds: float,
    actor: str = "billy",
    request: str = "",
) -> Held:
    """Intend a refund or reversal of a feed; returns the attempt, leased to the caller to send.

    `request` names the asking itself: asked again under it, nothing more is given back, and the
    attempt is the first one's, which is not `fresh` and not the caller's to send.

    `amount` is whole minor units, by default all that is left. The sum of what was given back and
    what is under way never exceeds what was captured, whoever asks at the same time: the trail is
    locked. Raises Invalid.
    """
    if amount is not None:
        check.whole("amount", amount, minimum=1, maximum=feed.total or 1)
    with transaction.atomic(durable=True):
        fence.check_open()
        chain = heads([feed.trail_id])
        asked_before = asked_under(feed, request)
        if asked_before is not None:
            (there,) = payments.held([asked_before])
            return there
        paid = _paid(feed)
        kind = GIVES_BACK[feed.direction]
        left = paid.amount - _given(paid)
        asked = left if amount is None else amount
        if not 1 <= asked <= left:
            raise Invalid(amount=f"must be from 1 to {left}, which is what can still be given back")
        held = _attempt(feed, paid, kind=kind, amount=asked, now=now)
        payments.intend(
            [held.wanted(due_at=now, reference_to=paid.pk)], lease_seconds=lease_seconds, now=now
        )
        fact = _intended(feed, held, of=paid, actor=actor, request=request)
        listens = [feed.company_id] if feed.company.listens else []
        record([fact], heads=chain, now=now, listeners=listens)
    return held


def _intended(feed: AuditFeed, held: Held, *, of: Transaction, actor: str, request: str) -> Fact:
    body: dict[str, Any] = {"amount": held.amount, "of": guid(PREFIXES["transaction"], of.pk)}
    if request:
        body["request"] = request
    return Fact(
        trail_id=feed.trail_id,
        company_id=feed.company_id,
        kind=f"{held.kind}.intended",
        currency=feed.currency,
        feed_id=feed.pk,
        transaction_id=held.transaction_id,
        body=body,
        actor=actor,
        dedupe=f"{held.kind}.intended/{held.label}",
    )


def _paid(feed: AuditFeed) -> Transaction:
    """Return the attempt whose money can be given back."""
    moved = Transaction.objects.filter(feed=feed, kind=feed.direction, state="succeeded")
    paid = moved.order_by("-attempt").first()
    if paid is None:
        raise Invalid(invoice="has no settled payment, so nothing can be given back")
    return paid


def _given(paid: Transaction) -> int:
    of_feed = Transaction.objects.filter(feed=paid.feed_id, reference_to=paid)
    back = of_feed.exclude(state__in=NOT_GIVEN)
    return back.aggregate(sum=Sum("amount"))["sum"] or 0


def _attempt(feed: AuditFeed, paid: Transaction, *, kind: str, amount: int, now: datetime) -> Held:
    attempt = Transaction.objects.filter(feed=feed, kind=kind).count() + 1
    identity = transaction_id(feed=feed.pk, kind=kind, attempt=attempt)
    return Held(
        transaction_id=identity,
        company_id=feed.company_id,
        trail_id=feed.trail_id,
        feed_id=feed.pk,
        occurrence=feed.occurrence,
        direction=feed.direction,
        customer_id=feed.customer_id,
        kind=kind,
        attempt=attempt,
        step=None,
        state="intent",
        lease_token=payments.token(),
        amount=amount,
        currency=feed.currency,
        key=give_back_key(company=feed.company_id, request=identity, kind=kind),
        target_uri=paid.processor_uri or "",
        statement_text="",
        terms=feed.terms,
        instrument_id=paid.instrument_id,
        instrument_kind="",
        opened_at=now,
        processor_account=paid.processor_account,
        fresh=True,
    )
