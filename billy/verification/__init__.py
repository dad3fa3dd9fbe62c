"""The invariants of all rooms, put to one snapshot of the database: `examine`.

Each room knows its own checks (`<room>/verify.py`). Here they are put together by the invariant
that they belong to, so that whoever asks gets one result for each.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import transaction

import accounts.verify
import audit.verify
import invoices.verify
import plans.verify
import schedulers.verify
import webhooks.verify
from audit.findings import Check, Finding, Scope, Weight
from audit.sets import execute
from billy.verification import environment, generated, remote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

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
    within = nullcontext() if depth == "processor" else snapshot()
    with within:
        return examine_here(depth=depth, now=now, processor=processor, told=told, only=only)


def examine_here(
    *,
    depth: str,
    now: datetime,
    processor: Any = None,
    told: Callable[[str, int], None] | None = None,
    only: Collection[str] = (),
) -> list[Result]:
    """Do the same inside whatever transaction is open: it may hold what is not yet committed."""
    wanted = [
        check for check in CHECKS if is_asked(check, depth) and (not only or check.id in only)
    ]
    scope = Scope(
        now=now,
        lease_seconds=settings.BILLY_LEASE_SECONDS,
        whole=depth != "fast",
        processor=processor,
    )
    return _examined(wanted, scope, told)


def is_asked(check: Check, depth: str) -> bool:
    """Return whether a depth asks this check. Raises KeyError for a depth that there is not."""
    return check.depth in RUNS[depth] or (depth == "env" and check.id in ENVIRONMENT)


@contextmanager
def snapshot() -> Iterator[None]:
    """Open one read-only snapshot for all that is asked inside; limits on time do not hold in it.

    Planned for whole answers, in memory where they fit: this is the one reader of whole tables.
    """
    with transaction.atomic(durable=True):
        execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for setting in SESSION:
            execute(f"SET LOCAL {setting}")
        execute("SELECT 1")  # The snapshot is taken with the first question: now, not later.
        yield


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


def _examined(
    checks: list[Check], scope: Scope, told: Callable[[str, int], None] | None
) -> list[Result]:
    by_id = sorted(checks, key=lambda check: int(check.id[1:]))
    return [
        _result(identity, list(group), scope, told)
        for identity, group in groupby(by_id, key=lambda check: check.id)
    ]


def _result(
    identity: str, checks: list[Check], scope: Scope, told: Callable[[str, int], None] | None
) -> Result:
    counts: Counter[Weight] = Counter()
    kept: dict[Weight, list[Finding]] = {weight: [] for weight in Weight}
    errors = []
    for check in checks:
        if told is not None:
            told(f"{identity} {check.title}", 0)
        try:
            for finding in _findings(check, scope, told):
                counts[finding.weight] += 1
                if len(kept[finding.weight]) < SHOWN:
                    kept[finding.weight].append(finding)
        except Exception as error:  # noqa: BLE001  # What cannot be asked is told, and the rest is asked.
            errors.append(f"{check.title}: {type(error).__name__}: {error}".strip())
    return Result(
        id=identity,
        title=TITLES[identity],
        status=_status(counts, errors),
        count=counts[Weight.VIOLATION] or counts[Weight.PERSON],
        offenders=tuple((kept[Weight.VIOLATION] + kept[Weight.PERSON])[:SHOWN]),
        warnings=tuple(kept[Weight.WARNING]),
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
