"""Find what is due and hold it: index look-ups that cost the same among a thousand or a million.

A claim locks the scheduler's and its trail's row together and passes over what others hold, so
two workers share the work without waiting. Every company with work gets its share of a batch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from accounts.fence import OPEN
from audit.sets import array, fetch
from core.frequency import Frequency
from invoices.payments import TRANSACTION
from schedulers.holidays import Shift
from schedulers.models import Scheduler
from schedulers.states import TICKING
from schedulers.timers import MonthEnd, Timer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

SCHEDULER = f'"{Scheduler._meta.db_table}"'
STATES = ", ".join(f"'{state}'" for state in TICKING)


class Due(NamedTuple):
    """A scheduler whose time has come, with all that its occurrence needs, read in one go.

    It is the row as it was read, of forty columns: hence no dataclass, which would cost a tenth
    of what a cycle computes.
    """

    trail_id: UUID
    company_id: UUID
    customer_id: UUID
    plan_id: UUID | None
    instrument_id: UUID | None
    instrument_kind: str
    instrument_uri: str
    instrument_usable: bool
    instrument_foreign: bool
    processor_account: str
    company_listens: bool
    task: str
    computed: bool
    params: dict[str, Any]
    direction: str
    amount: int | None
    most: int | None
    currency: str
    description: str
    frequency: str
    interval: int
    rule: str
    month_end: str
    shift: str
    anchor_at: datetime
    anchor_occurrence: int
    time_zone: str
    started_at: datetime
    trial_ends_at: datetime | None
    occurrence: int
    next_run_at: datetime
    ends_after: int | None
    cancel_at: datetime | None
    state: str
    version: int
    catch_up: str
    without_instrument: str
    retry_policy: dict[str, Any]
    statement_text: str
    follow_ups: list[dict[str, Any]]
    head_seq: int
    head_hash: bytes

    def timer(self) -> Timer:
        """Return when it runs, as a value; raises Invalid where the row makes no sense."""
        return Timer(
            frequency=Frequency(self.frequency),
            interval=self.interval,
            rule=self.rule,
            month_end=cast("MonthEnd", self.month_end),
            shift=cast("Shift", self.shift),
            anchor_at=self.anchor_at,
            time_zone=self.time_zone,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What there is to do: the companies with something due, and of which kinds it is.

    `computed` are schedulers with a price of the merchant's own, `queued` planned attempts.
    """

    companies: tuple[UUID, ...]
    computed: bool
    queued: bool


def work(*, now: datetime) -> Work:
    """Return what is due at `now`, of companies whose calls are not paused, with one statement.

    They come in any order, another one each time: where there are more than a batch has room for,
    none of them is always last.
    """
    ((companies, computed, queued),) = fetch(
        "SELECT ARRAY(SELECT c.id FROM billy_accounts_company c"
        f" WHERE {OPEN} AND coalesce(c.calls_paused_until, '-infinity') <= clock_timestamp()"
        f" AND EXISTS (SELECT 1 FROM {SCHEDULER} s"
        f" WHERE s.company_id = c.id AND s.state IN ({STATES})"
        " AND s.next_run_at <= %s) ORDER BY random()),"
        f" EXISTS (SELECT 1 FROM {SCHEDULER} s WHERE s.computed AND s.state IN ({STATES})"
        " AND s.next_run_at <= %s),"
        f" EXISTS (SELECT 1 FROM {TRANSACTION} a WHERE a.state = 'queued' AND a.due_at <= %s)",
        [now, now, now],
    )
    return Work(companies=tuple(companies), computed=computed, queued=queued)


def companies_on_hold(*, now: datetime) -> int:
    """Return how many companies have something due and are paused, for calls that failed."""
    rows = fetch(
        "SELECT count(*) FROM billy_accounts_company c "
        "WHERE c.calls_paused_until > clock_timestamp() AND EXISTS ("
        f"SELECT 1 FROM {SCHEDULER} s WHERE s.company_id = c.id AND s.state IN ({STATES})"
        " AND s.next_run_at <= %s)",
        [now],
    )
    return int(rows[0][0])


def claim(companies: Sequence[UUID], *, now: datetime, limit: int, share: int) -> list[Due]:
    """Lock at most `limit` schedulers with fixed prices, at most `share` of each company."""
    return _read(
        f"SELECT due.* FROM unnest(%s::uuid[]) AS w (id) CROSS JOIN LATERAL ({SELECT}"
        f" WHERE {OPEN} AND s.company_id = w.id AND s.state IN ({STATES}) AND s.next_run_at <= %s"
        " AND NOT s.computed ORDER BY s.next_run_at, s.id LIMIT %s"
        " FOR NO KEY UPDATE OF s, t SKIP LOCKED) AS due LIMIT %s",
        [array("uuid", companies), now, share, limit],
    )


def claim_only(ids: Collection[UUID], *, now: datetime) -> list[Due]:
    """Lock just these schedulers, as far as they are still due and nobody holds them."""
    return _read(
        f"{SELECT} WHERE {OPEN} AND s.id = ANY(%s::uuid[]) AND s.state IN ({STATES})"
        " AND s.next_run_at <= %s FOR NO KEY UPDATE OF s, t SKIP LOCKED",
        [array("uuid", sorted(ids)), now],
    )


def computed(*, now: datetime, limit: int) -> list[Due]:
    """Return, without locking, schedulers that are due and priced by a merchant's own code."""
    return _read(
        f"{SELECT} WHERE {OPEN} AND s.computed AND s.state IN ({STATES}) AND s.next_run_at <= %s"
        " AND coalesce(c.calls_paused_until, '-infinity') <= clock_timestamp()"
        " ORDER BY s.next_run_at, s.id LIMIT %s",
        [now, limit],
    )


def due(companies: Sequence[UUID], *, now: datetime, limit: int) -> list[Due]:
    """Return, without locking, what is due of these companies, the oldest first."""
    return _read(
        f"{SELECT} WHERE s.company_id = ANY(%s::uuid[]) AND s.state IN ({STATES})"
        " AND s.next_run_at <= %s ORDER BY s.next_run_at, s.id LIMIT %s",
        [array("uuid", companies), now, limit],
    )


def to_come(company: UUID, *, now: datetime, after: tuple[datetime, UUID], limit: int) -> list[Due]:
    """Return, without locking, a page of what a company's schedulers will run that is due by now.

    Those that another scheduler started count in any case: their delay begins anew where their
    start is made again. A page begins after the place (`next_run_at`, id) of the last one.
    """
    return _read(
        f"{SELECT} WHERE s.company_id = %s AND s.state IN ({STATES})"
        " AND (s.next_run_at, s.id) > (%s, %s)"
        " AND (s.next_run_at <= %s OR (s.parent_id IS NOT NULL AND s.occurrence = 0))"
        " ORDER BY s.next_run_at, s.id LIMIT %s",
        [company, *after, now, limit],
    )


def _read(statement: str, parameters: list[Any]) -> list[Due]:
    return [_due(row) for row in fetch(statement, parameters)]


def _due(row: tuple[Any, ...]) -> Due:
    values = list(row)
    for place in JSON_PLACES:
        text = values[place]
        values[place] = json.loads(text) if text not in EMPTY else EMPTY[text]()
    values[HASH_PLACE] = bytes(values[HASH_PLACE])
    return Due._make(values)


EMPTY: dict[str, type] = {"{}": dict, "[]": list}  # Most of them are: the parser is not needed.
COLUMNS = {
    "trail_id": "s.id",
    "company_id": "s.company_id",
    "customer_id": "s.customer_id",
    "plan_id": "s.plan_id",
    "instrument_id": "s.instrument_id",
    "instrument_kind": "coalesce(i.kind, '')",
    "instrument_uri": "coalesce(i.uri, '')",
    "instrument_usable": (
        "coalesce(i.state = 'active' AND CASE s.direction"
        " WHEN 'credit' THEN i.can_credit ELSE i.can_debit END, false)"
    ),
    "instrument_foreign": "coalesce(i.customer_id <> s.customer_id, false)",
    "processor_account": "c.processor_account",
    "company_listens": "c.listens",
    "task": "s.task",
    "computed": "s.computed",
    "params": "s.params",
    "direction": "s.direction",
    "amount": "coalesce(s.amount, p.amount)",
    # The most of one payment. A payout above a whole day's cap could never leave.
    "most": (
        "CASE s.direction WHEN 'credit' THEN least(c.amount_limit, c.payout_cap)"
        " ELSE c.amount_limit END"
    ),
    "currency": "s.currency",
    "description": "coalesce(p.description, s.params ->> 'description', '')",
    "head_seq": "t.head_seq",
    "head_hash": "t.head_hash",
}
NAMES = Due._fields
JSON_PLACES = [NAMES.index(name) for name in ("params", "retry_policy", "follow_ups")]
HASH_PLACE = NAMES.index("head_hash")
SELECT = (
    "SELECT "
    + ", ".join(f"{COLUMNS.get(name, f's.{name}')} AS {name}" for name in NAMES)
    + f" FROM {SCHEDULER} s JOIN billy_audit_audittrail t ON t.id = s.id"
    " JOIN billy_accounts_company c ON c.id = s.company_id"
    " LEFT JOIN billy_plans_plan p ON p.id = s.plan_id"
    " LEFT JOIN billy_accounts_fundinginstrument i ON i.id = s.instrument_id"
)
