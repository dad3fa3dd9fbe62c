"""A task that schedules another: a settled charge starts the seller's payout of a share.

The rule is data on the scheduler, copied into each feed's terms, so no custom code runs inside
the transaction that settles:

    {"role": "seller", "customer": "CU…", "instrument": "FI…", "share": 8500, "after_days": 7}

`share` is in basis points of what was captured, rounded half-even; `amount` (whole minor units)
may stand in its place.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.models import Customer, FundingInstrument
from audit.chain import EPOCH, Fact
from audit.record import begin
from audit.record import heads as lock_trails
from audit.sets import array, fetch, update
from core import check
from core.ids import PREFIXES, derived, guid, parse_guid
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT, Money
from schedulers.models import Scheduler
from tasks.kinds import FIXED_PAYOUT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from accounts.models import Company
    from audit.record import Heads
    from invoices.settle import Settled

TABLE = Scheduler._meta.db_table
MONEY_BACK = "the charge that started it came back"
STATES = {"returned": "paused", "succeeded": "active"}
MOVE_COLUMNS = {
    "id": "uuid",
    "state": "text",
    "reason": "text",
    "version": "bigint",
    "updated_at": "timestamptz",
}
WHOLE = 10_000  # Basis points.
MOST_FOLLOW_UPS = 20  # Sellers, fees and taxes of one charge; more is a mistake.
LONGEST_WAIT_DAYS = 366
TERMS = frozenset({"role", "customer", "instrument", "share", "amount", "after_days"})
NEEDED = frozenset({"role", "customer", "instrument", "after_days"})


def checked(value: object, *, company: Company) -> list[dict[str, Any]]:
    """Return follow-ups as they are stored: ids in place of guids; raises Invalid."""
    if not isinstance(value, (list, tuple)) or len(value) > MOST_FOLLOW_UPS:
        raise Invalid(follow_ups=f"must be a list of at most {MOST_FOLLOW_UPS} follow-ups")
    rules = [_checked(position, each, company) for position, each in enumerate(value)]
    if sum(rule.get("share", 0) for rule in rules) > WHOLE:
        raise Invalid(follow_ups=f"the shares must not add up to more than {WHOLE}")
    if len({rule["role"] for rule in rules}) < len(rules):
        raise Invalid(follow_ups="each must have a role of its own")
    return rules


def sound(rules: object) -> None:
    """Raise Invalid where rules as they are stored cannot be carried out."""
    known = isinstance(rules, list) and all(
        isinstance(rule, dict) and rule.keys() >= NEEDED and ("share" in rule or "amount" in rule)
        for rule in rules
    )
    if not known:
        raise Invalid(follow_ups="cannot be read")


def start_follow_ups(settled: Sequence[Settled], *, heads: Heads, now: datetime) -> list[Fact]:
    """Start the schedulers that settled charges ask for; returns the facts of their births.

    A charge that came back and was paid again has started them already: it starts none.
    """
    wanted = [
        child
        for each in settled
        if each.state == "succeeded" and each.held.kind == "debit"
        for rule in each.held.terms.get("follow_ups", ())
        if (child := _child(each, rule, now=now)) is not None
    ]
    if not wanted:
        return []
    started = Scheduler.objects.filter(pk__in=[child.pk for child in wanted])
    there = set(started.values_list("pk", flat=True))
    children = [child for child in wanted if child.pk not in there]
    heads |= begin([(child.pk, child.company_id, "scheduler") for child in children], now=now)
    Scheduler.objects.bulk_create(children)
    return [_born(child) for child in children]


def hold_back(settled: Sequence[Settled], *, heads: Heads, now: datetime) -> list[Fact]:
    """Stop payouts that were started by a debit whose money came back; start them when it is paid.

    Only those that have not run yet: what was paid out is for a person to ask back.
    """
    wanted = {
        (each.held.trail_id, each.held.occurrence): STATES[each.state]
        for each in settled
        if each.held.kind == "debit" and each.state in STATES and "follow_ups" in each.held.terms
    }
    if not any(each.state == "returned" or each.held.attempt > 1 for each in settled if wanted):
        return []
    found = fetch(
        f'SELECT id, parent_id, parent_occurrence, state, reason, version FROM "{TABLE}"'
        " WHERE parent_id = ANY(%s::uuid[]) AND occurrence = 0 ORDER BY id FOR NO KEY UPDATE",
        [array("uuid", sorted({trail for trail, _ in wanted}))],
    )
    moves = [
        (identity, after, version + 1)
        for identity, parent, occurrence, state, reason, version in found
        if (after := wanted.get((parent, occurrence), state)) != state
        and (state == "active" or (state, reason) == ("paused", MONEY_BACK))
    ]
    if not moves:
        return []
    heads |= lock_trails([identity for identity, _, _ in moves])
    reasons = {"paused": MONEY_BACK, "active": ""}
    rows = [(identity, after, reasons[after], version, now) for identity, after, version in moves]
    update(TABLE, MOVE_COLUMNS, rows, key="id")
    by_parent = {identity: parent for identity, parent, *_ in found}
    held = {each.held.trail_id: each.held for each in settled}
    return [
        Fact(
            trail_id=identity,
            company_id=held[by_parent[identity]].company_id,
            kind="scheduler.paused" if after == "paused" else "scheduler.resumed",
            currency=held[by_parent[identity]].currency,
            body={"reason": reasons[after]} if reasons[after] else {},
            dedupe=f"state/{version}",
        )
        for identity, after, version in moves
    ]


def _child(each: Settled, rule: dict[str, Any], *, now: datetime) -> Scheduler | None:
    """Return the one-off payout of a rule; its id is derived, so a rewind makes it again."""
    held = each.held
    amount = rule.get("amount")
    if amount is None:
        amount = Money(held.amount, held.currency).share_basis_points(rule["share"]).amount
    if amount < 1:
        return None
    starts_at = now + timedelta(days=rule["after_days"])
    return Scheduler(
        pk=child_id(held.trail_id, held.feed_id, held.occurrence, role=rule["role"]),
        company_id=held.company_id,
        customer_id=UUID(rule["customer"]),
        instrument_id=UUID(rule["instrument"]),
        task=FIXED_PAYOUT,
        params={"description": f"{held.terms.get('description', '')}: {rule['role']}"[:200]},
        direction="credit",
        amount=amount,
        currency=held.currency,
        frequency="daily",
        anchor_at=starts_at,
        time_zone=held.terms.get("time_zone", "UTC"),
        started_at=starts_at,
        next_run_at=starts_at,
        ends_after=1,
        state="active",
        catch_up="each",
        parent_id=held.trail_id if held.occurrence is not None else None,
        parent_occurrence=held.occurrence,
        role=rule["role"],
        created_at=now,
        updated_at=now,
    )


def child_id(trail: UUID, feed: UUID, occurrence: int | None, *, role: str) -> UUID:
    """Return the id of the scheduler that a settled feed starts in a role."""
    at = EPOCH + timedelta(milliseconds=feed.int >> 80)
    name = feed.hex if occurrence is None else occurrence
    return derived(at=at, parts=("scheduler", str(trail), name, role))


def _born(child: Scheduler) -> Fact:
    parent = guid(PREFIXES["scheduler"], child.parent_id) if child.parent_id else None
    return Fact(
        trail_id=child.pk,
        company_id=child.company_id,
        kind="scheduler.created",
        currency=child.currency,
        body={
            "task": child.task,
            "amount": child.amount,
            "parent": parent,
            "occurrence": child.parent_occurrence,
            "role": child.role,
        },
        dedupe="scheduler.created",
    )


def _checked(position: int, value: object, company: Company) -> dict[str, Any]:
    where = f"follow_ups[{position}]"
    if not isinstance(value, dict) or not TERMS.issuperset(value):
        raise Invalid({where: f"must be an object of {', '.join(sorted(TERMS))}"})
    if ("share" in value) == ("amount" in value):
        raise Invalid({where: "must have either a share in basis points or an amount"})
    name = "share" if "share" in value else "amount"
    most = WHOLE if name == "share" else LARGEST_AMOUNT
    rule = {name: check.whole(f"{where}.{name}", value[name], minimum=1, maximum=most)}
    company.check_amount(rule.get("amount"), direction="credit", field=f"{where}.amount")
    days = value.get("after_days", 0)
    rule["after_days"] = check.whole(
        f"{where}.after_days", days, minimum=0, maximum=LONGEST_WAIT_DAYS
    )
    role = check.text(f"{where}.role", value.get("role", "payee"), limit=40)
    payee = _found(Customer, value.get("customer"), "customer", where, company)
    account = _found(FundingInstrument, value.get("instrument"), "instrument", where, company)
    if account.customer_id != payee.pk or not account.can_credit:
        raise Invalid({f"{where}.instrument": "must be the payee's, and one that can be paid into"})
    return rule | {"role": role, "customer": str(payee.pk), "instrument": str(account.pk)}


def _found(
    model: Any, value: object, kind: str, where: str, company: Company
) -> Any:  # Either model.
    """Return the company's own row, given as itself or by its guid."""
    field = f"{where}.{kind}"
    found: Any = value
    if not isinstance(value, model):
        identity = parse_guid(str(value), PREFIXES[kind], field=field)
        found = model.objects.filter(pk=identity).first()
    if found is None or found.company_id != company.pk:
        raise Invalid({field: f"there is no such {kind}"})
    return found
