"""Corruptions of events, of people, of what the processor says, and of the tables themselves."""

from __future__ import annotations

from typing import Final

from billy.verification.corruptions import (
    ATTEMPT,
    CHECKPOINT,
    COMPANY,
    CUSTOMER,
    EVENT,
    FEED,
    FRESH,
    INSTRUMENT,
    LONG,
    MIDDLE,
    OTHERS,
    OUTBOX,
    PAID,
    PLAIN,
    SCHEDULER,
    TRAIL,
    copied,
    rows,
    settled,
    structure,
    without,
)

EVENTS: Final = (
    rows("an event is deleted", "I9", f"DELETE FROM {EVENT} WHERE {MIDDLE}"),
    rows(
        "the last event is deleted",
        "I9",
        f"DELETE FROM {EVENT} e USING {TRAIL} t WHERE t.id = {LONG} AND e.trail_id = t.id"
        " AND e.seq = t.head_seq",
        depth="fast",
    ),
    rows(
        "two events are swapped",
        "I9",
        "ALTER TABLE billy_audit_auditevent DROP CONSTRAINT event_seq_once",
        f"UPDATE {EVENT} SET seq = 7 - seq WHERE trail_id = {LONG} AND seq IN (3, 4)",
    ),
    rows(
        "what an event says is edited",
        "I9",
        f'UPDATE {EVENT} SET body = body || \'{{"line": "edited"}}\' WHERE {MIDDLE}',
    ),
    rows("who did it is edited", "I9", f"UPDATE {EVENT} SET actor = 'nobody' WHERE {MIDDLE}"),
    rows(
        "when it was is edited",
        "I9",
        f"UPDATE {EVENT} SET at = at - interval '1 microsecond' WHERE {MIDDLE}",
    ),
    rows(
        "an event is chained to another",
        "I9",
        f"UPDATE {EVENT} SET prev = decode(repeat('00', 32), 'hex') WHERE {MIDDLE}",
    ),
    rows(
        "a head is forged",
        "I9",
        f"UPDATE {TRAIL} SET head_hash = decode(repeat('00', 32), 'hex') WHERE id = {LONG}",
        depth="fast",
    ),
    rows(
        "a head is rewound",
        "I9",
        f"UPDATE {TRAIL} t SET head_seq = e.seq, head_hash = e.hash FROM {EVENT} e"
        f" WHERE t.id = {LONG} AND e.trail_id = t.id AND e.seq = t.head_seq - 1",
    ),
    rows(
        "a tail is cut off, and the head with it",
        "I10",
        f"DELETE FROM {EVENT} WHERE trail_id = {LONG} AND seq > 2",
        f"UPDATE {TRAIL} t SET head_seq = e.seq, head_hash = e.hash FROM {EVENT} e"
        f" WHERE t.id = {LONG} AND e.trail_id = t.id AND e.seq = 2",
    ),
    rows(
        "a history is set back to before its checkpoint",
        "I11",
        f"DELETE FROM {EVENT} WHERE trail_id = {LONG} AND seq > 2",
        f"UPDATE {TRAIL} t SET head_seq = e.seq, head_hash = e.hash FROM {EVENT} e"
        f" WHERE t.id = {LONG} AND e.trail_id = t.id AND e.seq = 2",
    ),
    rows(
        "a checkpoint is edited",
        "I11",
        f"UPDATE {CHECKPOINT} SET at = at - interval '1 hour' WHERE number = 1",
    ),
    rows("a checkpoint is deleted", "I11", f"DELETE FROM {CHECKPOINT} WHERE number = 1"),
    rows(
        "a scheduler is paused without an event",
        "I10",
        f"UPDATE {SCHEDULER} SET state = 'paused' WHERE {PLAIN}",
    ),
    rows(
        "a scheduler's version is rewound",
        "I10",
        f"UPDATE {SCHEDULER} SET version = version - 1 WHERE version > 1",
    ),
    rows(
        "an invoice is taken up again without an event",
        "I10",
        f"UPDATE {FEED} SET state = 'open' WHERE state = 'uncollected'",
    ),
    rows(
        "a refusal is made a cancellation",
        "I10",
        f"UPDATE {ATTEMPT} SET state = 'voided' WHERE state = 'declined'",
    ),
    rows(
        "an offer's amount is edited",
        "I10",
        "UPDATE billy_plans_plan SET amount = amount + 1",
    ),
    rows(
        "usage is edited",
        "I10",
        "UPDATE billy_schedulers_usage SET quantity = quantity + 1",
    ),
    rows("an event is of no known kind", "I12", f"UPDATE {EVENT} SET kind = 'gift' WHERE {MIDDLE}"),
    rows("a message is lost", "I18", f"DELETE FROM {OUTBOX} WHERE topic = 'debit.declined'"),
    rows("a message tells of nothing", "I18", f"UPDATE {OUTBOX} SET dedupe = 'x/' || id"),
    rows(
        "a callback is forgotten",
        "I19",
        "UPDATE billy_webhooks_inbound SET done_at = NULL, result = '',"
        " received_at = received_at - interval '2 hours'",
        depth="fast",
    ),
)

PEOPLE: Final = (
    rows(
        "an invoice is for another company's customer",
        "I20",
        f"UPDATE {FEED} SET customer_id = (SELECT id FROM {CUSTOMER} WHERE"
        f" {OTHERS.format(table=FEED)}) WHERE {settled()}",
    ),
    rows(
        "an attempt uses another company's card",
        "I20",
        f"UPDATE {ATTEMPT} SET instrument_id = (SELECT id FROM {INSTRUMENT} WHERE"
        f" {OTHERS.format(table=ATTEMPT)}) WHERE {PAID}",
    ),
    rows(
        "a scheduler is on another company's plan",
        "I20",
        f"UPDATE {SCHEDULER} SET plan_id = (SELECT id FROM billy_plans_plan WHERE"
        f" {OTHERS.format(table=SCHEDULER)}) WHERE {PLAIN}",
    ),
    rows(
        "an event is another company's",
        "I20",
        f"UPDATE {EVENT} SET company_id = (SELECT id FROM {COMPANY} WHERE id <>"
        f" {EVENT}.company_id LIMIT 1) WHERE {MIDDLE}",
    ),
    rows(
        "an event is of no invoice", "I20", f"UPDATE {EVENT} SET feed_id = {FRESH} WHERE {MIDDLE}"
    ),
    rows("a customer is deleted", "I20", f"DELETE FROM {CUSTOMER} WHERE name = 'Pat'"),
    rows(
        "a card number is a name",
        "I22",
        f"UPDATE {CUSTOMER} SET name = 'Pat 4111 1111 1111 1111' WHERE name = 'Pat'",
    ),
    rows(
        "a card number is in an event",
        "I22",
        f'UPDATE {EVENT} SET body = \'{{"note": "4111111111111111"}}\' WHERE {MIDDLE}',
    ),
    rows(
        "an IBAN is a parameter",
        "I22",
        f'UPDATE {SCHEDULER} SET params = \'{{"to": "DE89 3704 0044 0532 0130 00"}}\''
        f" WHERE {PLAIN}",
    ),
    rows(
        "a processor's key is in clear",
        "I23",
        f"UPDATE {COMPANY} SET processor_key = 'ak-test-in-clear'",
        depth="fast",
    ),
    rows(
        "an API key is in clear",
        "I23",
        "UPDATE billy_accounts_apikey SET fingerprint = hint",
        depth="fast",
    ),
)

REMOTE: Final = (
    rows("an attempt is deleted", "I24", f"DELETE FROM {ATTEMPT} WHERE {PAID}", depth="processor"),
    rows(
        "an amount is not the processor's",
        "I24",
        f"UPDATE {ATTEMPT} SET amount = amount + 1 WHERE {PAID}",
        depth="processor",
    ),
    rows(
        "a decline is made a success",
        "I24",
        f"UPDATE {ATTEMPT} SET state = 'succeeded' WHERE state = 'declined'",
        depth="processor",
    ),
    rows(
        "a success is invented",
        "I24",
        copied(
            ATTEMPT,
            "state = 'succeeded'",
            id=FRESH,
            attempt="77",
            key="'b1-3'",
            processor_uri="'/debits/none'",
        ),
        depth="processor",
    ),
)

TABLES: Final = (
    structure("a unique index is dropped", "DROP INDEX transaction_one_live"),
    structure("an index is dropped", "DROP INDEX scheduler_due"),
    structure(
        "a unique index is no longer unique",
        "DROP INDEX transaction_one_live",
        f"CREATE INDEX transaction_one_live ON {ATTEMPT} (feed_id)",
    ),
    structure("a trigger is dropped", f"DROP TRIGGER event_append_only ON {EVENT}"),
    structure("a trigger is disabled", f"ALTER TABLE {EVENT} DISABLE TRIGGER event_append_only"),
    structure("a trigger sleeps in replicas", f"ALTER TABLE {FEED} ENABLE TRIGGER feed_moves"),
    structure(
        "the refusing function is emptied",
        "CREATE OR REPLACE FUNCTION billy_refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NEW; END $$",
    ),
    structure("a check is dropped", without("feed_never_over_promised", FEED)),
    structure(
        "a check is not valid",
        without("transaction_amount_sound"),
        f"ALTER TABLE {ATTEMPT} ADD CONSTRAINT transaction_amount_sound"
        " CHECK (amount >= 1 AND amount <= 9007199254740991) NOT VALID",
    ),
    structure("foreign keys are turned off", f"ALTER TABLE {ATTEMPT} DISABLE TRIGGER ALL"),
    structure("a column may be empty", f"ALTER TABLE {ATTEMPT} ALTER key DROP NOT NULL"),
    structure(
        "a migration is not applied",
        "DELETE FROM django_migrations WHERE app = 'billy_webhooks'",
    ),
    structure(
        "commits do not wait for the disk",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off',"
        " current_database()); END $$",
        depth="env",
    ),
)

ALL: Final = (*EVENTS, *PEOPLE, *REMOTE, *TABLES)
