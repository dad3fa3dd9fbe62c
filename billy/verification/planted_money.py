"""Corruptions of occurrences, attempts and invoices."""

from __future__ import annotations

from typing import Final

from billy.verification.corruptions import (
    ATTEMPT,
    EVENT,
    FEED,
    FRESH,
    OPEN,
    PAID,
    PLAIN,
    REFUND,
    SCHEDULER,
    SERIES,
    copied,
    one,
    rows,
    settled,
    without,
)

OCCURRENCES: Final = (
    rows("an invoice is deleted", "I1", f"DELETE FROM {FEED} WHERE {settled()}"),
    rows(
        "a counter is rewound",
        "I1",
        f"UPDATE {SCHEDULER} SET occurrence = occurrence - 1 WHERE {PLAIN}",
    ),
    rows(
        "a counter runs ahead",
        "I1",
        f"UPDATE {SCHEDULER} SET occurrence = occurrence + 1 WHERE {PLAIN}",
        depth="fast",
    ),
    rows(
        "an occurrence is opened twice",
        "I1",
        "DROP INDEX feed_occurrence_once",
        "DROP INDEX feed_number_once",
        copied(
            FEED,
            "kind = 'period' AND occurrence = 1",
            id=FRESH,
            period_start="t.period_start + interval '1 hour'",
        ),
    ),
    rows(
        "a next run is moved",
        "I2",
        f"UPDATE {SCHEDULER} SET next_run_at = next_run_at + interval '1 hour' WHERE {PLAIN}",
    ),
    rows(
        "an anchor is moved",
        "I2",
        f"UPDATE {SCHEDULER} SET anchor_at = anchor_at + interval '1 day' WHERE {PLAIN}",
    ),
    rows(
        "a period is made longer",
        "I2",
        f"UPDATE {FEED} SET period_end = period_end + interval '1 day' WHERE {settled()}",
    ),
    rows(
        "a period begins within another",
        "I3",
        f"UPDATE {FEED} SET period_start = period_start - interval '2 days' WHERE {settled()}",
    ),
    rows(
        "an invoice is opened after the cancel",
        "I21",
        f"UPDATE {EVENT} SET seq = seq + 1000 WHERE kind = 'invoice.opened' AND trail_id ="
        f" (SELECT trail_id FROM {EVENT} WHERE kind = 'scheduler.canceled' LIMIT 1)",
    ),
    rows(
        "a cancel has no time",
        "I21",
        f"UPDATE {SCHEDULER} SET canceled_at = NULL WHERE state = 'canceled'",
    ),
)

ATTEMPTS: Final = (
    rows(
        "two attempts are in hand",
        "I4",
        "DROP INDEX transaction_one_live",
        copied(ATTEMPT, "state = 'queued'", id=FRESH, attempt="t.attempt + 1", key="'b1-2'"),
        depth="fast",
    ),
    rows(
        "an attempt's number is skipped",
        "I4",
        f"UPDATE {ATTEMPT} SET attempt = 9 WHERE {one(ATTEMPT, 'attempt = 2')}",
    ),
    rows(
        "the next was born before a no",
        "I4",
        f"UPDATE {ATTEMPT} SET state = 'pending', processor_uri = '/debits/x' WHERE "
        + one(ATTEMPT, "attempt = 1 AND state = 'declined'"),
    ),
    rows("a key is changed", "I5", f"UPDATE {ATTEMPT} SET key = 'b1-OTHER' WHERE {PAID}"),
    rows(
        "a fingerprint is changed",
        "I5",
        f"UPDATE {ATTEMPT} SET request_hash = repeat('0', 64) WHERE {PAID}",
    ),
    rows(
        "what was asked for is edited",
        "I5",
        f"UPDATE {ATTEMPT} SET statement_text = 'edited' WHERE {PAID}",
    ),
    rows("an attempt gets another id", "I5", f"UPDATE {ATTEMPT} SET id = {FRESH} WHERE {PAID}"),
    rows(
        "the installation gets another id",
        "I5",
        f"UPDATE billy_accounts_installation SET instance_id = {FRESH}",
    ),
    rows(
        "a success names no object",
        "I8",
        without("transaction_moved_is_known_there"),
        f"UPDATE {ATTEMPT} SET processor_uri = NULL WHERE {PAID}",
    ),
    rows(
        "an object belongs to two attempts",
        "I8",
        "DROP INDEX transaction_remote_once",
        f"UPDATE {ATTEMPT} SET processor_uri = '/debits/same' WHERE state = 'succeeded'",
    ),
    rows(
        "a key belongs to two attempts",
        "I8",
        without("transaction_key_once"),
        f"UPDATE {ATTEMPT} SET key = 'b1-SAME' WHERE state = 'succeeded'",
    ),
    rows("a refund grows", "I14", f"UPDATE {ATTEMPT} SET amount = 99999 WHERE {REFUND}"),
    rows(
        "a refund is of another invoice",
        "I14",
        f"UPDATE {ATTEMPT} SET reference_to_id = (SELECT id FROM {ATTEMPT} a WHERE state ="
        f" 'succeeded' AND kind = 'debit' AND feed_id <> {ATTEMPT}.feed_id LIMIT 1)"
        f" WHERE {REFUND}",
    ),
    rows(
        "a lease ended an hour ago",
        "I16",
        f"UPDATE {ATTEMPT} SET next_look_at = NULL,"
        " lease_until = clock_timestamp() - interval '1 hour' WHERE state = 'unknown'",
        depth="fast",
    ),
    rows(
        "an answer is lost for a day",
        "I16",
        f"UPDATE {ATTEMPT} SET first_claimed_at = clock_timestamp() - interval '25 hours'"
        " WHERE state = 'unknown'",
        depth="fast",
    ),
    rows(
        "a planned attempt is forgotten",
        "I16",
        f"UPDATE {ATTEMPT} SET due_at = due_at - interval '2 days' WHERE state = 'queued'",
        depth="fast",
    ),
    rows(
        "a scheduler is not run",
        "I16",
        f"UPDATE {SCHEDULER} SET next_run_at = next_run_at - interval '400 days' WHERE {PLAIN}",
        depth="fast",
    ),
    rows(
        "a parked attempt has no reason",
        "I17",
        f"UPDATE {ATTEMPT} SET failures = '[]' WHERE state = 'parked'",
        depth="fast",
    ),
    rows(
        "a parked scheduler has no reason",
        "I17",
        f"UPDATE {SCHEDULER} SET reason = '' WHERE state = 'parked'",
        depth="fast",
    ),
)

INVOICES: Final = (
    rows("a paid invoice is open", "I6", f"UPDATE {FEED} SET state = 'open' WHERE {settled()}"),
    rows(
        "a settled invoice is not paid",
        "I6",
        without("feed_settled_is_paid", FEED),
        f"UPDATE {FEED} SET captured = captured - 1 WHERE {settled()} AND captured > 0",
    ),
    rows(
        "a payment is undone, its invoice is not",
        "I6",
        f"UPDATE {ATTEMPT} SET state = 'returned' WHERE {PAID}",
    ),
    rows(
        "an invoice loses its number",
        "I6",
        without("feed_numbered_when_opened", FEED),
        f"UPDATE {FEED} SET number = NULL, series = NULL WHERE {settled()}",
    ),
    rows("a total is edited", "I7", f"UPDATE {FEED} SET total = total + 1 WHERE {OPEN}"),
    rows(
        "a line is edited",
        "I7",
        f"UPDATE {EVENT} SET amount = amount - 1 WHERE "
        + one(EVENT, "kind = 'invoice.opened' AND amount > 0"),
    ),
    rows(
        "a line is in another currency",
        "I7",
        f"UPDATE {EVENT} SET currency = 'EUR' WHERE {one(EVENT, 'kind = $$invoice.opened$$')}",
    ),
    rows(
        "a currency is none",
        "I12",
        f"UPDATE {FEED} SET currency = 'XXX' WHERE {OPEN}",
    ),
    rows(
        "a sum is below zero",
        "I12",
        without("feed_sums_not_negative", FEED),
        f"UPDATE {FEED} SET refunded = -1 WHERE {OPEN}",
    ),
    rows(
        "more is in hand than attempts say",
        "I13",
        f"UPDATE {FEED} SET live = live + 1 WHERE {OPEN}",
    ),
    rows(
        "a refund is not counted",
        "I13",
        f"UPDATE {FEED} SET refunded = 0 WHERE refunded > 0",
    ),
    rows(
        "money moved by the event alone",
        "I13",
        f"UPDATE {EVENT} SET moved = moved + 1 WHERE " + one(EVENT, "kind = 'debit.succeeded'"),
    ),
    rows(
        "a number is skipped",
        "I15",
        f"UPDATE {FEED} SET number = number + 1000 WHERE {settled()}",
        depth="fast",
    ),
    rows(
        "a counter of numbers is rewound",
        "I15",
        f"UPDATE {SERIES} SET last = last - 1",
        depth="fast",
    ),
    rows(
        "a number is given twice",
        "I15",
        "DROP INDEX feed_number_once",
        f"UPDATE {FEED} SET number = 1 WHERE number = 2",
    ),
)

ALL: Final = (*OCCURRENCES, *ATTEMPTS, *INVOICES)
