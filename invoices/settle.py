"""Write down what attempts came to: the transaction after the wire (T3), in sets.

The guard: an attempt is written only as this holder saw it, by state and by lease token. Rows
that another holder took over are dropped in silence: that holder has, or will get, the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from audit.chain import Fact, canonical
from audit.record import record
from audit.sets import fetch, table_of
from core.light import light
from invoices import retry
from invoices.attempts import Held, Wanted
from invoices.payments import FEED, TRANSACTION, intend
from invoices.states import TRANSACTION_MOVES
from tasks.outcome import DEADLINE, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from audit.record import Heads

FAILURE_LIMIT = 20  # How many failures a transaction shows; every one of them is an event as well.
ABSENT_LIMIT = 4  # Looks that must all say "not there" before a person is asked.

# How long an answer that is not there yet may take, and what is waited for at most.
DEFER_SECONDS = 10
DEFER_LIMIT_SECONDS = 300
MISCONFIGURED_SECONDS = 60

NOES = frozenset({Verdict.DECLINED, Verdict.REJECTED, Verdict.RETURNED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """When an attempt whose answer was lost, or is still to come, is asked for again."""

    lost_seconds: tuple[int, ...]  # After each look; past the last one a person is asked.
    pending_seconds: int


@light(frozen=True, slots=True, kw_only=True)
class Step:
    """What one outcome does to its attempt and its feed; `fact` is the move's name."""

    held: Held
    outcome: Outcome
    state: str
    fact: str = ""
    due_in_seconds: float | None = None
    look_in_seconds: float | None = None
    live: int = 0
    captured: int = 0
    returned: int = 0
    refunded: int = 0
    feed_state: str = ""
    unlooked: int = 0  # 1 where a look never reached the processor, so it does not count.
    moved: int | None = None
    retry_at: datetime | None = None

    @property
    def touches_feed(self) -> bool:
        """Return whether the feed's sums or state change."""
        return bool(self.live or self.captured or self.returned or self.refunded or self.feed_state)


@light(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the caller may act on: how the attempt and its feed now stand."""

    held: Held
    outcome: Outcome
    state: str
    feed_state: str  # Empty where the feed did not change.
    retry_at: datetime | None


def settle(
    results: Sequence[tuple[Held, Outcome]],
    *,
    heads: Heads,
    now: datetime,
    looks: Looks,
    listeners: Collection[Any] = (),
    over: Collection[Any] = (),
) -> list[Settled]:
    """Write outcomes and all that follows within their feeds; returns those that took effect.

    The trails must be locked (`heads`), inside a transaction that the caller commits. `over` are
    the trails of canceled schedulers: what is under way is recorded, and nothing is tried again.
    """
    steps = [
        step(
            replace(held, step=None) if held.trail_id in over else held,
            outcome,
            now=now,
            looks=looks,
        )
        for held, outcome in results
    ]
    taken = _move_attempts(steps, now=now)
    feed_states = _move_feeds([each for each in taken if each.touches_feed])
    record(
        [fact for each in taken for fact in _facts(each, feed_states.get(each.held.feed_id))],
        heads=heads,
        now=now,
        listeners=listeners,
    )
    intend([_retry(each) for each in taken if each.retry_at is not None], lease_seconds=0, now=now)
    return [
        Settled(
            held=each.held,
            outcome=each.outcome,
            state=each.state,
            feed_state=feed_states.get(each.held.feed_id, ("", ""))[1],
            retry_at=each.retry_at,
        )
        for each in taken
    ]


def step(held: Held, outcome: Outcome, *, now: datetime, looks: Looks) -> Step:
    """Return what an outcome does. Every branch of the protocol's table is here."""
    verdict = outcome.verdict
    if held.state == "succeeded" and verdict == Verdict.DECLINED:
        verdict = Verdict.RETURNED  # A bank brought back what it had paid.
    elif (
        held.state == "succeeded" and verdict != Verdict.RETURNED
    ):  # That is known, and only a return could change it.
        return _undecided(held, outcome, looks=looks)
    if verdict == Verdict.SUCCEEDED:
        return _succeeded(held, outcome)
    if verdict == Verdict.PENDING:
        fact = "" if held.state == "pending" else "pending"
        return Step(
            held=held,
            outcome=outcome,
            state="pending",
            fact=fact,
            look_in_seconds=looks.pending_seconds,
        )
    if verdict in NOES and str(verdict) in TRANSACTION_MOVES[held.state]:
        return _failed(held, outcome, verdict, now=now)
    if verdict == Verdict.CONFLICT and "parked" in TRANSACTION_MOVES[held.state]:
        return Step(held=held, outcome=outcome, state="parked", fact="parked")
    return _undecided(held, outcome, looks=looks)


def _succeeded(held: Held, outcome: Outcome) -> Step:
    charged = held.amount if held.kind in {"debit", "credit"} else 0
    return Step(
        held=held,
        outcome=outcome,
        state="succeeded",
        fact="succeeded",
        moved=held.moved,
        live=-charged,
        captured=charged,
        refunded=held.amount - charged,
    )


def _failed(held: Held, outcome: Outcome, verdict: Verdict, *, now: datetime) -> Step:
    """Return a proven no: the next attempt is planned here, or none is."""
    failed = Step(held=held, outcome=outcome, state=str(verdict), fact=str(verdict))
    if held.kind in {"refund", "reversal"}:
        if verdict == Verdict.RETURNED:  # What was given back came back: it may be given again.
            return replace(failed, refunded=-held.amount, moved=-held.moved)
        return failed
    retry_at = None if verdict == Verdict.REJECTED else _retry_at(held, outcome, now=now)
    if verdict == Verdict.RETURNED:
        failed = replace(failed, returned=held.amount, moved=-held.moved)
    else:
        failed = replace(failed, live=-held.amount)
    if retry_at is None:
        return replace(failed, feed_state="uncollected")
    return replace(failed, live=failed.live + held.amount, retry_at=retry_at)


def _undecided(held: Held, outcome: Outcome, *, looks: Looks) -> Step:
    """Return an attempt that was not sent to the queue, or one that is unknown to its next look."""
    unsent = outcome.verdict in {Verdict.NOT_SENT, Verdict.BUSY, Verdict.MISCONFIGURED}
    if unsent and held.fresh:
        return Step(
            held=held,
            outcome=outcome,
            state="queued",
            fact="" if held.failure_count or outcome.code == DEADLINE else "deferred",
            due_in_seconds=_pause_seconds(held, outcome),
        )
    if held.state in {"pending", "succeeded"}:  # Asked again, and no answer: ask again later.
        return Step(
            held=held,
            outcome=outcome,
            state=held.state,
            look_in_seconds=looks.pending_seconds,
        )
    absent = outcome.verdict == Verdict.ABSENT and held.looks >= ABSENT_LIMIT
    looked = not unsent  # A look that never reached the processor is none.
    if absent or (looked and held.looks >= len(looks.lost_seconds)):
        return Step(held=held, outcome=outcome, state="parked", fact="parked")
    return Step(
        held=held,
        outcome=outcome,
        state="unknown",
        fact="unknown" if held.state == "intent" else "",
        unlooked=int(unsent),
        look_in_seconds=_look_seconds(held, outcome, looks=looks),
    )


def _look_seconds(held: Held, outcome: Outcome, *, looks: Looks) -> float:
    if outcome.code == DEADLINE:  # Nobody looked yet.
        return 0
    planned = looks.lost_seconds[min(held.looks, len(looks.lost_seconds) - 1)]
    return max(planned, outcome.retry_after_seconds)


def _pause_seconds(held: Held, outcome: Outcome) -> float:
    if outcome.code == DEADLINE:  # No call was begun, so there is nothing to wait for.
        return 0
    if outcome.verdict == Verdict.MISCONFIGURED:
        return MISCONFIGURED_SECONDS
    growing = float(DEFER_SECONDS << min(held.failure_count, 10))
    return max(min(growing, DEFER_LIMIT_SECONDS), outcome.retry_after_seconds)


def _retry_at(held: Held, outcome: Outcome, *, now: datetime) -> datetime | None:
    if held.step is None:  # A person tried it by hand: that has no place in the plan.
        return None
    kind = "payout" if held.kind == "credit" else held.instrument_kind
    planned = retry.after(
        policy=retry.Policy.parse(held.terms.get("retry", {})),
        refusal=retry.Refusal(kind=kind, code=outcome.code, hard=outcome.hard),
        step=held.step,
        first_declined_at=held.opened_at,
        now=now,
        time_zone=str(held.terms.get("time_zone", "UTC")),
    )
    return planned.due_at if planned is not None else None


def _retry(each: Step) -> Wanted:
    assert each.retry_at is not None  # noqa: S101  # Chosen by the caller.
    following = replace(each.held, lease_token=None).next_attempt()
    return following.wanted(due_at=each.retry_at)


def _facts(each: Step, feed: tuple[str, str] | None) -> list[Fact]:
    """Return what an outcome says for ever: of the attempt, of its next one, of the feed."""
    held, outcome = each.held, each.outcome
    said: dict[str, Any] = {"amount": held.amount, "attempt": held.attempt}
    said |= {
        name: value
        for name, value in (
            ("uri", outcome.uri),
            ("code", outcome.code),
            ("reason", outcome.reason[:500]),
        )
        if value
    }
    facts = []
    if each.fact:
        facts.append(_fact(held, f"{held.kind}.{each.fact}", said, moved=each.moved))
    if feed is not None and feed[0] == "settled" and feed[1] == "open":
        facts.append(_fact(held, "invoice.reopened", {"amount": held.amount}))
    if feed is not None and feed[1] == "uncollected":
        facts.append(_fact(held, "invoice.uncollected", {"attempts": held.attempt}))
    if each.retry_at is not None:
        planned = {"attempt": held.attempt + 1, "due_at": each.retry_at.isoformat()}
        facts.append(_fact(held, f"{held.kind}.queued", planned))
    return facts


def _fact(held: Held, kind: str, body: dict[str, Any], *, moved: int | None = None) -> Fact:
    return Fact(
        trail_id=held.trail_id,
        company_id=held.company_id,
        kind=kind,
        currency=held.currency,
        moved=moved,
        feed_id=held.feed_id,
        transaction_id=held.transaction_id,
        body=body,
        actor="billy",
        dedupe=f"{kind}/{held.label}",
    )


def _move_attempts(steps: Sequence[Step], *, now: datetime) -> list[Step]:
    """Write the attempts as they were seen; returns the steps of those that still were so."""
    rows = [
        (
            place,
            each.held.transaction_id,
            each.held.state,
            each.held.lease_token,
            each.state,
            each.outcome.uri or None,
            each.due_in_seconds,
            each.look_in_seconds,
            each.unlooked,
            _failure(each, now),
        )
        for place, each in enumerate(steps)
    ]
    given = table_of(ATTEMPT_COLUMNS, rows)
    landed = fetch(
        f"UPDATE {TRANSACTION} AS a SET state = v.state,"
        " processor_uri = coalesce(v.uri, a.processor_uri), updated_at = %s,"
        " lease_token = CASE WHEN v.state = 'unknown' THEN a.lease_token END,"
        " lease_until = CASE WHEN v.state = 'unknown' THEN clock_timestamp() END,"
        " due_at = coalesce(%s::timestamptz + make_interval(secs => v.due_in), a.due_at),"
        " next_look_at = clock_timestamp() + make_interval(secs => v.look_in),"
        " looks = greatest(a.looks - v.unlooked, 0),"
        " failures = CASE WHEN v.failure IS NULL OR jsonb_array_length(a.failures) >= %s"
        " THEN a.failures ELSE a.failures || v.failure END "
        f"FROM {given.sql} WHERE a.id = v.id AND a.state = v.before"
        " AND a.lease_token IS NOT DISTINCT FROM v.token RETURNING v.place",
        [now, now, FAILURE_LIMIT, *given.parameters],
    )
    return [steps[place] for (place,) in sorted(landed)]


def _failure(each: Step, now: datetime) -> str | None:
    well = each.state in {"succeeded", "pending", "voided"}
    if (well and each.outcome.verdict != Verdict.CONFLICT) or each.outcome.code == DEADLINE:
        return None
    failure = {
        "at": now.isoformat(),
        "code": each.outcome.code,
        "message": each.outcome.reason[:500],
        "verdict": str(each.outcome.verdict),
    }
    return canonical([failure])


def _move_feeds(steps: Sequence[Step]) -> dict[Any, tuple[str, str]]:
    """Add to the feeds' sums and move their states; returns (before, after) of each."""
    if not steps:
        return {}
    sums: dict[Any, list[Any]] = {}
    for each in steps:  # Two refunds of one invoice may come in one flush.
        row = sums.setdefault(each.held.feed_id, [0, 0, 0, 0, ""])
        changes = (each.live, each.captured, each.returned, each.refunded)
        row[:4] = [before + change for before, change in zip(row, changes, strict=False)]
        row[4] = each.feed_state or row[4]
    ids = sorted(sums)
    rows = [(place, identity, *sums[identity]) for place, identity in enumerate(ids)]
    given = table_of(FEED_COLUMNS, rows)
    moved = fetch(
        f"UPDATE {FEED} AS f SET live = f.live + v.live, captured = f.captured + v.captured,"
        " returned = f.returned + v.returned, refunded = f.refunded + v.refunded,"
        " state = CASE"
        " WHEN f.state NOT IN ('open', 'settled', 'uncollected', 'parked') THEN f.state"
        " WHEN f.captured + v.captured - f.returned - v.returned + f.applied + f.credited = f.total"
        " THEN 'settled' WHEN f.state = 'settled' THEN 'open'"
        " WHEN v.state <> '' THEN v.state ELSE f.state END "
        f"FROM {given.sql} JOIN {FEED} AS old ON old.id = v.id"
        " WHERE f.id = v.id RETURNING v.place, old.state, f.state",
        given.parameters,
    )
    return {ids[place]: (before, after) for place, before, after in moved}


ATTEMPT_COLUMNS = {
    "place": "integer",
    "id": "uuid",
    "before": "text",
    "token": "bigint",
    "state": "text",
    "uri": "text",
    "due_in": "float8",
    "look_in": "float8",
    "unlooked": "integer",
    "failure": "jsonb",
}
FEED_COLUMNS = {
    "place": "integer",
    "id": "uuid",
    "live": "bigint",
    "captured": "bigint",
    "returned": "bigint",
    "refunded": "bigint",
    "state": "text",
}
