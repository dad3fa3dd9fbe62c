"""Both sides of a run as plain rows: what the sandbox wrote down, and what Billy did."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

MONEY = frozenset({"debit", "credit", "refund", "reversal"})
TABLES = {
    "companies": "SELECT id, processor_account FROM billy_accounts_company",
    "schedulers": (
        "SELECT id, company_id, external_id, state, reason, occurrence, next_run_at, ends_after,"
        " next_run_at <= now() AS is_due FROM billy_schedulers_scheduler"
    ),
    "feeds": (
        "SELECT id, company_id, trail_id, occurrence, kind, direction, period_start, instrument_id,"
        " currency, total, live, captured, returned, refunded, state, external_id, created_at"
        " FROM billy_invoices_auditfeed"
    ),
    "attempts": (
        "SELECT id, company_id, feed_id, attempt, kind, state, key, amount, currency, looks,"
        " jsonb_array_length(failures) AS failure_count, processor_account"
        " FROM billy_invoices_transaction"
    ),
    "inbound": "SELECT company_id, event_id, result, done_at FROM billy_webhooks_inbound",
    "moved": (
        "SELECT company_id, currency, split_part(kind, '.', 1) AS kind, sum(moved) AS moved"
        " FROM billy_audit_auditevent WHERE moved IS NOT NULL GROUP BY 1, 2, 3"
    ),
    "stops": (
        "SELECT id, trail_id, kind, seq FROM billy_audit_auditevent WHERE kind IN"
        " ('scheduler.canceled', 'scheduler.paused', 'scheduler.parked', 'scheduler.held',"
        " 'scheduler.errored', 'scheduler.ended', 'scheduler.resumed', 'scheduler.changed',"
        " 'occurrences.skipped', 'invoice.opened')"
    ),
    "skips": (
        "SELECT trail_id, body FROM billy_audit_auditevent WHERE kind = 'occurrences.skipped'"
    ),
    "planned": (
        "SELECT feed_id, (body ->> 'attempt')::int AS attempt FROM billy_audit_auditevent"
        " WHERE kind IN ('debit.queued', 'credit.queued')"
    ),
    "told": (
        "SELECT transaction_id, count(*) FILTER (WHERE kind LIKE '%.succeeded') AS succeeded,"
        " count(*) AS count FROM billy_audit_auditevent WHERE transaction_id IS NOT NULL GROUP BY 1"
    ),
}


@dataclass(frozen=True)
class Row:
    """One row; its columns are attributes."""

    values: dict[str, Any]

    def __getattr__(self, name):
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


class Books:
    """Everything that is compared, in memory: a run has 100,000 occurrences at most or so."""

    def __init__(self, ledger, connection):
        self.objects = list(read_ledger(ledger).values())
        (asked,) = read_table(connection, "SELECT now() AS now")
        self.now = asked.now
        for name, statement in TABLES.items():
            setattr(self, name, read_table(connection, statement))
        self.by_key = defaultdict(list)
        for each in self.objects:
            self.by_key[each.key].append(each)
        self.attempts_of = defaultdict(list)
        for each in self.attempts:
            self.attempts_of[each.feed_id].append(each)
        self.feeds_of = defaultdict(list)
        for each in self.feeds:
            self.feeds_of[each.trail_id].append(each)
        self.attempt_by_key = {each.key: each for each in self.attempts}

    def objects_of(self, feed, *, status="succeeded"):
        """Return the processor's charges or payouts for a feed that have this status."""
        return [
            each
            for attempt in self.attempts_of[feed.id]
            if attempt.kind == feed.direction
            for each in self.by_key[attempt.key]
            if each.status == status
        ]

    def states(self):
        """Return how many attempts are in each state."""
        return Counter(each.state for each in self.attempts)


def read_table(connection, statement):
    """Return the rows of a statement."""
    cursor = connection.cursor()
    cursor.execute(statement)
    names = [column.name for column in cursor.description]
    return [Row(dict(zip(names, values, strict=True))) for values in cursor.fetchall()]


def read_ledger(path):
    """Return the money objects of a ledger, by id, as their last lines tell them."""
    found = {}
    with path.open(encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            if line["type"] in MONEY:
                names = ("id", "type", "status", "amount", "currency", "key", "meta", "marketplace")
                found[line["id"]] = Row({name: line[name] for name in names})
    return found
