"""T1: what is due becomes open feeds and held attempts, and `next_run_at` moves, all at once.

One bad row must not sink the batch: what cannot be decided parks its scheduler at once, and a row
that the database refuses is found by halving the batch until it is alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError, transaction

from accounts.models import Company
from audit.chain import Head
from audit.sets import update
from core.invalid import Invalid
from invoices import opening, payments
from invoices.void import void_queued
from schedulers import claim, occurrences
from schedulers.models import Scheduler
from schedulers.quotes import Quote, priced, quotes
from schedulers.subscribe import insert

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from invoices.attempts import Held
    from schedulers.claim import Due
    from schedulers.limits import Limits
    from schedulers.occurrences import Advance

logger = logging.getLogger(__name__)

CANCELED = "canceled"
LOST = (OperationalError, InterfaceError)  # The database is away, or took another's side.


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What T1 did: feeds opened, schedulers stopped, attempts held; `queued` are others to send."""

    opened: int = 0
    parked: int = 0
    stopped: int = 0
    held: tuple[Held, ...] = ()
    queued: bool = False

    def __add__(self, other: Begun) -> Begun:
        """Return both."""
        return Begun(
            opened=self.opened + other.opened,
            parked=self.parked + other.parked,
            stopped=self.stopped + other.stopped,
            held=self.held + other.held,
        )


def begin(*, now: datetime, limits: Limits) -> Begun:
    """T1: open the feeds of at most one batch, and hold the attempts to pay them."""
    work = claim.work(now=now)
    companies = work.companies
    quoted = quotes(now=now, limits=limits) if work.computed else {}
    if not companies:
        return Begun(queued=work.queued)
    share = max(limits.company_share, limits.batch_size // len(companies))

    def claimed() -> list[Due]:
        fixed = claim.claim(companies, now=now, limit=limits.batch_size, share=share)
        return fixed + (_claimed(quoted, quoted=quoted, now=now) if quoted else [])

    begun = _open(claimed, quoted=quoted, now=now, limits=limits)
    return replace(begun, queued=work.queued)


def start(
    scheduler: Scheduler,
    *,
    now: datetime,
    limits: Limits,
    request: str = "",
    actor: str = "billy",
) -> Begun:
    """Write a drafted scheduler and T1 of what it opens now, together; raises IntegrityError.

    A price of the merchant's own is found in between, so then they are two transactions. What
    cannot be opened now is due, and the next tick opens it.
    """
    if not scheduler.computed:

        def written() -> list[Due]:
            insert([scheduler], now=now, request=request, actor=actor)
            return claim.claim_only([scheduler.pk], now=now)

        begun = _begin(written, quoted={}, now=now, limits=limits, seen=[])
    else:
        insert([scheduler], now=now, request=request, actor=actor)
        dues = claim.claim_only([scheduler.pk], now=now)
        quoted = priced(dues, now=now, limits=limits)
        begun = _begin(
            partial(_claimed, list(quoted), quoted=quoted, now=now),
            quoted=quoted,
            now=now,
            limits=limits,
            seen=[],
        )
    return begun


def _open(
    claimed: Callable[[], list[Due]],
    *,
    quoted: Mapping[UUID, Quote],
    now: datetime,
    limits: Limits,
) -> Begun:
    """Open what was claimed; a row that the database refuses is found by halving, and parked."""
    seen: list[UUID] = []
    try:
        return _begin(claimed, quoted=quoted, now=now, limits=limits, seen=seen)
    except LOST:
        raise
    except Exception as error:  # One row must not hold up the others.
        if not seen:
            raise
        if len(seen) == 1:
            return _park(seen[0], error, now=now, limits=limits)
        half = len(seen) // 2
        first, rest = (
            partial(_claimed, some, quoted=quoted, now=now) for some in (seen[:half], seen[half:])
        )
        return _open(first, quoted=quoted, now=now, limits=limits) + _open(
            rest, quoted=quoted, now=now, limits=limits
        )


def _park(identity: UUID, error: Exception, *, now: datetime, limits: Limits) -> Begun:
    """Park the scheduler that cannot be written; if even that is refused, say so loudly."""
    why = f"{error}" if isinstance(error, Invalid) else f"the database refused it: {error}"
    refused = Quote(version=-1, occurrence=-1, lines={}, failure=why)
    try:
        return _begin(
            lambda: claim.claim_only([identity], now=now),
            quoted={identity: refused},
            now=now,
            limits=limits,
            seen=[],
        )
    except LOST:
        raise
    except Exception:
        logger.exception("scheduler %s can be neither run nor parked", identity)
        return Begun()


def _claimed(ids: Collection[UUID], *, quoted: Mapping[UUID, Quote], now: datetime) -> list[Due]:
    """Lock just these; a computed one only while it is still as it was when it was priced."""
    return [
        due
        for due in claim.claim_only(ids, now=now)
        if not due.computed or (due.trail_id in quoted and quoted[due.trail_id].fits(due))
    ]


def _begin(
    claimed: Callable[[], list[Due]],
    *,
    quoted: Mapping[UUID, Quote],
    now: datetime,
    limits: Limits,
    seen: list[UUID],
) -> Begun:
    with transaction.atomic(durable=True):
        dues = claimed()
        seen += [due.trail_id for due in dues]
        if not dues:
            return Begun()
        advances = [_advance(due, quoted.get(due.trail_id), now=now) for due in dues]
        feeds = [feed for advance in advances for feed in advance.feeds]
        _move(advances, now=now)
        over = [each.decision.due.trail_id for each in advances if each.decision.state == CANCELED]
        voided = void_queued(over, now=now) if over else []
        held = opening.write(
            feeds,
            heads={due.trail_id: Head(due.head_seq, due.head_hash) for due in dues},
            now=now,
            lease=payments.Lease(token=payments.token(), seconds=limits.lease_seconds),
            listeners={due.company_id for due in dues if due.company_listens},
            after=[*voided, *(fact for advance in advances for fact in advance.facts)],
        )
    states = [advance.decision.state for advance in advances if not advance.feeds]
    parked = states.count("parked")
    return Begun(opened=len(feeds), parked=parked, stopped=len(states) - parked, held=tuple(held))


def _advance(due: Due, quote: Quote | None, *, now: datetime) -> Advance:
    """Return what one scheduler does; one that cannot be run parks itself, never the batch."""
    if quote is not None and quote.failure:
        return occurrences.parked(due, quote.failure)
    try:
        timer = due.timer()
        decision = occurrences.decide(due, timer, now=now)
        return occurrences.build(decision, timer, quote.lines if quote is not None else {})
    except Exception as error:  # noqa: BLE001  # Whatever is wrong with this row is wrong with this row alone.
        return occurrences.parked(due, f"{type(error).__name__}: {error}")


def _move(advances: Sequence[Advance], *, now: datetime) -> None:
    rows = [
        (
            decision.due.trail_id,
            decision.occurrence,
            decision.next_run_at,
            decision.state,
            decision.reason,
            decision.due.version + (decision.state != decision.due.state),
            now,
            now if decision.state == "canceled" else None,
        )
        for decision in (advance.decision for advance in advances)
    ]
    update(Scheduler._meta.db_table, MOVE_COLUMNS, rows, key="id")


def listeners_among(companies: Collection[UUID]) -> set[UUID]:
    """Return the companies that want to hear of every event."""
    found = Company.objects.filter(pk__in=companies, listens=True)
    return set(found.values_list("pk", flat=True))


MOVE_COLUMNS = {
    "id": "uuid",
    "occurrence": "bigint",
    "next_run_at": "timestamptz",
    "state": "text",
    "reason": "text",
    "version": "bigint",
    "updated_at": "timestamptz",
    "canceled_at": "timestamptz",
}
