"""What a check is, and what it finds: each room's `verify.py` exposes a tuple of these.

A check reads and never writes. It runs inside one snapshot of the whole database, so it sees only
whole transactions: what another process is about to commit is no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from audit.sets import fetch
from core.ids import PREFIXES, guid

if TYPE_CHECKING:
    from datetime import datetime

Depth = Literal["fast", "full", "processor", "env"]

# More offenders than this are one catastrophe, and the number says no more than that.
MOST: Final = 100_000


class Weight(StrEnum):
    """How much a finding matters."""

    VIOLATION = "violation"
    """What must never be."""
    PERSON = "person"
    """In order, and waiting for a person to decide."""
    WARNING = "warning"
    """Allowed, and worth a thought."""
    FLIGHT = "flight"
    """Under way: younger than the longest lease, so it cannot be judged yet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One offender: where it is, for people, and why it offends."""

    where: str
    why: str
    weight: Weight = Weight.VIOLATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a check is told: the instant, the longest lease, and whom to ask.

    `now` is the door's, as for every verb: what is due is judged by it. `whole` is whether columns
    are read to the last row or sampled. `step` is told after every page of rows that was read.
    """

    now: datetime
    lease_seconds: float = 120.0
    whole: bool = True
    processor: Any = None  # A lister of remote money objects; only one check asks it.
    step: Callable[[int], None] = field(default=lambda _rows: None)


Find = Callable[[Scope], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question to the database: a part of the invariant that `id` names.

    `apart` is for what keeps Python busy: it may run beside the others, on the same snapshot.
    """

    id: str
    title: str
    depth: Depth
    find: Find
    apart: bool = False


def asked(statement: str, *, weight: Weight = Weight.VIOLATION) -> Find:
    """Return a check's question in SQL: rows of (kind, id, why), one for each offender.

    The kind is a word of `core.ids.PREFIXES` where the id is to be shown as people know it. The
    statement may use `%(now)s` and `%(lease_seconds)s`.
    """

    def find(scope: Scope) -> Iterator[Finding]:
        yield from offenders(statement, scope, weight=weight)

    return find


def offenders(
    statement: str, scope: Scope, *, weight: Weight = Weight.VIOLATION
) -> Iterator[Finding]:
    """Run such a statement and yield a finding for each row."""
    given = {"now": scope.now, "lease_seconds": scope.lease_seconds}
    rows = fetch(f"SELECT * FROM ({statement}) AS offenders LIMIT {MOST}", given)
    for kind, identity, why in rows:
        yield Finding(shown(kind, identity), why, weight)


def shown(kind: str, identity: object) -> str:
    """Return how people know a thing: its guid, or its kind and name."""
    prefix = PREFIXES.get(kind)
    if prefix is None or identity is None:
        return f"{kind} {identity}".strip()
    return guid(prefix, identity if isinstance(identity, UUID) else UUID(str(identity)))
