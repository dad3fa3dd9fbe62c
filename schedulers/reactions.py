"""What a settled attempt means for its scheduler: past due, recovered, stopped, or a follow-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accounts.models import Customer, FundingInstrument
from audit.chain import Fact
from audit.record import record
from audit.sets import array, execute, fetch, update
from invoices.retry import Policy
from schedulers.follow_ups import start_follow_ups
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
ENDS = {"pause": "paused", "cancel": "canceled", "leave": "", "uncollectible": ""}


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


def react(settled: Sequence[Settled], *, locked: Locked, heads: Heads, now: datetime) -> None:
    """Move schedulers, mark instruments, start follow-ups, within the caller's transaction."""
    _mark_instruments(settled, heads=heads, now=now)
    moves = {
        each.held.trail_id: (after, each)
        for each in settled
        if (after := _after(each, locked.get(each.held.trail_id, ("", 0))[0]))
    }
    recovering = [trail for trail, (after, _) in moves.items() if after == "active"]
    for trail in _still_owing(recovering):
        del moves[trail]
    _move(moves, locked=locked, heads=heads, now=now)
    start_follow_ups(settled, heads=heads, now=now)


def _after(each: Settled, state: str) -> str:
    """Return the state that the scheduler moves to, or nothing."""
    after = ""
    if each.held.kind in CHARGES and state:
        if each.state in {"declined", "rejected", "returned"}:
            after = _after_no(each)
        elif each.state == "succeeded" and state == "past_due":
            after = "active"
    return after if after in SCHEDULER_MOVES.get(state, ()) else ""


def _after_no(each: Settled) -> str:
    if each.retry_at is not None:
        return "past_due"
    if each.state == "rejected":
        return "errored"
    if each.held.kind == "credit":
        return "held"  # A bank account that cannot be paid into: replace it, then go on.
    return ENDS[Policy.parse(each.held.terms.get("retry", {})).end]


def _still_owing(schedulers: Collection[UUID]) -> set[UUID]:
    """Return those that have another charge being tried again."""
    if not schedulers:
        return set()
    rows = fetch(
        "SELECT DISTINCT f.trail_id FROM billy_invoices_auditfeed f"
        " JOIN billy_invoices_transaction a ON a.feed_id = f.id"
        " WHERE f.trail_id = ANY(%s::uuid[]) AND f.state = 'open' AND a.state = 'queued'"
        " AND a.attempt > 1",
        [array("uuid", sorted(schedulers))],
    )
    return {row[0] for row in rows}


def _move(
    moves: dict[UUID, tuple[str, Settled]], *, locked: Locked, heads: Heads, now: datetime
) -> None:
    rows, facts = [], []
    for trail, (after, each) in moves.items():
        before, version = locked[trail]
        reason = "" if after == "active" else (each.outcome.reason or each.state)[:500]
        rows.append((trail, after, reason, version + 1, now, now if after == "canceled" else None))
        facts.append(
            Fact(
                trail_id=trail,
                company_id=each.held.company_id,
                kind="scheduler.recovered" if after == "active" else f"scheduler.{after}",
                currency=each.held.currency,
                feed_id=each.held.feed_id,
                body={"from": before, "reason": reason},
                dedupe=f"state/{version + 1}",
            )
        )
    update(Scheduler._meta.db_table, MOVE_COLUMNS, rows, key="id")
    record(facts, heads=heads, now=now)


def _mark_instruments(settled: Sequence[Settled], *, heads: Heads, now: datetime) -> None:
    """Mark what must not be used again: lost, stolen or closed, refused, or not payable."""
    failed = {
        each.held.instrument_id: each
        for each in settled
        if each.held.instrument_id is not None and _spoils(each)
    }
    if not failed:
        return
    marked = fetch(
        f"UPDATE \"{FundingInstrument._meta.db_table}\" SET state = 'errored', updated_at = %s"
        " WHERE id = ANY(%s::uuid[]) AND state = 'active' RETURNING id",
        [now, array("uuid", sorted(failed))],
    )
    facts = []
    for (identity,) in marked:
        held, outcome = failed[identity].held, failed[identity].outcome
        execute(
            f'UPDATE "{FundingInstrument._meta.db_table}" SET reason = %s WHERE id = %s',
            [(outcome.reason or outcome.code)[:500], identity],
        )
        customer = Customer.objects.select_related("company").get(pk=held.customer_id)
        body: dict[str, Any] = {"instrument": str(identity), "code": outcome.code}
        name = f"instrument.errored/{held.transaction_id.hex}"
        facts.append(customer.fact("instrument.errored", body, dedupe=name))
    record(facts, heads=heads, now=now)


def _spoils(each: Settled) -> bool:
    no = each.state in {"declined", "rejected", "returned"}
    charge = each.held.kind in CHARGES
    return (
        no
        and charge
        and (each.outcome.hard or each.state == "rejected" or each.held.kind == "credit")
    )


MOVE_COLUMNS = {
    "id": "uuid",
    "state": "text",
    "reason": "text",
    "version": "bigint",
    "updated_at": "timestamptz",
    "canceled_at": "timestamptz",
}
