"""Subscribe, and open what is due at once: the scheduler and its T1 are committed together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError

from audit.models import AuditEvent
from core.ids import derived
from core.invalid import Taken
from schedulers.begin import start as begin
from schedulers.models import Scheduler
from schedulers.subscribe import drafted

if TYPE_CHECKING:
    from datetime import datetime

    from invoices.attempts import Held
    from schedulers.limits import Limits
    from schedulers.subscribe import Subscription

EXTERNAL_ONCE = "scheduler_external_once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A scheduler, and the attempts of its first invoice, leased to the caller, who sends them."""

    scheduler: Scheduler
    held: tuple[Held, ...] = ()


def start(
    wanted: Subscription,
    *,
    now: datetime,
    limits: Limits,
    request: str = "",
    actor: str = "billy",
) -> Started:
    """Put a customer on an offer and open the first invoice where it is due; raises Invalid.

    `request` names the asking itself: its scheduler's id is derived from it, so asked again under
    it the same scheduler is the answer, and a rewound database makes the same ids and keys again.
    So does `external_id`, which wins. Raises Taken where that is the name of another.
    """
    scheduler = drafted(wanted, now=now)
    customer = wanted.customer
    name = f"external/{wanted.external_id}" if wanted.external_id else f"request/{request}"
    if wanted.external_id or request:
        parts = ("scheduler", str(customer.pk), name)
        scheduler.pk = derived(at=customer.created_at, parts=parts)
    try:
        begun = begin(scheduler, now=now, limits=limits, request=request, actor=actor)
    except IntegrityError as error:
        there = Scheduler.objects.filter(pk=scheduler.pk).first()
        if there is not None and request and _was_asked(there, request):
            return Started(scheduler=there)  # What it opened is with the first one, or swept.
        if there is not None or f'"{EXTERNAL_ONCE}"' in str(error):
            raise Taken(external_id="is the name of another subscription") from None
        raise
    return Started(scheduler=Scheduler.objects.get(pk=scheduler.pk), held=begun.held)


def _was_asked(scheduler: Scheduler, request: str) -> bool:
    births = AuditEvent.objects.filter(trail=scheduler.pk, kind="scheduler.created")
    return births.filter(body__request=request).exists()
