"""What may go wrong with a database, as statements: each must be found by the invariant it breaks.

The triggers and foreign keys that would refuse them are off while they run; `DROP` stands first
where a unique index or a check would refuse them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FEED: Final = "billy_invoices_auditfeed"
ATTEMPT: Final = "billy_invoices_transaction"
SCHEDULER: Final = "billy_schedulers_scheduler"
EVENT: Final = "billy_audit_auditevent"
TRAIL: Final = "billy_audit_audittrail"
CUSTOMER: Final = "billy_accounts_customer"
COMPANY: Final = "billy_accounts_company"
INSTRUMENT: Final = "billy_accounts_fundinginstrument"
SERIES: Final = "billy_invoices_numberseries"
CHECKPOINT: Final = "billy_audit_checkpoint"
OUTBOX: Final = "billy_audit_outbox"


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to damage a database, and the invariant that must tell of it.

    `depth` is where that invariant is asked. `structure` is for what changes no row but the tables
    themselves: then nothing is turned off first.
    """

    name: str
    expected: str
    statements: tuple[str, ...]
    depth: str = "full"
    structure: bool = False


def rows(name: str, expected: str, *statements: str, depth: str = "full") -> Corruption:
    """Return a corruption of rows."""
    return Corruption(name, expected, statements, depth)


def structure(name: str, *statements: str, depth: str = "fast") -> Corruption:
    """Return a corruption of tables."""
    return Corruption(name, "I25", statements, depth, structure=True)


def one(table: str, where: str, order: str = "id") -> str:
    """Return the condition that names one row."""
    return f"id = (SELECT id FROM {table} WHERE {where} ORDER BY {order} LIMIT 1)"


def copied(table: str, where: str, **changed: str) -> str:
    """Return the statement that copies one row, with some columns changed."""
    changes = ", ".join(f"'{name}', {value}" for name, value in changed.items())
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object({changes}))).*"
        f" FROM {table} t WHERE {one(table, where)}"
    )


def settled(occurrence: int = 1) -> str:
    """Return the condition of a paid invoice of a scheduler that is there to be damaged."""
    return one(FEED, f"state = 'settled' AND kind = 'period' AND occurrence = {occurrence}")


def without(name: str, table: str = ATTEMPT) -> str:
    """Return the statement that takes a constraint away."""
    return f"ALTER TABLE {table} DROP CONSTRAINT {name}"


# An ordinary scheduler: it has a few occurrences and goes on.
PLAIN: Final = one(SCHEDULER, "state = 'active' AND occurrence >= 3 AND NOT computed")
PAID: Final = one(ATTEMPT, "state = 'succeeded' AND kind = 'debit' AND attempt = 1")
REFUND: Final = one(ATTEMPT, "kind = 'refund'")
OPEN: Final = one(FEED, "state = 'open' AND live = 0")
# The middle of a trail with enough events to have one.
LONG: Final = (
    f"(SELECT id FROM {TRAIL} WHERE subject = 'scheduler' AND head_seq > 6 ORDER BY id LIMIT 1)"
)
MIDDLE: Final = f"trail_id = {LONG} AND seq = 3"
OTHERS: Final = "company_id <> {table}.company_id ORDER BY id LIMIT 1"
FRESH: Final = "gen_random_uuid()"
