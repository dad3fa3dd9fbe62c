"""Open feeds: the rows, the events and the first attempts of a batch, written in sets (T1)."""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from audit.chain import Fact, canonical
from audit.record import record
from audit.sets import insert
from core.invalid import Invalid
from core.light import light
from core.money import LARGEST_AMOUNT
from invoices import leaving, number
from invoices.attempts import Held
from invoices.models import AuditFeed
from invoices.naming import charge_key, transaction_id
from invoices.payments import Lease, intend

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from audit.record import Heads
    from core.periods import Period
    from tasks.pricing import Line


@light(frozen=True, slots=True, kw_only=True)
class NewFeed:
    """A feed to be opened (or drafted): whose, for when, and its priced lines.

    It is drafted where `draft`; settled at once where its lines come to nothing; else open, with
    a first attempt where it has an instrument.
    """

    id: UUID
    company_id: UUID
    trail_id: UUID
    customer_id: UUID
    plan_id: UUID | None
    occurrence: int | None
    kind: str
    direction: str
    period: Period
    currency: str
    lines: tuple[Line, ...]
    terms: dict[str, Any]
    due_at: datetime
    draft: bool = False
    external_id: str | None = None
    instrument_id: UUID | None = None
    instrument_kind: str = ""
    instrument_uri: str = ""
    statement_text: str = ""
    processor_account: str = ""
    actor: str = "billy"  # Who asked for it.
    total: int = field(init=False)  # What the lines add up to, whole minor units.

    def __post_init__(self) -> None:
        """Add the lines up once: it is asked for many times."""
        object.__setattr__(self, "total", sum(line.amount.amount for line in self.lines))

    @property
    def state(self) -> str:
        """Return the state that it is born in."""
        if self.draft:
            return "draft"
        return "open" if self.total else "settled"

    @property
    def charges(self) -> bool:
        """Return whether an attempt is born with it."""
        return self.state == "open" and self.instrument_id is not None

    @property
    def label(self) -> str:
        """Return what tells its facts from others of its trail."""
        return self.id.hex if self.occurrence is None else str(self.occurrence)

    def attempt(self, *, lease_token: int | None, now: datetime) -> Held:
        """Return its first attempt, leased to the holder of the token."""
        key = charge_key(
            company=self.company_id,
            trail=self.trail_id,
            feed=self.id,
            occurrence=self.occurrence,
            attempt=1,
        )
        return Held(
            transaction_id=transaction_id(feed=self.id, kind=self.direction, attempt=1),
            company_id=self.company_id,
            trail_id=self.trail_id,
            feed_id=self.id,
            occurrence=self.occurrence,
            direction=self.direction,
            customer_id=self.customer_id,
            kind=self.direction,
            attempt=1,
            step=0,
            state="intent",
            lease_token=lease_token,
            amount=self.total,
            currency=self.currency,
            key=key,
            target_uri=self.instrument_uri,
            statement_text=self.statement_text,
            terms=self.terms,
            instrument_id=self.instrument_id,
            instrument_kind=self.instrument_kind,
            opened_at=now,
            processor_account=self.processor_account,
            fresh=True,
        )


def write(
    feeds: Sequence[NewFeed],
    *,
    heads: Heads,
    now: datetime,
    lease: Lease,
    listeners: Collection[UUID] = (),
    after: Iterable[Fact] = (),
) -> list[Held]:
    """Write feeds with their events, numbers and first attempts; returns the attempts, leased.

    A payout that may not leave yet is queued, and is not among them. `after` are further facts of
    the same trails, told after those of the feeds. The numbers come last: foreign keys are checked
    at the commit, so the order is free, and the counter's lock is held for one insert only. Raises
    Invalid for a total that is out of bounds, and for a payout that no day has room for.
    """
    for feed in feeds:
        if not 0 <= feed.total <= LARGEST_AMOUNT:
            raise Invalid(amount=f"the total must be from 0 to {LARGEST_AMOUNT} minor units")
    attempts = [feed.attempt(lease_token=lease.token, now=now) for feed in feeds if feed.charges]
    waits = leaving.reserve(attempts, now=now)
    waiting = [held for held in attempts if held.transaction_id in waits] if waits else []
    later = {held.feed_id: leaving.fact(held, waits[held.transaction_id]) for held in waiting}
    record([*_told(feeds, later), *after], heads=heads, now=now, listeners=listeners)
    if waits:
        attempts = [held for held in attempts if held.transaction_id not in waits]
    wanted = [held.wanted(due_at=now) for held in attempts]
    wanted += [
        replace(held, lease_token=None).wanted(due_at=waits[held.transaction_id].until)
        for held in waiting
    ]
    intend(wanted, lease_seconds=lease.seconds, now=now)
    _insert(feeds, now=now)
    return attempts


def _told(feeds: Sequence[NewFeed], later: Mapping[UUID, Fact]) -> Iterator[Fact]:
    """Yield the facts of each feed, and that its attempt waits where it does."""
    for feed in feeds:
        yield from facts(feed)
        if feed.id in later:
            yield later[feed.id]


def facts(feed: NewFeed) -> list[Fact]:
    """Return one fact per line; the first also says that the invoice was opened, and for when."""
    opened = "invoice.drafted" if feed.draft else "invoice.opened"
    told = []
    for position, line in enumerate(feed.lines):
        body: dict[str, Any] = {"line": line.description}
        if line.inputs:
            body["inputs"] = dict(line.inputs)
        if position == 0:
            body["period"] = [feed.period.start.isoformat(), feed.period.end.isoformat()]
            if feed.charges:
                body["attempt"] = 1
        told.append(
            Fact(
                trail_id=feed.trail_id,
                company_id=feed.company_id,
                kind="invoice.line" if position else opened,
                currency=feed.currency,
                amount=line.amount.amount,
                feed_id=feed.id,
                body=body,
                actor=feed.actor,
                dedupe=f"line/{feed.label}/{position}",
            )
        )
    return told


def _insert(feeds: Sequence[NewFeed], *, now: datetime) -> None:
    keys = [
        None if feed.draft else (feed.company_id, number.SERIES[feed.direction]) for feed in feeds
    ]
    counter = number.take(Counter(key for key in keys if key is not None))
    rows = []
    for feed, key in zip(feeds, keys, strict=True):
        given = None
        if key is not None:
            given = counter[key]
            counter[key] += 1
        rows.append(_row(feed, series=key and key[1], given=given, now=now))
    insert(AuditFeed._meta.db_table, FEED_COLUMNS, rows)


def _row(feed: NewFeed, *, series: str | None, given: int | None, now: datetime) -> tuple[Any, ...]:
    return (
        feed.id,
        feed.company_id,
        feed.trail_id,
        feed.occurrence,
        feed.kind,
        feed.direction,
        feed.period.start,
        feed.period.end,
        feed.customer_id,
        feed.plan_id,
        feed.instrument_id,
        feed.currency,
        canonical(feed.terms),
        feed.total,
        feed.total if feed.charges else 0,
        *ZEROS,
        feed.state,
        series,
        given,
        feed.external_id,
        feed.due_at,
        None if feed.draft else now,
        now,
    )


ZEROS = (0, 0, 0, 0, 0)  # captured, returned, refunded, applied, credited
FEED_COLUMNS = {
    "id": "uuid",
    "company_id": "uuid",
    "trail_id": "uuid",
    "occurrence": "bigint",
    "kind": "text",
    "direction": "text",
    "period_start": "timestamptz",
    "period_end": "timestamptz",
    "customer_id": "uuid",
    "plan_id": "uuid",
    "instrument_id": "uuid",
    "currency": "text",
    "terms": "jsonb",
    "total": "bigint",
    "live": "bigint",
    "captured": "bigint",
    "returned": "bigint",
    "refunded": "bigint",
    "applied": "bigint",
    "credited": "bigint",
    "state": "text",
    "series": "text",
    "number": "bigint",
    "external_id": "text",
    "due_at": "timestamptz",
    "opened_at": "timestamptz",
    "created_at": "timestamptz",
}
