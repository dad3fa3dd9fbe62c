"""The states of invoices and of attempts, and the only moves there are.

The database refuses every other move by trigger; `docs/states.md` shows the same tables.
"""

from __future__ import annotations

# --- AuditFeed: the invoice -------------------------------------------------------------------

FEED_MOVES: dict[str, frozenset[str]] = {
    "draft": frozenset({"open", "settled", "waived", "voided"}),  # Waits for a person.
    "open": frozenset({"settled", "uncollected", "waived", "voided", "parked"}),  # Owed.
    "settled": frozenset({"open"}),  # Paid in full; open again only when money comes back.
    "uncollected": frozenset({"open", "settled", "voided"}),  # The last attempt failed.
    "waived": frozenset(),  # Forgiven.
    "voided": frozenset(),  # Called off.
    "parked": frozenset({"open", "settled", "voided"}),  # A person must look.
}

# --- Transaction: an attempt to move the money of a feed --------------------------------------

TRANSACTION_MOVES: dict[str, frozenset[str]] = {
    # Born, and never leased or proven not sent.
    "queued": frozenset({"intent", "voided"}),
    # Leased: sent or not. After its lease it counts as unknown.
    "intent": frozenset(
        {"queued", "unknown", "pending", "succeeded", "declined", "rejected", "parked", "voided"}
    ),
    # Perhaps executed: looked up, never replaced.
    "unknown": frozenset({"pending", "succeeded", "declined", "rejected", "parked"}),
    # Accepted; the final result comes later.
    "pending": frozenset({"succeeded", "declined"}),
    # The money moved; a bank may still bring it back.
    "succeeded": frozenset({"returned"}),
    "declined": frozenset(),  # Executed, and the answer was no.
    "rejected": frozenset(),  # Proven not executed.
    "returned": frozenset(),  # Came back after success.
    "parked": frozenset({"succeeded", "declined", "voided"}),  # Closed only by a person.
    "voided": frozenset(),  # Called off, proven unsent.
}

LEASED = frozenset({"intent", "unknown"})
LIVE = frozenset({"queued", "intent", "unknown", "pending", "parked"})


def moves(table: dict[str, frozenset[str]]) -> list[str]:
    """Return the moves as `from>to`, sorted: the form that the triggers compare with."""
    return sorted(f"{before}>{after}" for before, afters in table.items() for after in afters)
