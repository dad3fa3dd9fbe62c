"""A checker that has never failed is no evidence: damage a database on purpose, and find it.

A small living database is made once. Each corruption is planted in a copy of it, must be found
there by the invariant that it breaks, and is rolled back. Before that the copy must be clean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db import connection, transaction

from audit.findings import Weight
from audit.sets import execute, fetch
from billy.verification import (
    CLEAN,
    PERSON,
    Result,
    examine,
    examine_here,
    planted_facts,
    planted_money,
)
from billy.verification.corruptions import Corruption
from billy.verification.living import END, Twin, live
from billy.verification.scratch import migrated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billy.verification.scratch import Scratch

DEPTHS: Final = (
    "full",
    "processor",
)  # What a clean copy is asked; the server's settings are its own.

CORRUPTIONS: Final = (*planted_money.ALL, *planted_facts.ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one corruption: found, and what was said of it."""

    corruption: Corruption
    found: bool
    said: str


def run(
    *,
    corruptions: Sequence[Corruption] = CORRUPTIONS,
    told: Callable[[Verdict], None],
    clean: Callable[[list[Result]], None],
) -> bool:
    """Plant every corruption; returns whether each was found and the untouched copy was clean.

    `clean` hears of the untouched copy, `told` of each corruption. Raises NoScratch.
    """
    with migrated() as scratch:
        twin = Twin()
        live(twin)
        connection.close()  # A database that somebody is connected to cannot be copied.
        living = f"{scratch.run}_fresh"
        results = _examined(scratch, living, twin)
        clean(results)
        good = all(each.status in {CLEAN, PERSON} for each in results)
        for corruption in corruptions:
            verdict = _planted(scratch, living, twin, corruption)
            told(verdict)
            good = good and verdict.found
    return good


def _examined(scratch: Scratch, living: str, twin: Twin) -> list[Result]:
    name = scratch.make("clean", template=living)
    with scratch.pointed_at(name):
        return [
            result for depth in DEPTHS for result in examine(depth=depth, now=END, processor=twin)
        ]


def _planted(scratch: Scratch, living: str, twin: Twin, corruption: Corruption) -> Verdict:
    """Damage the copy, ask the one invariant that must notice, and take it back."""
    if corruption.depth == "env":
        return _of_sessions(scratch, living, corruption)
    with scratch.pointed_at(f"{scratch.run}_clean"), transaction.atomic():
        plant(corruption)
        known = _known(
            examine_here(
                depth=corruption.depth, now=END, processor=twin, only={corruption.expected}
            )
        )
        transaction.set_rollback(True)
    return Verdict(corruption=corruption, found=bool(known), said=min(known, default="nothing"))


def _of_sessions(scratch: Scratch, living: str, corruption: Corruption) -> Verdict:
    """Damage what a session is told when it begins: that takes a copy and a session of its own."""
    name = scratch.make("env", template=living)
    with scratch.pointed_at(name):
        execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')  # Whatever the server's.
        connection.close()
        before = _known(examine(depth="env", now=END, only={corruption.expected}))
        plant(corruption)
        connection.close()
        new = _known(examine(depth="env", now=END, only={corruption.expected})) - before
    scratch.drop(name)
    return Verdict(corruption=corruption, found=bool(new), said=min(new, default="nothing"))


def _known(results: list[Result]) -> set[str]:
    """Return the violations that were told of."""
    return {
        f"{finding.where} {finding.why}"
        for result in results
        for finding in result.offenders
        if finding.weight is Weight.VIOLATION
    }


def plant(corruption: Corruption) -> None:
    """Run a corruption's statements; raises ValueError where one of them changed nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        triggers = [] if corruption.structure else fetch(TRIGGERS)
        if not corruption.structure:
            cursor.execute("SET LOCAL session_replication_role = replica")
        for table, name in triggers:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
        for statement in corruption.statements:
            cursor.execute(statement)
            if statement.startswith(("UPDATE", "DELETE", "INSERT")) and cursor.rowcount < 1:
                raise ValueError(f"{corruption.name}: nothing was there to be damaged")
        for table, name in triggers:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


TRIGGERS: Final = r"""
SELECT g.tgrelid::regclass::text, quote_ident(g.tgname) FROM pg_trigger g
  JOIN pg_class t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal AND t.relname LIKE 'billy\_%%'
"""
