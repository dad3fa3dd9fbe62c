"""What must hold after every step, asked of the rows themselves and of the processor's ledger.

Each law is a sentence and a question to the database whose answer must be empty.
"""

from __future__ import annotations

from collections import Counter

from audit.chain import Fact, digest
from audit.models import AuditEvent
from audit.sets import execute, fetch
from processors.base import Kind, Status

FEED, ATTEMPT = "billy_invoices_auditfeed", "billy_invoices_transaction"
EVENT, TRAIL = "billy_audit_auditevent", "billy_audit_audittrail"
LIVE = "('queued', 'intent', 'unknown', 'pending', 'parked')"
OF_FEED = f"FROM {ATTEMPT} a WHERE a.feed_id = f.id AND a.kind"

LAWS = {
    "an invoice is paid at most once": (
        f"SELECT feed_id FROM {ATTEMPT} WHERE kind IN ('debit', 'credit') AND state = 'succeeded'"
        " GROUP BY feed_id HAVING count(*) > 1"
    ),
    "an invoice has at most one attempt in hand": (
        f"SELECT feed_id FROM {ATTEMPT} WHERE kind IN ('debit', 'credit') AND state IN {LIVE}"
        " GROUP BY feed_id HAVING count(*) > 1"
    ),
    "an attempt is followed by another only after a proven no": (
        f"SELECT a.id FROM {ATTEMPT} a JOIN {ATTEMPT} b ON b.feed_id = a.feed_id"
        " AND b.kind = a.kind AND b.attempt > a.attempt WHERE a.kind IN ('debit', 'credit')"
        " AND a.state NOT IN ('declined', 'rejected', 'returned', 'voided')"
    ),
    "an invoice's sums are those of its attempts": (
        f"SELECT f.id FROM {FEED} f WHERE (f.live, f.captured, f.returned, f.refunded) <> ("
        f"(SELECT coalesce(sum(amount), 0) {OF_FEED} = f.direction AND a.state IN {LIVE}),"
        f"(SELECT coalesce(sum(amount), 0) {OF_FEED} = f.direction"
        " AND a.state IN ('succeeded', 'returned')),"
        f"(SELECT coalesce(sum(amount), 0) {OF_FEED} = f.direction AND a.state = 'returned'),"
        f"(SELECT coalesce(sum(amount), 0) {OF_FEED} <> f.direction AND a.state = 'succeeded'))"
    ),
    "an invoice's total is the sum of its events": (
        f"SELECT f.id FROM {FEED} f WHERE f.total <>"
        f" (SELECT coalesce(sum(e.amount), 0) FROM {EVENT} e WHERE e.feed_id = f.id)"
    ),
    "an invoice is settled exactly where nothing of it is owed": (
        f"SELECT id FROM {FEED} WHERE state NOT IN ('draft', 'waived', 'voided')"
        " AND (state = 'settled') <> (captured - returned + applied + credited = total)"
    ),
    "what events moved is what attempts moved": (
        f"SELECT a.id FROM {ATTEMPT} a WHERE CASE WHEN a.state <> 'succeeded' THEN 0"
        " WHEN a.kind IN ('debit', 'reversal') THEN a.amount ELSE -a.amount END <>"
        f" (SELECT coalesce(sum(e.moved), 0) FROM {EVENT} e WHERE e.transaction_id = a.id)"
    ),
    "numbers of invoices have no gap": (
        f"SELECT company_id FROM {FEED} WHERE number IS NOT NULL GROUP BY company_id, series"
        " HAVING min(number) <> 1 OR max(number) <> count(*)"
    ),
    "nothing of one company hangs on another's": (
        f"SELECT a.id FROM {ATTEMPT} a JOIN {FEED} f ON f.id = a.feed_id JOIN {TRAIL} t"
        " ON t.id = f.trail_id LEFT JOIN billy_accounts_fundinginstrument i"
        " ON i.id = a.instrument_id JOIN billy_accounts_customer c ON c.id = f.customer_id"
        " WHERE a.company_id <> f.company_id OR f.company_id <> t.company_id"
        " OR i.company_id <> f.company_id OR c.company_id <> f.company_id"
        " OR i.customer_id <> f.customer_id"
    ),
    "every head is its trail's last event": (
        f"SELECT t.id FROM {TRAIL} t LEFT JOIN {EVENT} e ON e.trail_id = t.id"
        " AND e.seq = t.head_seq WHERE e.hash IS DISTINCT FROM t.head_hash"
        f" OR EXISTS (SELECT 1 FROM {EVENT} o WHERE o.trail_id = t.id AND o.seq > t.head_seq)"
    ),
}


def broken_laws():
    """Return the sentences that do not hold, each with its first offender."""
    parts = [
        f"(SELECT {place}, o.* FROM ({question}) AS o (who) LIMIT 1)"
        for place, question in enumerate(LAWS.values())
    ]
    names = list(LAWS)
    execute("SET jit = off", [])  # Compiling these questions takes longer than answering them.
    return [f"{names[place]}: {who}" for place, who in fetch(" UNION ALL ".join(parts), [])]


def broken_chains(seen):
    """Return events that do not follow those before; `seen` is how far each trail was read."""
    known = {trail: seq for trail, (seq, _) in seen.items()}
    grown = {
        trail
        for trail, seq in fetch(f"SELECT id, head_seq FROM {TRAIL}", [])
        if seq > known.get(trail, 0)
    }
    problems = []
    for event in AuditEvent.objects.filter(trail_id__in=grown).order_by("trail_id", "seq"):
        if event.seq <= known.get(event.trail_id, 0):
            continue
        seq, prev = seen.get(event.trail_id, (0, b""))
        hashed = digest(prev=prev, seq=seq + 1, at=event.at, fact=fact_of(event))
        if (event.seq, bytes(event.prev), bytes(event.hash)) != (seq + 1, prev, hashed):
            problems.append(f"the chain is broken at {event.kind} #{event.seq}")
        seen[event.trail_id] = (event.seq, bytes(event.hash))
    return problems


def fact_of(event):
    names = (
        *("trail_id", "company_id", "kind", "currency", "dedupe", "amount", "moved"),
        *("feed_id", "transaction_id", "body", "actor"),
    )
    return Fact(**{name: getattr(event, name) for name in names})


# What our attempt may say while the processor's object says this: later looks bring them together.
AGREES = {
    Status.SUCCEEDED: {"succeeded", "intent", "unknown", "pending", "parked"},
    Status.PENDING: {"pending", "intent", "unknown", "parked"},
    Status.FAILED: {"declined", "returned", "intent", "unknown", "pending", "parked"},
}
AT_REST = {
    Status.SUCCEEDED: {"succeeded", "parked"},
    Status.PENDING: {"parked"},
    Status.FAILED: {"declined", "returned", "parked"},
}
# What our attempt says only because the processor's object said so.
PROOF = {
    "succeeded": Status.SUCCEEDED,
    "declined": Status.FAILED,
    "returned": Status.FAILED,
}


class Books:
    """Our attempts beside the processor's objects.

    `lost` are the keys of what was done after a backup that was restored: here nothing may be
    known of it. `late_news` are the keys whose objects failed after they had succeeded. For
    `weak` invoices more than a key is needed after a restore, so their count proves nothing.
    """

    def __init__(self, processor, *, lost, late_news, weak):
        self.receipts = processor.ledger
        self.orders = {order.key: order for order in processor.orders}
        self.refused = processor.refused
        self.lost, self.late_news, self.weak = lost, late_news, weak
        rows = fetch(
            "SELECT a.key, a.state, a.kind, a.amount, a.processor_account, a.processor_uri"
            f" FROM {ATTEMPT} a",
            [],
        )
        self.attempts = {row[0]: row[1:] for row in rows}

    def problems(self, *, at_rest=False):
        """Return all in which the two disagree, in words."""
        return [
            *self._doubles(),
            *(line for each in self.receipts for line in self._against(each, at_rest)),
            *self._unproven(),
        ]

    def _doubles(self):
        keys = Counter(each.key for each in self.receipts)
        yield from (f"key {key} has {count} objects" for key, count in keys.items() if count > 1)
        paid = Counter(
            self.orders[each.key].meta["billy.invoice_guid"]
            for each in self.receipts
            if each.status is Status.SUCCEEDED and each.kind in {Kind.DEBIT, Kind.CREDIT}
        )
        for invoice, count in paid.items():
            if count > 1 and invoice not in self.weak:
                yield f"invoice {invoice} was paid {count} times"

    def _against(self, receipt, at_rest):
        found, lost = self.attempts.get(receipt.key), receipt.key in self.lost
        if found is None:
            if not lost:
                yield f"nobody here knows of {receipt.kind} {receipt.uri} under {receipt.key}"
            return
        state, kind, amount, account, _ = found
        asked = self.orders[receipt.key].account.secret
        if account != f"memory:{asked}":
            yield f"{receipt.uri} went through the account of another company"
        said = (str(receipt.kind), receipt.amount)
        if state not in {"parked", "queued", "intent", "unknown"} and (kind, amount) != said:
            yield f"{receipt.uri} is {said}, and here it is {(kind, amount)} and {state}"
        allowed = set((AT_REST if at_rest else AGREES)[receipt.status])
        if receipt.status is Status.FAILED and receipt.key in self.late_news:
            allowed |= set() if at_rest and not lost else {"succeeded"}
        if lost:
            allowed |= {"queued", "voided", "rejected", "unknown"}
        if state not in allowed:
            yield f"{receipt.kind} {receipt.uri} is {receipt.status} there and {state} here"

    def _unproven(self):
        there = {each.key: each.status for each in self.receipts}
        for key, (state, kind, *_) in self.attempts.items():
            wanted = PROOF.get(state)
            if wanted and there.get(key) is not wanted and key not in self.late_news:
                yield f"a {kind} is {state} here and {there.get(key)} there"
            if state == "rejected" and key not in self.refused:
                yield f"a {kind} is rejected here, and the processor never refused it"
