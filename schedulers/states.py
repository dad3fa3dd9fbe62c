"""The states of a scheduler and the only moves there are; `docs/states.md` shows the same table."""

from __future__ import annotations

# These tick: an occurrence opens when it is due.
TICKING = ("trialing", "active", "past_due")

SCHEDULER_MOVES: dict[str, frozenset[str]] = {
    # In its trial; occurrence 0 has a total of zero.
    "trialing": frozenset({"active", "paused", "held", "parked", "errored", "canceled", "ended"}),
    # Opens its occurrences.
    "active": frozenset({"past_due", "paused", "held", "parked", "errored", "canceled", "ended"}),
    # Still opens occurrences, while an earlier one is being tried again.
    "past_due": frozenset({"active", "paused", "held", "parked", "errored", "canceled", "ended"}),
    # Stopped by a person or by the end of dunning; missed occurrences are skipped on resuming.
    "paused": frozenset({"active", "trialing", "canceled"}),
    # Stopped until its instrument is replaced (a bank account that cannot be paid into).
    "held": frozenset({"active", "canceled"}),
    # Stopped because it could not be run (its task raised, its row is poisoned): a person looks.
    "parked": frozenset({"active", "trialing", "past_due", "canceled"}),
    # Stopped because the processor refuses its instrument.
    "errored": frozenset({"active", "canceled"}),
    # Ended on request.
    "canceled": frozenset(),
    # Its last occurrence was opened.
    "ended": frozenset(),
}
