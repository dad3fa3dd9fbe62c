"""Prices of merchants' own tasks, found before the transaction: one scheduler at a time.

T1 takes a quote only if the scheduler's version and occurrence are still those that were priced.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from accounts.models import Customer
from audit.sets import fetch, table_of
from core.ids import PREFIXES, guid
from schedulers import claim, occurrences
from tasks.pricing import Context, Line, Party, PricingFailed, price

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from schedulers.claim import Due
    from schedulers.limits import Limits
    from schedulers.timers import Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The lines of each occurrence to open, or why the scheduler must be parked."""

    version: int
    occurrence: int
    lines: Mapping[int, tuple[Line, ...]]
    failure: str = ""

    def fits(self, due: Due) -> bool:
        """Return whether the scheduler is still as it was when it was priced."""
        return (self.version, self.occurrence) == (due.version, due.occurrence)


def quotes(*, now: datetime, limits: Limits) -> dict[UUID, Quote]:
    """Price what is due and computed, as far as the time goes; the rest waits for the next tick."""
    return priced(claim.computed(now=now, limit=limits.batch_size), now=now, limits=limits)


def priced(dues: Sequence[Due], *, now: datetime, limits: Limits) -> dict[UUID, Quote]:
    """Price these, as far as the time goes."""
    if not dues:
        return {}
    parties = _parties(dues)
    ends = time.monotonic() + limits.quoting_seconds
    found = {}
    for due in dues:
        if time.monotonic() > ends:
            break
        found[due.trail_id] = _quote(due, parties[due.customer_id], now=now, limits=limits)
    return found


def _quote(due: Due, party: Party, *, now: datetime, limits: Limits) -> Quote:
    try:
        timer = due.timer()
        decision = occurrences.decide(due, timer, now=now)
        charged = [n for n in decision.opens if n >= due.anchor_occurrence]
        contexts = _contexts(due, party, charged, timer=timer, now=now)
        lines = {
            n: price(due.task, context, limit_seconds=limits.pricing_seconds)
            for n, context in contexts.items()
        }
    except PricingFailed as failed:
        return Quote(version=due.version, occurrence=due.occurrence, lines={}, failure=str(failed))
    except Exception as error:  # noqa: BLE001  # A poisoned row must park only itself.
        reason = f"{type(error).__name__}: {error}"
        return Quote(version=due.version, occurrence=due.occurrence, lines={}, failure=reason)
    return Quote(version=due.version, occurrence=due.occurrence, lines=lines)


def _contexts(
    due: Due, party: Party, opens: Sequence[int], *, timer: Timer, now: datetime
) -> dict[int, Context]:
    elapsed = {n: occurrences.elapsed_of(due, timer, n) for n in opens}
    spans = [(due.trail_id, n, span.start, span.end) for n, span in elapsed.items() if span]
    metered = _usage(spans)
    return {
        n: Context(
            customer=party,
            params=due.params,
            period=occurrences.period_of(due, timer, n),
            elapsed=elapsed[n],
            occurrence=n,
            now=now,
            currency=due.currency,
            amount=due.amount,
            description=due.description,
            metered=metered.get(n, {}),
        )
        for n in opens
    }


def _usage(
    spans: Sequence[tuple[UUID, int, datetime, datetime]],
) -> dict[int, dict[str, Decimal]]:
    """Return what was used of each metric, by occurrence: sums over half-open spans."""
    if not spans:
        return {}
    columns = {"id": "uuid", "n": "bigint", "starts": "timestamptz", "ends": "timestamptz"}
    given = table_of(columns, spans)
    rows = fetch(
        "SELECT v.n, u.metric, sum(u.quantity) FROM "
        f"{given.sql} JOIN billy_schedulers_usage u"
        " ON u.scheduler_id = v.id AND u.at >= v.starts AND u.at < v.ends"
        " GROUP BY v.n, u.metric",
        given.parameters,
    )
    sums: dict[int, dict[str, Decimal]] = {}
    for occurrence, metric, quantity in rows:
        sums.setdefault(occurrence, {})[metric] = quantity
    return sums


def _parties(dues: Sequence[Due]) -> dict[UUID, Party]:
    found = Customer.objects.filter(pk__in={due.customer_id for due in dues})
    return {
        each.pk: Party(
            guid=guid(PREFIXES["customer"], each.pk),
            name=each.name,
            external_id=each.external_id,
        )
        for each in found
    }
