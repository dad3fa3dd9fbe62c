"""A past: one paid invoice for every scheduler, as Billy would have left it a month ago.

Written without indexes and foreign keys, which are put back afterwards and so hold for every row.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connection

from audit.sets import execute, fetch
from billy.bench import stage
from billy.bench.limit import CHARGED, OPENED, TERMS
from billy.bench.texts import canonical_event, digest_of, uuid_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = (
    "billy_accounts_customer",
    "billy_accounts_fundinginstrument",
    "billy_audit_audittrail",
    "billy_audit_auditevent",
    "billy_invoices_auditfeed",
    "billy_invoices_transaction",
    "billy_schedulers_scheduler",
)


@contextmanager
def unguarded() -> Iterator[None]:
    """Take indexes and keys away while a great many rows are written, and put them back."""
    execute("SET maintenance_work_mem = '512MB'")
    execute("SET work_mem = '256MB'")
    foreign = fetch(FOREIGN_KEYS)
    keys = fetch(KEYS, [list(TABLES)])
    indexes = fetch(INDEXES, [list(TABLES)])
    for drop, _ in [*foreign, *keys, *indexes]:
        execute(drop)
    yield
    for _, create in [*keys, *indexes, *foreign]:
        execute(create)


def add() -> None:
    """Give every scheduler its first invoice, paid when it was due, and move it on by a month."""
    for statement in (BEFORE, FEEDS, ATTEMPTS, EVENTS, SERIES, TRAILS, SCHEDULERS):
        with connection.cursor() as cursor:
            cursor.execute(statement, {"now": stage.DUE_AT})
    execute("DROP TABLE before")


_DROP = "format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.conrelid::regclass, c.conname)"
_ADD = (
    "format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.conrelid::regclass, c.conname,"
    " pg_get_constraintdef(c.oid))"
)
FOREIGN_KEYS = f"""
SELECT {_DROP}, {_ADD} FROM pg_constraint c
WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""
KEYS = f"""
SELECT {_DROP}, {_ADD} FROM pg_constraint c
WHERE c.contype IN ('p', 'u') AND c.conrelid::regclass::text = ANY(%s)
"""
INDEXES = """
SELECT format('DROP INDEX %%s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
FROM pg_index i WHERE i.indrelid::regclass::text = ANY(%s)
  AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid
                  AND c.contype IN ('u', 'p'))
"""
BEFORE = f"""
CREATE TEMP TABLE before AS
WITH due AS (
  SELECT s.id AS trail, s.company_id AS company, s.customer_id, s.plan_id, s.instrument_id, s.task,
    s.time_zone, s.occurrence, s.version, s.next_run_at, s.currency, p.amount, p.description,
    c.processor_account, t.head_hash AS prev, 2::bigint AS seq, 'debit'::text AS kind,
    (s.anchor_at AT TIME ZONE s.time_zone + interval '1 month') AT TIME ZONE s.time_zone
      AS period_end,
    {digest_of("'feed'", "s.id::text", "s.occurrence::text")} AS feed_name,
    row_number() OVER (PARTITION BY s.company_id ORDER BY s.next_run_at, s.id) AS number
  FROM billy_schedulers_scheduler s JOIN billy_plans_plan p ON p.id = s.plan_id
  JOIN billy_accounts_company c ON c.id = s.company_id
  JOIN billy_audit_audittrail t ON t.id = s.id
), named AS (
  SELECT due.*, {uuid_of(at="next_run_at", digest="feed_name")} AS feed, {OPENED} AS body FROM due
), hashed AS (
  SELECT named.*, 'line/' || occurrence || '/0' AS dedupe,
    {digest_of("'transaction'", "feed::text", "'debit'", "'1'")} AS attempt_name,
    '/debits/WD' || substr(md5(feed::text), 1, 20) AS uri
  FROM named
), opened AS (
  SELECT hashed.*, {uuid_of(at="next_run_at", digest="attempt_name")} AS attempt,
    sha256(prev || convert_to({
    canonical_event(
        amount="amount",
        at="%(now)s::timestamptz",
        body="body",
        company="company",
        currency="currency",
        dedupe="dedupe",
        feed="feed",
        kind="'invoice.opened'",
        moved="'null'",
        seq="2",
        trail="trail",
        transaction=None,
    )
}, 'UTF8')) AS opened_hash
  FROM hashed
), charged AS (
  SELECT opened.*, {CHARGED} AS charged_body FROM opened
)
SELECT charged.*, sha256(opened_hash || convert_to({
    canonical_event(
        amount="'0'",
        at="%(now)s::timestamptz",
        body="charged_body",
        company="company",
        currency="currency",
        dedupe="'debit.succeeded/debit/0/1'",
        feed="feed",
        kind="'debit.succeeded'",
        moved="amount",
        seq="3",
        trail="trail",
        transaction="attempt",
    )
}, 'UTF8')) AS charged_hash
FROM charged
"""
FEEDS = f"""
INSERT INTO billy_invoices_auditfeed (id, company_id, trail_id, occurrence, kind, direction,
  period_start, period_end, customer_id, plan_id, instrument_id, currency, terms, total, live,
  captured, returned, refunded, applied, credited, state, series, number, due_at, opened_at,
  created_at)
SELECT feed, company, trail, occurrence, 'period', 'debit', next_run_at, period_end, customer_id,
  plan_id, instrument_id, currency, ({TERMS})::jsonb, amount, 0, amount, 0, 0, 0, 0, 'settled',
  'INV', number, next_run_at, %(now)s, %(now)s FROM before ORDER BY next_run_at
"""
ATTEMPTS = """
INSERT INTO billy_invoices_transaction (id, company_id, feed_id, attempt, step, kind,
  instrument_id, statement_text, key, request_hash, amount, currency, state, due_at,
  first_claimed_at, looks, processor_account, processor_uri, failures, created_at, updated_at)
SELECT attempt, company, feed, 1, 0, 'debit', instrument_id, '',
  'b1-' || substr(encode(sha256(convert_to(feed || 'key', 'UTF8')), 'hex'), 1, 40),
  encode(sha256(convert_to(feed || 'request', 'UTF8')), 'hex'), amount, currency, 'succeeded',
  %(now)s, %(now)s, 0, processor_account, uri, '[]', %(now)s, %(now)s
FROM before ORDER BY next_run_at
"""
EVENTS = f"""
INSERT INTO billy_audit_auditevent (id, company_id, trail_id, seq, kind, feed_id, transaction_id,
  amount, moved, currency, body, actor, at, dedupe, prev, hash)
SELECT {uuid_of(at="%(now)s::timestamptz", digest=digest_of("'event'", "trail::text", "'2'"))},
  company, trail, 2, 'invoice.opened', feed, NULL::uuid, amount, NULL::bigint, currency,
  body::jsonb, 'billy', %(now)s, dedupe, prev, opened_hash FROM before
UNION ALL
SELECT {uuid_of(at="%(now)s::timestamptz", digest=digest_of("'event'", "trail::text", "'3'"))},
  company, trail, 3, 'debit.succeeded', feed, attempt, 0, amount, currency,
  charged_body::jsonb, 'billy', %(now)s, 'debit.succeeded/debit/0/1', opened_hash, charged_hash
FROM before
"""
SERIES = """
INSERT INTO billy_invoices_numberseries (company_id, series, last)
SELECT company, 'INV', count(*) FROM before GROUP BY company
"""
TRAILS = """
UPDATE billy_audit_audittrail AS t SET head_seq = 3, head_hash = charged_hash
FROM before WHERE t.id = trail
"""
SCHEDULERS = """
UPDATE billy_schedulers_scheduler AS s SET occurrence = before.occurrence + 1,
  next_run_at = period_end, updated_at = %(now)s FROM before WHERE s.id = trail
"""
