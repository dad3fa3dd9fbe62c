"""Years of past invoices, written at once: what the cycle would have left behind, row by row.

Ids, keys, fingerprints and hashes are made by the functions of production, so that the result is
as valid as if it had been lived through. The rows travel by COPY; foreign keys rest meanwhile.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from multiprocessing import get_context
from typing import Any

from django.db import connection, connections, transaction

from accounts.models import Company, Customer, FundingInstrument
from audit.chain import Fact, Head
from audit.record import EVENT_COLUMNS, event_of
from audit.sets import execute
from core.ids import uuid7
from core.money import Money
from invoices import opening
from invoices.naming import feed_id
from invoices.opening import FEED_COLUMNS, NewFeed
from plans.models import Plan
from schedulers.models import Scheduler
from schedulers.subscribe import Subscription, drafted, insert
from tasks.pricing import Line

START = datetime(2016, 1, 1, 12, tzinfo=UTC)
PEOPLE_AT_ONCE = 1_000
DECLINED_EACH = 20  # One charge in so many is declined first, and paid the day after.
COMPANIES = 4  # Each is filled in by a process of its own.
EVENTS = "billy_audit_auditevent"
FEEDS = "billy_invoices_auditfeed"
ATTEMPTS = "billy_invoices_transaction"
ATTEMPT_COLUMNS = (
    *("id", "company_id", "feed_id", "attempt", "step", "kind", "instrument_id"),
    *("statement_text", "key", "request_hash", "amount", "currency", "state", "due_at"),
    *("first_claimed_at", "looks", "processor_account", "processor_uri", "failures"),
    *("created_at", "updated_at"),
)


class Trail:
    """A chain in the making: facts become rows of events."""

    def __init__(self, identity: Any, seq: int, head: bytes) -> None:
        """Go on where the trail stands."""
        self.identity, self.head = identity, Head(seq, head)
        self.rows: list[Any] = []

    def tell(self, fact: Fact, at: datetime) -> None:
        """Chain a fact, as `audit.record` does."""
        row = event_of(fact, after=self.head, at=at)
        self.rows.append(row)
        told = dict(zip(EVENT_COLUMNS, row, strict=True))
        self.head = Head(told["seq"], told["hash"])


class Book:
    """Rows of one portion of schedulers, before they are copied."""

    def __init__(self, numbers: dict[Any, int]) -> None:
        """Go on with the companies' invoice numbers."""
        self.numbers = numbers
        self.events: list[Any] = []
        self.feeds: list[Any] = []
        self.attempts: list[list[Any]] = []
        self.ends: list[tuple[Any, ...]] = []

    def live(self, scheduler: Scheduler, trail: Trail, *, occurrences: int, lucky: int) -> None:
        """Let a scheduler open and settle its occurrences."""
        timer, version, starts = scheduler.timer(), 1, None
        for number in range(occurrences):
            starts = timer.occurrence(number)
            new = self._feed(scheduler, number, timer, starts, version)
            held = new.attempt(lease_token=None, now=starts)
            for fact in opening.facts(new):
                trail.tell(fact, starts)
            if (number + lucky) % DECLINED_EACH == 0:
                again = held.next_attempt()
                self._attempt(held, "declined", starts)
                for fact in _declined(held, version):
                    trail.tell(fact, starts)
                held, version = again, version + 2
            self._attempt(held, "succeeded", starts)
            trail.tell(_moved(held), starts + timedelta(hours=1))
            if held.attempt > 1:
                trail.tell(_recovered(held, version), starts + timedelta(hours=1))
            self._row(new, starts)
        self.events += trail.rows
        self.ends.append(
            (
                scheduler.pk,
                occurrences,
                timer.run_at(occurrences),
                version,
                trail.head.seq,
                trail.head.hash,
            )
        )

    def _feed(
        self, scheduler: Scheduler, number: int, timer: Any, starts: datetime, version: int
    ) -> NewFeed:
        instrument = scheduler.instrument
        assert instrument is not None
        terms = {"description": "hay", "task": scheduler.task, "time_zone": "UTC"}
        return NewFeed(
            id=feed_id(trail=scheduler.pk, due_at=starts, occurrence=number),
            company_id=scheduler.company_id,
            trail_id=scheduler.pk,
            customer_id=scheduler.customer_id,
            plan_id=scheduler.plan_id,
            occurrence=number,
            kind="period",
            direction="debit",
            period=timer.period(number),
            currency="USD",
            lines=(Line(description="hay", amount=Money(1000, "USD")),),
            terms=terms | {"version": version},
            due_at=starts,
            instrument_id=scheduler.instrument_id,
            instrument_kind="card",
            instrument_uri=instrument.uri,
            processor_account=scheduler.company.processor_account,
        )

    def _row(self, new: NewFeed, at: datetime) -> None:
        given = self.numbers[new.company_id] = self.numbers.get(new.company_id, 0) + 1
        row = dict(
            zip(FEED_COLUMNS, opening._row(new, series="INV", given=given, now=at), strict=True)
        )
        row |= {"live": 0, "captured": row["total"], "state": "settled"}
        self.feeds.append(row.values())

    def _attempt(self, held: Any, state: str, at: datetime) -> None:
        wanted = held.wanted(due_at=at)
        self.attempts.append(
            [
                wanted.id,
                wanted.company_id,
                wanted.feed_id,
                wanted.attempt,
                wanted.step,
                wanted.kind,
                wanted.instrument_id,
                "",
                wanted.key,
                wanted.request_hash,
                wanted.amount,
                wanted.currency,
                state,
                at,
                at,
                0,
                wanted.processor_account,
                f"/debits/WD{wanted.id.hex}",
                "[]",
                at,
                at,
            ]
        )


def fill(*, occurrences: int, each: int, told: Any = lambda *_: None) -> None:
    """Fill an empty migrated database; `each` is how many occurrences a scheduler has."""
    plans = [_plan(number) for number in range(COMPANIES)]
    people = occurrences // each // COMPANIES
    connections.close_all()  # No socket is shared between processes.
    portions = [
        get_context("fork").Process(target=_fill, args=(plan, number * people, people, each, told))
        for number, plan in enumerate(plans)
    ]
    for portion in portions:
        portion.start()
    for portion in portions:
        portion.join()
    if any(portion.exitcode for portion in portions):
        raise RuntimeError("a company was not filled in: drop the database and try again")
    execute(
        "INSERT INTO billy_invoices_numberseries (company_id, series, last)"
        f" SELECT company_id, 'INV', max(number) FROM {FEEDS} GROUP BY company_id"
    )
    connection.close()
    execute("SET statement_timeout = 0")
    execute("VACUUM ANALYZE")


def _fill(plan: Plan, first: int, count: int, each: int, told: Any) -> None:
    """Fill in one company: in a process of its own, since each has numbers of its own."""
    numbers: dict[Any, int] = {}
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        execute(f"SET {limit} = 0")  # On a busy machine a portion takes its time.
    for start in range(first, first + count, PEOPLE_AT_ONCE):
        some = min(PEOPLE_AT_ONCE, first + count - start)
        book = Book(numbers)
        for place, (scheduler, trail) in enumerate(_trails(_people(plan, start, some))):
            book.live(scheduler, trail, occurrences=each, lucky=start + place)
        _write(book)
        told(plan.company.name, (start + some - first) * each)
    connections.close_all()


def _plan(number: int) -> Plan:
    company = Company.create(
        name=f"Company {number}", processor_url="memory:", processor_key=f"key-{number}", now=START
    )
    Company.objects.filter(pk=company.pk).update(processor_account=f"memory:key-{number}")
    company.refresh_from_db()
    return Plan.create(
        company=company, amount=1000, description="hay", frequency="monthly", now=START
    )


def _people(plan: Plan, first: int, count: int) -> list[Scheduler]:
    """Put so many people on a plan, with the verbs of production, in sets."""
    company = plan.company
    people = [
        Customer.drafted(
            name=f"Customer {first + place}",
            email=f"customer-{first + place}@example.com",
            external_id=None,
            time_zone="",
            company=company,
            now=START,
        )
        for place in range(count)
    ]
    cards = [
        FundingInstrument(
            id=uuid7(now=START),
            company=company,
            customer=customer,
            uri=f"/cards/CC{first + place:020d}",
            kind="card",
            label="Visa xx1111",
            can_debit=True,
            can_credit=False,
            created_at=START,
            updated_at=START,
        )
        for place, customer in enumerate(people)
    ]
    schedulers = [
        drafted(Subscription(plan=plan, customer=customer, instrument=card), now=START)
        for customer, card in zip(people, cards, strict=True)
    ]
    with transaction.atomic():
        Customer.insert(people, now=START)
        FundingInstrument.objects.bulk_create(cards)
        insert(schedulers, now=START)
    return schedulers


def _trails(schedulers: list[Scheduler]) -> Iterator[tuple[Scheduler, Trail]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, head_seq, head_hash FROM billy_audit_audittrail WHERE id = ANY(%s::uuid[])",
            [[str(each.pk) for each in schedulers]],
        )
        heads = {identity: (seq, bytes(head)) for identity, seq, head in cursor.fetchall()}
    for scheduler in schedulers:
        yield scheduler, Trail(scheduler.pk, *heads[scheduler.pk])


def _fact(held: Any, kind: str, body: dict[str, Any], name: str = "", **more: Any) -> Fact:
    return Fact(
        trail_id=held.trail_id,
        company_id=held.company_id,
        kind=kind,
        currency=held.currency,
        feed_id=held.feed_id,
        body=body,
        dedupe=name or f"{kind}/{held.label}",
        **more,
    )


def _declined(held: Any, version: int) -> list[Fact]:
    said = {"amount": held.amount, "attempt": held.attempt, "code": "card-declined"}
    about = {"transaction_id": held.transaction_id}
    return [
        _fact(held, "debit.declined", said, **about),
        _fact(held, "debit.queued", {"attempt": held.attempt + 1}, **about),
        _fact(held, "scheduler.past_due", {"from": "active"}, f"state/{version + 1}"),
    ]


def _moved(held: Any) -> Fact:
    uri = f"/debits/WD{held.transaction_id.hex}"
    body = {"amount": held.amount, "attempt": held.attempt, "uri": uri}
    return _fact(
        held, "debit.succeeded", body, moved=held.moved, transaction_id=held.transaction_id
    )


def _recovered(held: Any, version: int) -> Fact:
    return _fact(held, "scheduler.recovered", {"from": "past_due"}, f"state/{version}")


def _write(book: Book) -> None:
    with transaction.atomic():
        execute("SET LOCAL session_replication_role = replica")
        _copy(EVENTS, EVENT_COLUMNS, book.events)
        _copy(FEEDS, FEED_COLUMNS, book.feeds)
        _copy(ATTEMPTS, ATTEMPT_COLUMNS, book.attempts)
        execute(
            "CREATE TEMPORARY TABLE ends (id uuid, occurrence bigint, next_run_at timestamptz,"
            " version bigint, seq bigint, head bytea) ON COMMIT DROP"
        )
        _copy("ends", ("id", "occurrence", "next_run_at", "version", "seq", "head"), book.ends)
        execute(
            "UPDATE billy_schedulers_scheduler s SET occurrence = e.occurrence,"
            " next_run_at = e.next_run_at, version = e.version FROM ends e WHERE e.id = s.id"
        )
        execute(
            "UPDATE billy_audit_audittrail t SET head_seq = e.seq, head_hash = e.head"
            " FROM ends e WHERE e.id = t.id"
        )


def _copy(table: str, columns: Any, rows: Any) -> None:
    text = StringIO("".join("\t".join(map(_text, row)) + "\n" for row in rows))
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor:
        cursor.copy_expert(f'COPY "{table}" ({names}) FROM STDIN', text)


def _text(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return f"\\\\x{value.hex()}"
    return str(value).replace("\\", "\\\\")
