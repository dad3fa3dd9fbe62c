"""What a settled attempt means for its scheduler: past due, recovered, stopped, or a follow-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts.models import FundingInstrument
from audit.chain import Fact
from audit.record import record
from audit.sets import array, fetch, table_of, update
from core.ids import PREFIXES, guid
from invoices.retry import Policy
from invoices.states import LIVE
from invoices.void import void_queued
from schedulers.follow_ups import hold_back, start_follow_ups
from schedulers.models import Scheduler
from schedulers.states import SCHEDULER_MOVES
from tasks.outcome import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from audit.record import Heads
    from invoices.attempts import Held
    from invoices.settle import Settled

    Locked = dict[UUID, tuple[str, int]]

NOES = frozenset({Verdict.DECLINED, Verdict.REJECTED, Verdict.RETURNED})
CHARGES = frozenset({"debit", "credit"})
# What the end of dunning means. "active" is where the invoice is given up and the scheduler is not.
ENDS = {"pause": "paused", "cancel": "canceled", "leave": "active", "uncollectible": "active"}
# Refusals that name the instrument itself; others are no fault of a card or bank account.
OF_INSTRUMENTS = frozenset(
    {
        "not-found",
        "funding-source-not-debitable",
        "funding-destination-not-creditable",
        "card-not-validated",
        "card-not-valid",
        "bank-account-not-valid",
        "invalid-routing-number",
        "invalid-bank-account-number",
    }
)
# Where several invoices of a scheduler are decided at once, what stops it wins.
WEIGHTS = ("active", "past_due", "paused", "held", "errored", "canceled")


def concerned(results: Iterable[tuple[Held, Outcome]]) -> set[UUID]:
    """Return the schedulers that may change state: an ordinary success concerns none."""
    return {
        held.trail_id
        for held, outcome in results
        if held.occurrence is not None and (outcome.verdict in NOES or held.attempt > 1)
    }


def trails(results: Iterable[tuple[Held, Outcome]]) -> set[UUID]:
    """Return the trails that must be locked: the feeds', and of those whose instrument failed."""
    found = set()
    for held, outcome in results:
        found.add(held.trail_id)
        if outcome.verdict in NOES:
            found.add(held.customer_id)
    return found


def lock(schedulers: Collection[UUID]) -> Locked:
    """Lock schedulers in the order of their ids; returns the state and version of each."""
    if not schedulers:
        return {}
    rows = fetch(
        f'SELECT id, state, version FROM "{Scheduler._meta.db_table}"'
        " WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE",
        [array("uuid", sorted(schedulers))],
    )
    return {identity: (state, version) for identity, state, version in rows}


def react(
    settled: Sequence[Settled],
    *,
    locked: Locked,
    heads: Heads,
    now: datetime,
    listeners: Collection[UUID] = (),
) -> None:
    """Move schedulers, mark instruments, start follow-ups, within the caller's transaction."""
    facts = _mark_instruments(settled, now=now)
    moves = _moves(settled, locked)
    recovering = [trail for trail, (after, _) in moves.items() if after == "active"]
    for trail in still_owing(recovering):
        del moves[trail]
    over = [trail for trail, (after, _) in moves.items() if after == "canceled"]
    facts += void_queued(over, now=now) if over else []
    facts += _move(moves, locked=locked, now=now)
    facts += start_follow_ups(settled, heads=heads, now=now)
    facts += hold_back(settled, heads=heads, now=now)
    record(facts, heads=heads, now=now, listeners=listeners)


def _moves(settled: Sequence[Settled], locked: Locked) -> dict[UUID, tuple[str, Settled]]:
    """Return the state that each scheduler moves to, with the outcome that says so."""
    moves: dict[UUID, tuple[str, Settled]] = {}
    for each in settled:
        trail = each.held.trail_id
        after = _after(each, locked.get(trail, ("", 0))[0])
        before = moves.get(trail)
        if after and (before is None or WEIGHTS.index(after) > WEIGHTS.index(before[0])):
            moves[trail] = (after, each)
    return moves


def _after(each: Settled, state: str) -> str:
    """Return the state that the scheduler moves to, or nothing."""
    after = ""
    if each.held.kind in CHARGES and state:
        if each.state in {"declined", "rejected", "returned"}:
            after = _after_no(each)
        elif each.state == "succeeded" and state == "past_due":
            after = "active"
    if after == "active" and state != "past_due":
        return ""  # A pause is ended by a person, not by an invoice that was given up.
    return after if after in SCHEDULER_MOVES.get(state, ()) else ""


def _after_no(each: Settled) -> str:
    if each.retry_at is not None:
        return "past_due"
    if each.state == "rejected":
        return "errored" if each.held.kind == "debit" else "held"
    if each.held.step is None:
        return ""  # Tried by hand: the person who did so decides what follows.
    if each.held.kind == "credit":
        return "held"  # A bank account that cannot be paid into: replace it, then go on.
    return ENDS[Policy.parse(each.held.terms.get("retry", {})).end]


def still_owing(schedulers: Collection[UUID]) -> set[UUID]:
    """Return those that have another charge being tried again."""
    if not schedulers:
        return set()
    rows = fetch(
        "SELECT DISTINCT f.trail_id FROM billy_invoices_auditfeed f"
        " JOIN billy_invoices_transaction a ON a.feed_id = f.id"
        " WHERE f.trail_id = ANY(%s::uuid[]) AND f.kind = 'period' AND f.state = 'open'"
        " AND a.attempt > 1"
        " AND a.state = ANY(%s::text[])",
        [array("uuid", sorted(schedulers)), array("text", sorted(LIVE))],
    )
    return {row[0] for row in rows}


def _move(moves: dict[UUID, tuple[str, Settled]], *, locked: Locked, now: datetime) -> list[Fact]:
    rows, facts = [], []
    for trail, (after, each) in moves.items():
        before, version = locked[trail]
        reason = "" if after == "active" else (each.outcome.reason or each.state)[:500]
        rows.append((trail, after, reason, version + 1, now, now if after == "canceled" else None))
        facts.append(
            Fact(
                trail_id=trail,
                company_id=each.held.company_id,
                kind=_kind(after, each),
                currency=each.held.currency,
                feed_id=each.held.feed_id,
                body={"from": before, "reason": reason},
                dedupe=f"state/{version + 1}",
            )
        )
    update(Scheduler._meta.db_table, MOVE_COLUMNS, rows, key="id")
    return facts


def _kind(after: str, each: Settled) -> str:
    """Return what is told: recovered is paid, resumed is given up on one invoice and going on."""
    if after != "active":
        return f"scheduler.{after}"
    return "scheduler.recovered" if each.state == "succeeded" else "scheduler.resumed"


def _mark_instruments(settled: Sequence[Settled], *, now: datetime) -> list[Fact]:
    """Mark what must not be used again: lost, stolen or closed, refused, or not payable."""
    failed = {
        each.held.instrument_id: each
        for each in settled
        if each.held.instrument_id is not None and _spoils(each)
    }
    if not failed:
        return []
    rows = [
        (identity, (each.outcome.reason or each.outcome.code)[:500])
        for identity, each in sorted(failed.items())
    ]
    given = table_of(MARK_COLUMNS, rows)
    marked = fetch(
        f"UPDATE \"{FundingInstrument._meta.db_table}\" AS i SET state = 'errored',"
        f" reason = v.reason, updated_at = %s FROM {given.sql}"
        " WHERE i.id = v.id AND i.state = 'active' RETURNING i.id",
        [now, *given.parameters],
    )
    return [_marked(identity, failed[identity]) for (identity,) in marked]


def _marked(identity: UUID, each: Settled) -> Fact:
    """Return the fact of the customer's trail that an instrument failed for good."""
    return Fact(
        trail_id=each.held.customer_id,
        company_id=each.held.company_id,
        kind="instrument.errored",
        currency=each.held.currency,
        body={"instrument": guid(PREFIXES["instrument"], identity), "code": each.outcome.code},
        dedupe=f"instrument.errored/{each.held.transaction_id.hex}",
    )


def _spoils(each: Settled) -> bool:
    no = each.state in {"declined", "rejected", "returned"}
    charge = each.held.kind in CHARGES
    refused = each.state == "rejected" and each.outcome.code in OF_INSTRUMENTS
    unpayable = each.held.kind == "credit" and each.state != "rejected"
    return no and charge and (each.outcome.hard or refused or unpayable)


MOVE_COLUMNS = {
    "id": "uuid",
    "state": "text",
    "reason": "text",
    "version": "bigint",
    "updated_at": "timestamptz",
    "canceled_at": "timestamptz",
}
MARK_COLUMNS = {"id": "uuid", "reason": "text"}
