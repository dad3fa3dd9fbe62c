"""Subscribers from a table: rows become customers, instruments and schedulers, batch by batch.

Each row stands or falls alone and is named by its line. What is there already, by its
`external_id`, is left as it is, so an import that was cut off is simply run again. Memory does not
grow with the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from accounts import open as opening
from accounts.models import Company, Customer, FundingInstrument
from core import check
from core.frequency import Frequency
from core.invalid import Invalid
from plans.models import Payout, Plan
from plans.offer import FIXED_TASKS
from schedulers.models import Scheduler
from schedulers.subscribe import CATCH_UPS, Subscription, drafted, insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from processors.base import Processor

COLUMNS = (
    "external_id",
    "name",
    "email",
    "plan",
    "direction",
    "amount",
    "currency",
    "frequency",
    "interval",
    "started_at",
    "time_zone",
    "ends_after",
    "funding_instrument_uri",
    "catch_up",
)
BATCH_SIZE = 200
MOST_DIGITS = 20  # Beyond the largest amount; a longer text is not even read as a number.
TRIES = 3  # Another import of the same file may run at the same time.

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One row, read and checked as far as it goes by itself."""

    line: int
    external_id: str
    name: str
    email: str
    plan: str
    direction: str
    amount: int
    currency: str
    frequency: Frequency
    interval: int
    started_at: datetime | date
    time_zone: str
    ends_after: int | None
    uri: str
    catch_up: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A row that was not imported: its line, and what is wrong with which field."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a batch of rows."""

    added: int
    known: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Who imports, through what, and whether anything is written at all."""

    company: Company
    processor: Processor
    calls_at_once: int
    dry_run: bool = False


def import_rows(
    rows: Iterable[tuple[int, Row | Invalid]], *, into: Import, now: datetime
) -> Iterator[Imported]:
    """Import rows, given with their lines; yields what became of each batch, as it is done."""
    plans: dict[str, Plan] = {}
    for batch in _batches(rows):
        yield _imported(batch, plans=plans, into=into, now=now)


def read(line: int, row: Row | Invalid) -> Wanted:
    """Return a row, read; raises Invalid that names every field that is not sound."""
    if isinstance(row, Invalid):
        raise row
    problems: list[Invalid] = []
    values: dict[str, Any] = {}
    for name, reader in READERS.items():
        try:
            values[name] = reader(row.get(name, "").strip())
        except Invalid as problem:
            problems.append(problem)
    if problems:
        raise Invalid.combined(problems)
    values["uri"] = values.pop("funding_instrument_uri")
    return Wanted(line=line, **values)


def _batches(
    rows: Iterable[tuple[int, Row | Invalid]],
) -> Iterator[list[tuple[int, Row | Invalid]]]:
    batch: list[tuple[int, Row | Invalid]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_SIZE:
            yield batch
            batch = []
    if batch:
        yield batch


def _imported(
    batch: Sequence[tuple[int, Row | Invalid]],
    *,
    plans: dict[str, Plan],
    into: Import,
    now: datetime,
) -> Imported:
    refused: list[Refused] = []
    wanted: dict[str, Wanted] = {}
    for line, row in batch:
        try:
            each = read(line, row)
            _only_once(each, wanted)
        except Invalid as invalid:
            refused.append(Refused(line=line, reason=str(invalid)))
        else:
            wanted[each.external_id] = each
    for tried in range(1, TRIES + 1):
        try:
            added, known, more = _written(wanted, plans=plans, into=into, now=now)
            break
        except IntegrityError:
            if tried == TRIES:
                raise
    return Imported(
        added=added,
        known=known,
        refused=tuple(sorted([*refused, *more], key=lambda each: each.line)),
    )


def _only_once(each: Wanted, wanted: Mapping[str, Wanted]) -> None:
    if each.external_id in wanted:
        raise Invalid(external_id=f"is already on line {wanted[each.external_id].line}")


def _written(
    wanted: Mapping[str, Wanted], *, plans: dict[str, Plan], into: Import, now: datetime
) -> tuple[int, int, list[Refused]]:
    """Write what is new: customers first, then instruments over the wire, then schedulers.

    `plans` are those that were met so far, by name: a dry run writes none, and must remember.
    """
    there = set(
        Scheduler.objects.filter(company=into.company, external_id__in=list(wanted)).values_list(
            "external_id", flat=True
        )
    )
    new = [each for name, each in wanted.items() if name not in there]
    refused: list[Refused] = []
    planned: list[tuple[Wanted, Plan]] = []
    for each in new:
        try:
            if each.plan not in plans:
                plans[each.plan] = _plan(each, into=into, now=now)
            planned.append((each, _agreeing(plans[each.plan], each)))
        except Invalid as invalid:
            refused.append(Refused(line=each.line, reason=str(invalid)))
    customers = _customers([each for each, _ in planned], into=into, now=now)
    instruments = _instruments([each for each, _ in planned], customers, into=into, now=now)
    schedulers = []
    for each, plan in planned:
        try:
            instrument = instruments.get(each.external_id)
            if isinstance(instrument, Invalid):
                raise instrument
            subscription = _subscription(each, plan, customers[each.external_id], instrument)
            schedulers.append(drafted(subscription, now=now))
        except Invalid as invalid:
            refused.append(Refused(line=each.line, reason=str(invalid)))
    if not into.dry_run:
        insert(schedulers, now=now)
    return len(schedulers), len(there), refused


def _subscription(
    each: Wanted, plan: Plan, customer: Customer, instrument: FundingInstrument | None
) -> Subscription:
    return Subscription(
        plan=plan,
        customer=customer,
        instrument=instrument,
        amount=each.amount,
        started_at=each.started_at,
        trial_period=0,  # Whoever is imported has had theirs.
        time_zone=each.time_zone,
        ends_after=each.ends_after,
        external_id=each.external_id,
        catch_up=each.catch_up,
        without_instrument="invoice",
    )


def _plan(each: Wanted, *, into: Import, now: datetime) -> Plan:
    """Return the plan of this name, made with the row's terms where there is none yet."""
    found = _plan_named(each.plan, into.company)
    if found is None:
        kind = Payout if each.direction == "credit" else Plan
        terms: dict[str, Any] = {
            "amount": each.amount,
            "currency": each.currency,
            "frequency": each.frequency,
            "interval": each.interval,
            "description": each.plan,
        }
        if into.dry_run:
            task = FIXED_TASKS[each.direction]
            return kind(company=into.company, direction=each.direction, task=task, **terms)
        try:
            return kind.create(company=into.company, external_id=each.plan, now=now, **terms)
        except Invalid:
            # Another import of the same file may have made it meanwhile.
            found = _plan_named(each.plan, into.company)
            if found is None:
                raise
    found.company = into.company
    return found


def _plan_named(name: str, company: Company) -> Plan | None:
    return Plan.objects.filter(company=company, external_id=name).first()


def _agreeing(plan: Plan, each: Wanted) -> Plan:
    """Return the plan, if the row says the same of it; amounts may differ, the rest may not."""
    for name in ("direction", "currency", "frequency", "interval"):
        if getattr(plan, name) != getattr(each, name):
            raise Invalid({name: f"is {getattr(plan, name)} in the plan of this name"})
    return plan


def _customers(wanted: Sequence[Wanted], *, into: Import, now: datetime) -> dict[str, Customer]:
    """Return the customers of the rows, those of an import that was cut off included."""
    names = [each.external_id for each in wanted]
    found = {
        each.external_id: each
        for each in Customer.objects.filter(company=into.company, external_id__in=names)
    }
    for each in found.values():
        each.company = into.company
    made = [
        Customer.drafted(
            name=each.name,
            email=each.email,
            external_id=each.external_id,
            time_zone="",
            company=into.company,
            now=now,
        )
        for each in wanted
        if each.external_id not in found
    ]
    if made and not into.dry_run:
        with transaction.atomic():
            Customer.insert(made, now=now)
    return {str(each.external_id): each for each in [*found.values(), *made]}


def _instruments(
    wanted: Sequence[Wanted], customers: Mapping[str, Customer], *, into: Import, now: datetime
) -> dict[str, FundingInstrument | Invalid]:
    """Return each row's instrument, or what is wrong with it; nothing is asked in a dry run."""
    asked = [each for each in wanted if each.uri]
    if not asked or into.dry_run:
        return {}
    results = opening.instruments(
        [(customers[each.external_id], each.uri) for each in asked],
        processor=into.processor,
        now=now,
        calls_at_once=into.calls_at_once,
    )
    return {each.external_id: result for each, result in zip(asked, results, strict=True)}


def _whole(field: str, *, minimum: int, maximum: int) -> Any:  # A reader.
    def reader(value: str) -> int:
        is_number = value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS
        return check.whole(field, int(value) if is_number else -1, minimum=minimum, maximum=maximum)

    return reader


def _started_at(value: str) -> datetime | date:
    try:
        if len(value) == len("2026-01-01"):
            return date.fromisoformat(value)
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise Invalid(started_at="must be RFC 3339, such as 2026-01-01T00:00:00Z") from None
    if instant.tzinfo is None:
        raise Invalid(started_at="must have a time zone, such as 2026-01-01T00:00:00Z")
    return instant


def _optional(reader: Any, default: Any) -> Any:  # Readers of one field each.
    return lambda value: reader(value) if value else default


READERS: dict[str, Any] = {
    "external_id": lambda value: check.text("external_id", value, limit=128, is_required=True),
    "name": lambda value: check.text("name", value, limit=128),
    "email": lambda value: check.text("email", value, limit=254),
    "plan": lambda value: check.text("plan", value, limit=128, is_required=True),
    "direction": lambda value: check.one_of("direction", value, ("debit", "credit")),
    "amount": _whole("amount", minimum=1, maximum=2**53 - 1),
    "currency": lambda value: check.currency("currency", value),
    "frequency": Frequency.parse,
    "interval": _optional(_whole("interval", minimum=1, maximum=10_000), 1),
    "started_at": _started_at,
    "time_zone": _optional(lambda value: check.zone("time_zone", value), ""),
    "ends_after": _optional(_whole("ends_after", minimum=1, maximum=10**9), None),
    "funding_instrument_uri": lambda value: check.text("funding_instrument_uri", value, limit=200),
    "catch_up": _optional(lambda value: check.one_of("catch_up", value, CATCH_UPS), "auto"),
}
