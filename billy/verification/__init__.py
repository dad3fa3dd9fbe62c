"""The invariants of all rooms, put to one snapshot of the database: `examine`.

Each room knows its own checks (`<room>/verify.py`). Here they are put together by the invariant
that they belong to, so that whoever asks gets one result for each.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import connection, transaction

import accounts.verify
import audit.verify
import invoices.verify
import plans.verify
import schedulers.verify
import webhooks.verify
from audit.findings import Check, Finding, Scope, Weight
from audit.sets import execute, fetch
from billy.verification import environment, generated, remote
from invoices.models import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

LARGE_ROWS: Final = 50_000
SHOWN: Final = 20  # Offenders of an invariant that are named; the count tells the rest.

CHECKS: Final[tuple[Check, ...]] = (
    *audit.verify.CHECKS,
    *accounts.verify.CHECKS,
    *plans.verify.CHECKS,
    *invoices.verify.CHECKS,
    *schedulers.verify.CHECKS,
    *webhooks.verify.CHECKS,
    *generated.CHECKS,
    *remote.CHECKS,
    *environment.CHECKS,
)

TITLES: Final = {
    "I1": "every occurrence was opened, none twice",
    "I2": "next runs and periods are what the timers say",
    "I3": "no two periods of a scheduler overlap",
    "I4": "one attempt in hand, numbered 1 to n",
    "I5": "ids, keys and fingerprints are derived",
    "I6": "settled is paid, and numbered",
    "I7": "totals are the sums of their events",
    "I8": "one object at the processor for each attempt",
    "I9": "chains of events are unbroken",
    "I10": "the events say what the tables say",
    "I11": "checkpoints are signed and hold",
    "I12": "amounts and currencies are sound",
    "I13": "sums are those of attempts and of money moved",
    "I14": "no more is given back than was paid",
    "I15": "invoice numbers have no gap",
    "I16": "nothing is late, lost or forgotten",
    "I17": "what is parked says why",
    "I18": "messages tell of events",
    "I19": "callbacks were used",
    "I20": "no row refers to another company's",
    "I21": "nothing opened after a stop",
    "I22": "no card or bank account number in text",
    "I23": "secrets are kept as ciphertext",
    "I24": "the processor says the same",
    "I25": "tables and settings are as they must be",
    "I26": "this is the primary",
}

# What each depth asks. The environment's checks that cost little are part of `fast` as well.
RUNS: Final[dict[str, frozenset[str]]] = {
    "fast": frozenset({"fast"}),
    "full": frozenset({"fast", "full"}),
    "processor": frozenset({"processor"}),
    "env": frozenset({"env"}),
}
ENVIRONMENT: Final = frozenset({"I25", "I26"})
CLEAN, VIOLATED, UNCHECKED, PERSON = "clean", "violated", "unchecked", "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one invariant.

    `status` is clean, violated, unchecked (a check failed, `error` says how) or person (nothing
    wrong, and something waits for a person). `count` is how many offend, `offenders` the first of
    them; `warnings` do not count, and `in_flight` could not be judged yet.
    """

    id: str
    title: str
    status: str
    count: int = 0
    offenders: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    in_flight: int = 0
    error: str = ""


def examine(
    *,
    depth: str,
    now: datetime,
    processor: Any = None,
    told: Callable[[str, int], None] | None = None,
    only: Collection[str] = (),
) -> list[Result]:
    """Put the invariants of a depth to the database; returns a result for each, in their order.

    `depth` is fast, full (which is fast and more), processor or env. `now` is the instant by which
    something is due. `processor` is asked for its objects by the depth of that name; no transaction
    is open meanwhile. `told` hears of progress: a check's title, and rows read since. `only` names
    the invariants that are wanted, where not all of them are.
    """
    wanted = _wanted(depth, only)
    scope = _scope(depth, now, processor)
    if depth == "processor":
        return _results(wanted, [answer(check, scope, told) for check in wanted])
    with snapshot() as name:
        apart = [check for check in wanted if check.apart and _is_large()]
        with ThreadPoolExecutor(max_workers=1) as threads:
            beside = threads.submit(_beside, name, apart, scope, told)
            here = [answer(check, scope, told) for check in wanted if check not in apart]
            answers = here + beside.result()
    return _results([*(check for check in wanted if check not in apart), *apart], answers)


def examine_here(
    *,
    depth: str,
    now: datetime,
    processor: Any = None,
    told: Callable[[str, int], None] | None = None,
    only: Collection[str] = (),
) -> list[Result]:
    """Do the same inside whatever transaction is open: it may hold what is not yet committed."""
    wanted = _wanted(depth, only)
    scope = _scope(depth, now, processor)
    return _results(wanted, [answer(check, scope, told) for check in wanted])


def _wanted(depth: str, only: Collection[str]) -> list[Check]:
    return [check for check in CHECKS if is_asked(check, depth) and (not only or check.id in only)]


def _scope(depth: str, now: datetime, processor: Any) -> Scope:
    return Scope(
        now=now,
        lease_seconds=settings.BILLY_LEASE_SECONDS,
        whole=depth != "fast",
        processor=processor,
    )


def is_asked(check: Check, depth: str) -> bool:
    """Return whether a depth asks this check. Raises KeyError for a depth that there is not."""
    return check.depth in RUNS[depth] or (depth == "env" and check.id in ENVIRONMENT)


@contextmanager
def snapshot(of: str = "") -> Iterator[str]:
    """Open one read-only snapshot for all that is asked inside; yields its name, for a second one.

    Limits on time do not hold in it. It is planned for whole answers, in memory where they fit:
    this is the one reader of whole tables.
    """
    with transaction.atomic(durable=True):
        execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if of:
            execute(f"SET TRANSACTION SNAPSHOT '{of}'")
        for setting in SESSION:
            execute(f"SET LOCAL {setting}")
        # The snapshot is taken with the first question: now, not later.
        yield of or str(fetch("SELECT pg_export_snapshot()")[0][0])


def _beside(
    name: str, checks: list[Check], scope: Scope, told: Callable[[str, int], None] | None
) -> list[Answer]:
    """Ask some checks in this thread, over a connection of its own, in the same snapshot."""
    if not checks:
        return []
    try:
        with snapshot(of=name):
            return [answer(check, scope, told) for check in checks]
    finally:
        connection.close()


def _is_large() -> bool:
    """Return whether there are so many attempts that a second connection is worth its while."""
    table = Transaction._meta.db_table
    ((rows,),) = fetch("SELECT reltuples::float8 FROM pg_class WHERE oid = %s::regclass", [table])
    return bool(rows > LARGE_ROWS)


SESSION: Final = (
    "statement_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
    "cursor_tuple_fraction = 1.0",
    "work_mem = '64MB'",
    "jit = off",
)


def exit_code(results: list[Result]) -> int:
    """Return 1 where something is violated, 2 where unchecked, 3 where a person must look, or 0."""
    found = {result.status for result in results}
    codes = ((VIOLATED, 1), (UNCHECKED, 2), (PERSON, 3))
    return next((code for status, code in codes if status in found), 0)


@dataclass(slots=True)
class Answer:
    """What one check found: how many of each weight, the first of them, and how it failed."""

    counts: Counter[Weight]
    kept: dict[Weight, list[Finding]]
    error: str = ""


def answer(check: Check, scope: Scope, told: Callable[[str, int], None] | None) -> Answer:
    """Ask one check, in the transaction that is open; what cannot be asked is told."""
    found = Answer(Counter(), {weight: [] for weight in Weight})
    if told is not None:
        told(f"{check.id} {check.title}", 0)
    try:
        for finding in _findings(check, scope, told):
            found.counts[finding.weight] += 1
            if len(found.kept[finding.weight]) < SHOWN:
                found.kept[finding.weight].append(finding)
    except Exception as error:  # noqa: BLE001  # What cannot be asked is told, and the rest is asked.
        found.error = f"{check.title}: {type(error).__name__}: {error}".strip()
    return found


def _results(checks: list[Check], answers: list[Answer]) -> list[Result]:
    """Put the answers together by invariant, in the order of their numbers."""
    by_id: dict[str, list[Answer]] = {}
    for check, found in zip(checks, answers, strict=True):
        by_id.setdefault(check.id, []).append(found)
    return [_result(identity, by_id[identity]) for identity in sorted(by_id, key=_number)]


def _number(identity: str) -> int:
    return int(identity[1:])


def _result(identity: str, answers: list[Answer]) -> Result:
    counts: Counter[Weight] = sum((each.counts for each in answers), Counter())
    errors = [each.error for each in answers if each.error]

    def first(*weights: Weight) -> tuple[Finding, ...]:
        found = [one for weight in weights for each in answers for one in each.kept[weight]]
        return tuple(found[:SHOWN])

    return Result(
        id=identity,
        title=TITLES[identity],
        status=_status(counts, errors),
        count=counts[Weight.VIOLATION] or counts[Weight.PERSON],
        offenders=first(Weight.VIOLATION, Weight.PERSON),
        warnings=first(Weight.WARNING),
        in_flight=counts[Weight.FLIGHT],
        error="; ".join(errors),
    )


def _findings(
    check: Check, scope: Scope, told: Callable[[str, int], None] | None
) -> Iterator[Finding]:
    """Run one check, so that a statement that fails takes no other check with it."""
    if told is not None:
        scope = Scope(
            now=scope.now,
            lease_seconds=scope.lease_seconds,
            whole=scope.whole,
            processor=scope.processor,
            step=lambda rows: told(f"{check.id} {check.title}", rows),
        )
    if check.depth == "processor":
        yield from check.find(scope)
        return
    with transaction.atomic():
        yield from check.find(scope)


def _status(counts: Counter[Weight], errors: list[str]) -> str:
    if counts[Weight.VIOLATION]:
        return VIOLATED
    if errors:
        return UNCHECKED
    return PERSON if counts[Weight.PERSON] else CLEAN
