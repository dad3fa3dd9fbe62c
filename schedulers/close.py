"""What a person closes: a parked attempt, with all that follows for invoice and scheduler.

The locks come in the order of every writer: the scheduler, then its trail. What is said is settled
as the processor's own word would be, so retries, follow-ups and the scheduler's state come of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from audit.chain import Fact
from audit.record import heads, record
from audit.sets import array, fetch
from core import check
from core.invalid import Invalid
from invoices import close as closing
from invoices import collect, payments
from invoices import settle as writing
from schedulers import reactions
from schedulers.begin import listeners_among
from schedulers.models import Scheduler

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from audit.record import Heads
    from invoices.attempts import Held
    from invoices.models import AuditFeed, Transaction
    from schedulers.limits import Limits

REASON_LIMIT = 500


def close(
    attempt: Transaction, *, word: str, reason: str, limits: Limits, now: datetime, **said: str
) -> str:
    """Say what became of a parked attempt: succeeded, declined or voided; returns its state.

    `said` may name the `uri` of the object at the processor, which "succeeded" needs, and the
    `actor`. Declined goes on by the retry plan; voided gives the invoice up. Raises Invalid.
    """
    check.one_of("as", word, closing.WORDS)
    check.text("reason", reason, limit=REASON_LIMIT, is_required=True)
    uri, actor = said.get("uri", ""), said.get("actor", "billy")
    with transaction.atomic(durable=True):
        (seen,) = payments.held([attempt.pk])
        locked = reactions.lock({seen.trail_id})
        chain = heads({seen.trail_id, seen.customer_id})
        (held,) = payments.held([attempt.pk])
        if held.state != "parked":
            raise Invalid(transaction=f"is {held.state}; only a parked one is closed by a person")
        if word == "succeeded" and not (uri or held.processor_uri):
            raise Invalid(uri="must be the address of the object at the processor")
        listeners = listeners_among({held.company_id})
        told = closing.closed(held, word, uri=uri, reason=reason, actor=actor)
        record([told], heads=chain, now=now, listeners=listeners)
        if word == "voided":
            facts = closing.void(held, reason=reason, actor=actor, now=now)
            facts += _recovered(held, locked=locked, now=now, actor=actor)
            record(facts, heads=chain, now=now, listeners=listeners)
            return "voided"
        settled = writing.settle(
            [(held, closing.outcome(held, word, uri=uri, reason=reason))],
            heads=chain,
            now=now,
            looks=limits.looks,
            listeners=listeners,
            over={trail for trail, (state, _) in locked.items() if state == "canceled"},
        )
        reactions.react(settled, locked=locked, heads=chain, now=now, listeners=listeners)
    return settled[0].state


def void(invoice: AuditFeed, *, now: datetime, actor: str = "billy") -> None:
    """Call an invoice off; its scheduler is no longer past due where nothing else is owed.

    Raises Invalid as `invoices.collect.void` does.
    """
    with transaction.atomic():
        locked = reactions.lock({invoice.trail_id})
        collect.void(invoice, now=now, actor=actor)
        why = "what was owed was called off"
        _go_on(invoice, locked=locked, why=why, now=now, actor=actor)


def waive(invoice: AuditFeed, *, now: datetime, reason: str, actor: str = "billy") -> None:
    """Forgive an invoice; its scheduler is no longer past due where nothing else is owed.

    Raises Invalid as `invoices.collect.waive` does.
    """
    with transaction.atomic():
        locked = reactions.lock({invoice.trail_id})
        collect.waive(invoice, now=now, reason=reason, actor=actor)
        _go_on(invoice, locked=locked, why="what was owed was forgiven", now=now, actor=actor)


def _go_on(
    invoice: AuditFeed, *, locked: reactions.Locked, why: str, now: datetime, actor: str
) -> None:
    """Let a scheduler go on that is past due for nothing any more."""
    state, version = locked.get(invoice.trail_id, ("", 0))
    if state != "past_due" or reactions.still_owing([invoice.trail_id]):
        return
    chain: Heads = heads([invoice.trail_id])
    fact = _resumed(
        invoice.trail_id,
        company=invoice.company_id,
        currency=invoice.currency,
        version=version,
        why=why,
        actor=actor,
    )
    _activate(invoice.trail_id, now=now)
    record([fact], heads=chain, now=now, listeners=listeners_among({invoice.company_id}))


def _recovered(held: Held, *, locked: reactions.Locked, now: datetime, actor: str) -> list[Fact]:
    """Let a scheduler go on whose last debt was given up."""
    state, version = locked.get(held.trail_id, ("", 0))
    if state != "past_due" or reactions.still_owing([held.trail_id]):
        return []
    _activate(held.trail_id, now=now)
    return [
        _resumed(
            held.trail_id,
            company=held.company_id,
            currency=held.currency,
            version=version,
            why="the last attempt was called off",
            actor=actor,
        )
    ]


def _activate(trail: UUID, *, now: datetime) -> None:
    fetch(
        f"UPDATE \"{Scheduler._meta.db_table}\" SET state = 'active', reason = '',"
        " version = version + 1, updated_at = %s WHERE id = ANY(%s::uuid[]) RETURNING id",
        [now, array("uuid", [trail])],
    )


def _resumed(
    trail: UUID, *, company: UUID, currency: str, version: int, why: str, actor: str
) -> Fact:
    return Fact(
        trail_id=trail,
        company_id=company,
        kind="scheduler.resumed",
        currency=currency,
        body={"from": "past_due", "reason": why},
        actor=actor,
        dedupe=f"state/{version + 1}",
    )
