"""Whether the work was done: a benchmark that does not look may measure how fast nothing is."""

from __future__ import annotations

from audit.sets import fetch
from audit.verify import broken


class WorkNotDone(AssertionError):
    """A run left something else behind than so many finished cycles; the text says what."""


def cycles_done(*, chains: bool = True) -> int:
    """Return how many cycles the database holds; raises WorkNotDone if one is not whole.

    Each has its invoice, paid and numbered without a gap; its attempt, which succeeded; its two
    events, behind those of before; and its scheduler, moved on. `chains` looks at every hash too.
    """
    names = ("moved", "settled", "charged", "events", "numbered", "open")
    ((moved, *others),) = fetch(
        "SELECT (SELECT coalesce(sum(occurrence), 0)::bigint FROM billy_schedulers_scheduler),"
        " (SELECT count(*) FROM billy_invoices_auditfeed WHERE state = 'settled'"
        "   AND captured = total AND live = 0),"
        " (SELECT count(*) FROM billy_invoices_transaction WHERE state = 'succeeded'"
        "   AND processor_uri IS NOT NULL AND lease_until IS NULL),"
        " (SELECT count(*) FROM billy_audit_auditevent WHERE feed_id IS NOT NULL) / 2.0,"
        " (SELECT coalesce(sum(last), 0)::bigint FROM billy_invoices_numberseries),"
        " (SELECT count(*) FROM billy_invoices_auditfeed) "
    )
    for name, count in zip(names[1:], others, strict=True):
        if count != moved:
            raise WorkNotDone(f"{moved} occurrences, and {count} {name}")
    if chains and (faults := [str(fault) for _, fault in zip(range(3), broken(), strict=False)]):
        raise WorkNotDone("; ".join(faults))
    return int(moved)
