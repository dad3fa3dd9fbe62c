"""When a payout may leave: a new account waits, and a day has room for so much.

    hold   nothing leaves to an account before it has been known for so many hours
    cap    what leaves within one local day of the company comes to so much at most, by currency

Room is taken once, when an attempt is born, and for good: what is sent late, declined or called
off has had its room. A payout is never tried again by itself (`retry.py`), so its attempts are
born as the invoice opens (T1) or by a person's hand, and nowhere else.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from accounts.models import Company, FundingInstrument
from audit.chain import Fact
from audit.sets import array, execute, fetch, table_of
from core.invalid import Invalid
from core.walltime import at_wall_time, zone_named
from invoices.models import PayoutDay

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from invoices.attempts import Held

COMPANY = f'"{Company._meta.db_table}"'
INSTRUMENT = f'"{FundingInstrument._meta.db_table}"'
PAYOUT_DAY = f'"{PayoutDay._meta.db_table}"'

MOST_DAYS = 366  # Whoever would wait for longer needs a person, not a queue.
NEW_ACCOUNT = "the account is new, and new accounts wait"
NO_ROOM = "the payouts of the days before have used their cap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """That an attempt may not leave now, but at `until`; `field` names what it waits for."""

    until: datetime
    reason: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a company lets leave: `cap` in minor units a day, and only to accounts that old."""

    zone: ZoneInfo
    cap: int | None
    hold: timedelta


def reserve(attempts: Sequence[Held], *, now: datetime) -> dict[UUID, Wait]:
    """Take room for attempts that are about to be written; returns those that must wait, by id.

    The rest may leave now. Debits cost nothing, payouts one statement, and only those of a company
    with such limits cost more. Raises Invalid for a payout that no day has room for.

    It locks those companies until the caller's transaction ends, so that two workers take room one
    after the other. The lock comes behind those of schedulers, trails, feeds and attempts, and
    just before the number series: take numbers after it, never before.
    """
    payouts = [held for held in attempts if held.kind == "credit"]
    limits = _limits({held.company_id for held in payouts}) if payouts else {}
    if not limits:
        return {}
    payouts = [held for held in payouts if held.company_id in limits]
    waits = _held_back(payouts, limits, now=now)
    for (company, currency), some in _by_cap(payouts, limits).items():
        waits |= _shared_out(some, limits[company], currency, waits, now=now)
    return waits


def fact(held: Held, wait: Wait) -> Fact:
    """Return the fact that an attempt was born to wait."""
    return Fact(
        trail_id=held.trail_id,
        company_id=held.company_id,
        kind=f"{held.kind}.deferred",
        currency=held.currency,
        feed_id=held.feed_id,
        transaction_id=held.transaction_id,
        body={
            "attempt": held.attempt,
            "amount": held.amount,
            "until": wait.until.isoformat(),
            "reason": wait.reason,
        },
        # Another name than that of an attempt which the processor could not be told of.
        dedupe=f"{held.kind}.deferred/{held.label}/born",
    )


def places(
    wanted: Sequence[tuple[date, int]], *, cap: int, taken: Mapping[date, int], zone: ZoneInfo
) -> list[date]:
    """Return, for each (first day, amount) in their order, the first day with room for it.

    `taken` is what the days hold already. Pure. Raises Invalid where there is no room for long.
    """
    filled = dict(taken)
    found = []
    for first, amount in wanted:
        days = (first + timedelta(days=ahead) for ahead in range(MOST_DAYS))
        roomy = (day for day in days if filled.get(day, 0) + amount <= cap)
        day = next((day for day in roomy if day == first or _exists(day, zone)), None)
        if day is None:
            told = f"there is no room for a payout of {amount} minor units within {MOST_DAYS} days"
            raise Invalid(amount=told)
        filled[day] = filled.get(day, 0) + amount
        found.append(day)
    return found


def _limits(companies: Collection[UUID]) -> dict[UUID, Limit]:
    """Lock the companies with such limits, and return these."""
    rows = fetch(
        f"SELECT id, time_zone, payout_cap, payout_hold_hours FROM {COMPANY}"
        " WHERE id = ANY(%s::uuid[]) AND (payout_cap IS NOT NULL OR payout_hold_hours > 0)"
        " ORDER BY id FOR NO KEY UPDATE",
        [array("uuid", sorted(companies))],
    )
    return {
        company: Limit(zone=zone_named(zone), cap=cap, hold=timedelta(hours=hours))
        for company, zone, cap, hours in rows
    }


def _held_back(
    payouts: Sequence[Held], limits: Mapping[UUID, Limit], *, now: datetime
) -> dict[UUID, Wait]:
    """Return the waits of payouts to accounts that are too new."""
    held = [each for each in payouts if limits[each.company_id].hold]
    if not held:
        return {}
    rows = fetch(
        f"SELECT id, created_at FROM {INSTRUMENT} WHERE id = ANY(%s::uuid[])",
        [array("uuid", sorted({each.instrument_id for each in held if each.instrument_id}))],
    )
    known_since = dict(rows)
    waits = {}
    for each in held:
        until = known_since[each.instrument_id] + limits[each.company_id].hold
        if until > now:
            waits[each.transaction_id] = Wait(
                until=until, reason=NEW_ACCOUNT, field="funding_instrument"
            )
    return waits


def _by_cap(
    payouts: Sequence[Held], limits: Mapping[UUID, Limit]
) -> dict[tuple[UUID, str], list[Held]]:
    """Return the payouts that share a cap: of one company, in one currency."""
    found: dict[tuple[UUID, str], list[Held]] = defaultdict(list)
    for each in payouts:
        if limits[each.company_id].cap is not None:
            found[each.company_id, each.currency].append(each)
    return found


def _shared_out(
    payouts: Sequence[Held],
    limit: Limit,
    currency: str,
    waits: Mapping[UUID, Wait],
    *,
    now: datetime,
) -> dict[UUID, Wait]:
    """Count payouts in their days, the first with room for each; returns the waits that gives."""
    assert limit.cap is not None  # noqa: S101  # Chosen by the caller.
    company = payouts[0].company_id
    starts = [
        waits[each.transaction_id].until if each.transaction_id in waits else now
        for each in payouts
    ]
    firsts = [start.astimezone(limit.zone).date() for start in starts]
    rows = fetch(
        f"SELECT day, amount FROM {PAYOUT_DAY}"
        " WHERE company_id = %s AND currency = %s AND day >= %s",
        [company, currency, min(firsts)],
    )
    wanted = [(first, each.amount) for first, each in zip(firsts, payouts, strict=True)]
    days = places(wanted, cap=limit.cap, taken=dict(rows), zone=limit.zone)
    _count(company, currency, [(day, each.amount) for day, each in zip(days, payouts, strict=True)])
    return {
        each.transaction_id: Wait(until=_start_of(day, limit.zone), reason=NO_ROOM, field="invoice")
        for each, first, day in zip(payouts, firsts, days, strict=True)
        if day != first
    }


def _count(company: UUID, currency: str, reserved: Sequence[tuple[date, int]]) -> None:
    sums: dict[date, int] = defaultdict(int)
    for day, amount in reserved:
        sums[day] += amount
    rows = [(day, company, currency, amount) for day, amount in sorted(sums.items())]
    columns = {"day": "date", "company_id": "uuid", "currency": "text", "amount": "bigint"}
    given = table_of(columns, rows)
    execute(
        f"INSERT INTO {PAYOUT_DAY} AS d (day, company_id, currency, amount)"
        f" SELECT day, company_id, currency, amount FROM {given.sql}"
        " ON CONFLICT (company_id, currency, day)"
        " DO UPDATE SET amount = d.amount + excluded.amount",
        given.parameters,
    )


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    return at_wall_time(day, time(), zone)


def _exists(day: date, zone: ZoneInfo) -> bool:
    """Return whether clocks show this day: at the date line, zones have left one out."""
    return _start_of(day, zone).astimezone(zone).date() == day
