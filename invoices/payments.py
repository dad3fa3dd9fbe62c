"""Attempts in the database: born, leased, looked up again. All of it in sets.

    queued ──lease──► intent ──(the wire)──► what it came to: see settle.py
                        └── lease ends ──► unknown ──► looked up by its key

A lease is a token and an end by the database's own clock. Claims skip what others hold, so none
of them ever waits.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from accounts.fence import OPEN
from accounts.models import Company, FundingInstrument
from audit.sets import array, execute, fetch, table_of
from invoices.attempts import Held
from invoices.models import AuditFeed, Transaction
from invoices.states import LEASED

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from invoices.attempts import Wanted

TRANSACTION = f'"{Transaction._meta.db_table}"'
FEED = f'"{AuditFeed._meta.db_table}"'
COMPANY = f'"{Company._meta.db_table}"'
INSTRUMENT = f'"{FundingInstrument._meta.db_table}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who holds an attempt, and for how long from the moment that it is written."""

    token: int
    seconds: float


def token() -> int:
    """Return a new lease token: 62 random bits, so that no two holders ever share one."""
    return secrets.randbits(62)


def intend(wanted: Sequence[Wanted], *, lease_seconds: float, now: datetime) -> None:
    """Write attempts: those with a token are leased to the caller, the others are queued."""
    if not wanted:
        return
    names = ", ".join(f'"{name}"' for name in WANTED_COLUMNS)
    given = table_of(WANTED_COLUMNS, wanted)
    execute(
        f"INSERT INTO {TRANSACTION} ({names}, state, lease_until, first_claimed_at, looks,"
        " failures, created_at, updated_at) "
        "SELECT v.*, CASE WHEN v.lease_token IS NULL THEN 'queued' ELSE 'intent' END,"
        " CASE WHEN v.lease_token IS NULL THEN NULL"
        " ELSE clock_timestamp() + make_interval(secs => %s) END,"
        " CASE WHEN v.lease_token IS NULL THEN NULL ELSE clock_timestamp() END, 0, '[]', %s, %s "
        f"FROM {given.sql}",
        [lease_seconds, now, now, *given.parameters],
    )


def lease_queued(*, now: datetime, limit: int, lease_seconds: float) -> list[Held]:
    """Lease attempts that are due: planned retries, and what could not be sent before.

    One whose instrument was refused for good meanwhile waits for a person to give another.
    """
    return _lease(
        "a.state = 'queued' AND a.due_at <= %s AND (a.reference_to_id IS NOT NULL OR EXISTS ("
        f"SELECT 1 FROM {INSTRUMENT} i WHERE i.id = a.instrument_id AND i.state = 'active'))",
        [now],
        order="a.due_at",
        change="state = 'intent',"
        " first_claimed_at = coalesce(a.first_claimed_at, clock_timestamp())",
        limit=limit,
        lease_seconds=lease_seconds,
    )


def lease_lost(*, limit: int, lease_seconds: float) -> list[Held]:
    """Take over attempts whose lease ended: their holder died, or never heard the answer."""
    return _lease(
        f"a.state IN ({_listed(LEASED)}) AND a.lease_until < clock_timestamp()"
        " AND coalesce(a.next_look_at, '-infinity') <= clock_timestamp()",
        [],
        order="a.lease_until",
        change="state = a.state, looks = a.looks + 1",
        limit=limit,
        lease_seconds=lease_seconds,
    )


def lease_pending(*, limit: int, lease_seconds: float) -> list[Held]:
    """Take attempts whose final result should be asked for: a callback may have been lost."""
    return _lease(
        "a.state = 'pending' AND a.next_look_at <= clock_timestamp()",
        [],
        order="a.next_look_at",
        change="looks = a.looks + 1, next_look_at = clock_timestamp() + make_interval(secs => %s)",
        limit=limit,
        lease_seconds=lease_seconds,
    )


def held(ids: Collection[UUID], *, fresh: Collection[UUID] = ()) -> list[Held]:
    """Return attempts as they stand, with all that is needed to send or to settle them."""
    if not ids:
        return []
    rows = fetch(
        f"SELECT {', '.join(HELD_COLUMNS.values())} FROM {TRANSACTION} a "
        f"JOIN {FEED} f ON f.id = a.feed_id "
        f"LEFT JOIN {INSTRUMENT} i ON i.id = a.instrument_id "
        f"LEFT JOIN {TRANSACTION} r ON r.id = a.reference_to_id "
        "WHERE a.id = ANY(%s::uuid[]) ORDER BY a.id",
        [array("uuid", ids)],
    )
    return [_held(row, fresh) for row in rows]


def _held(row: tuple[Any, ...], fresh: Collection[UUID]) -> Held:
    values = dict(zip(HELD_COLUMNS, row, strict=True))
    values["terms"] = json.loads(values["terms"])
    return Held(**values, fresh=values["transaction_id"] in fresh)


def _lease(  # One statement, and its parts.
    where: str,
    parameters: list[Any],
    *,
    order: str,
    change: str,
    limit: int,
    lease_seconds: float,
) -> list[Held]:
    """Lease what a condition names, passing over what others hold and companies on hold."""
    pending = "a.state = 'pending'" in where
    rows = fetch(
        f"UPDATE {TRANSACTION} AS a SET {change}, lease_token = %s,"
        " lease_until = clock_timestamp() + make_interval(secs => %s) "
        f"FROM (SELECT a.id, a.state FROM {TRANSACTION} a JOIN {COMPANY} c ON c.id = a.company_id "
        f"WHERE {OPEN} AND {where}"
        " AND coalesce(c.calls_paused_until, '-infinity') <= clock_timestamp() "
        f"ORDER BY {order} LIMIT %s FOR NO KEY UPDATE OF a SKIP LOCKED) AS due "
        "WHERE a.id = due.id RETURNING a.id, due.state, a.looks",
        [
            *([lease_seconds] if pending else []),
            token(),
            lease_seconds,
            *parameters,
            limit,
        ],
    )
    return held(
        [row[0] for row in rows],
        fresh={identity for identity, state, _ in rows if state == "queued"},
    )


def _listed(states: Collection[str]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


WANTED_COLUMNS = {  # The fields of a Wanted, in their order.
    "id": "uuid",
    "company_id": "uuid",
    "feed_id": "uuid",
    "attempt": "integer",
    "step": "integer",
    "kind": "text",
    "instrument_id": "uuid",
    "key": "text",
    "request_hash": "text",
    "amount": "bigint",
    "currency": "text",
    "due_at": "timestamptz",
    "processor_account": "text",
    "statement_text": "text",
    "reference_to_id": "uuid",
    "lease_token": "bigint",
}
HELD_COLUMNS = {
    "transaction_id": "a.id",
    "company_id": "a.company_id",
    "trail_id": "f.trail_id",
    "feed_id": "a.feed_id",
    "occurrence": "f.occurrence",
    "direction": "f.direction",
    "customer_id": "f.customer_id",
    "kind": "a.kind",
    "attempt": "a.attempt",
    "step": "a.step",
    "state": "a.state",
    "lease_token": "a.lease_token",
    "amount": "a.amount",
    "currency": "a.currency",
    "key": "a.key",
    "target_uri": "coalesce(r.processor_uri, i.uri, '')",
    "statement_text": "a.statement_text",
    "terms": "f.terms",
    "instrument_id": "a.instrument_id",
    "instrument_kind": "coalesce(i.kind, '')",
    "opened_at": "coalesce(f.opened_at, f.created_at)",
    "processor_account": "a.processor_account",
    "processor_uri": "coalesce(a.processor_uri, '')",
    "looks": "a.looks",
    "failure_count": "jsonb_array_length(a.failures)",
    "age_seconds": (
        "coalesce(extract(epoch FROM clock_timestamp() - a.first_claimed_at), 0)::float8"
    ),
}
