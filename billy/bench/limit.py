"""The limit: the same rows into the same tables, by SQL alone, in two transactions a batch.

Each transaction is one statement. Everything is computed in it: what is due is claimed as Billy
claims it, ids are derived, periods and hashes are worked out, and the rows are written with all
constraints, triggers and indexes on. Between the two transactions only the ids of the attempts
pass through the client. There is no processor: what it would answer is made up.

Of a row's texts, only the keys of payments and the fingerprints of requests are not what Billy
would write; they are SHA-256 of texts of about the same length, and have the same length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection, transaction

from audit.sets import array
from billy.bench.stage import ZONES
from billy.bench.texts import canonical_event, digest_of, iso, uuid_of
from invoices import payments
from schedulers.claim import STATES

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

LEASE_SECONDS = 120


def run(*, now: datetime, batch_size: int, cycles: int) -> int:
    """Make at least so many cycles, or as many as are due; returns how many."""
    done = 0
    while done < cycles:
        attempts = begin(now=now, batch_size=min(batch_size, cycles - done))
        if not attempts:
            break
        done += settle(attempts, now=now)
    return done


def begin(*, now: datetime, batch_size: int) -> list[UUID]:
    """Open a batch and intend its attempts, in one transaction; returns their ids."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            INTENT,
            {
                "now": now,
                "limit": batch_size,
                "share": -(-batch_size // len(ZONES)),  # As Billy shares a batch out.
                "lease": LEASE_SECONDS,
                "token": payments.token(),
            },
        )
        return [row[0] for row in cursor.fetchall()]


def settle(attempts: list[UUID], *, now: datetime) -> int:
    """Write that each attempt succeeded, in one transaction; returns how many did."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(OUTCOME, {"now": now, "attempts": array("uuid", attempts)})
        return int(cursor.rowcount)


# What Billy's terms and bodies say, as canonical JSON.
TERMS = (
    """'{"description":"' || description || '","task":"' || task || '","time_zone":"'"""
    """ || time_zone || '","version":' || version || '}'"""
)
OPENED = (
    """'{"attempt":1,"line":"' || description || '","period":["'"""
    f""" || {iso("next_run_at")} || '","' || {iso("period_end")} || '"]}}'"""
)
CHARGED = (
    """'{"amount":' || amount || ',"attempt":1,"uri":"' || uri || '"}'"""  # As canonical JSON.
)
INTENT = f"""
WITH due AS MATERIALIZED (
  SELECT d.*
  FROM billy_accounts_company w CROSS JOIN LATERAL (
    SELECT s.id AS trail, s.company_id AS company, s.customer_id, s.plan_id, s.instrument_id,
      s.task, s.anchor_at, s.time_zone, s.occurrence, s.anchor_occurrence, s.version,
      s.statement_text, s.next_run_at, s.currency, coalesce(s.amount, p.amount) AS amount,
      p.description, c.processor_account, t.head_seq + 1 AS seq, t.head_hash AS prev
    FROM billy_schedulers_scheduler s
    JOIN billy_audit_audittrail t ON t.id = s.id
    JOIN billy_accounts_company c ON c.id = s.company_id
    JOIN billy_plans_plan p ON p.id = s.plan_id
    JOIN billy_accounts_fundinginstrument i ON i.id = s.instrument_id AND i.state = 'active'
    WHERE s.company_id = w.id AND s.state IN ({STATES}) AND s.next_run_at <= %(now)s
      AND NOT s.computed
    ORDER BY s.next_run_at, s.id LIMIT %(share)s FOR NO KEY UPDATE OF s, t SKIP LOCKED
  ) AS d
  LIMIT %(limit)s
), timed AS MATERIALIZED (
  SELECT due.*,
    (anchor_at AT TIME ZONE time_zone
      + make_interval(months => (occurrence - anchor_occurrence + 1)::integer))
      AT TIME ZONE time_zone AS period_end,
    {digest_of("'feed'", "trail::text", "occurrence::text")} AS feed_name,
    {digest_of("'event'", "trail::text", "seq::text")} AS event_name,
    row_number() OVER (PARTITION BY company ORDER BY next_run_at, trail) AS place
  FROM due
), named AS MATERIALIZED (
  SELECT timed.*, {uuid_of(at="next_run_at", digest="feed_name")} AS feed,
    {uuid_of(at="%(now)s::timestamptz", digest="event_name")} AS event,
    {OPENED} AS body, 'line/' || occurrence || '/0' AS dedupe
  FROM timed
), ready AS MATERIALIZED (
  SELECT named.*,
    {digest_of("'transaction'", "feed::text", "'debit'", "'1'")} AS attempt_name,
    encode(sha256(convert_to('billy/1|' || company || '|' || trail || '|' || occurrence || '|1'
      || '|00000000-0000-4000-8000-000000000000', 'UTF8')), 'hex') AS key_name,
    encode(sha256(convert_to('["debit","b1-",1500,"USD","/cards/CC"]' || feed || trail
      || customer_id || instrument_id || company || body, 'UTF8')), 'hex') AS request_hash,
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
        seq="seq",
        trail="trail",
        transaction=None,
    )
}, 'UTF8')) AS hash
  FROM named
), numbers AS (
  INSERT INTO billy_invoices_numberseries AS n (company_id, series, last)
  SELECT company, 'INV', count(*) FROM ready GROUP BY company ORDER BY company
  ON CONFLICT (company_id, series) DO UPDATE SET last = n.last + excluded.last
  RETURNING company_id, last
), counted AS (
  SELECT company AS owner, count(*) AS many FROM ready GROUP BY company
), feeds AS (
  INSERT INTO billy_invoices_auditfeed (id, company_id, trail_id, occurrence, kind, direction,
    period_start, period_end, customer_id, plan_id, instrument_id, currency, terms, total, live,
    captured, returned, refunded, applied, credited, state, series, number, due_at, opened_at,
    created_at)
  SELECT feed, company, trail, occurrence, 'period', 'debit', next_run_at, period_end,
    customer_id, plan_id, instrument_id, currency, ({TERMS})::jsonb, amount, amount, 0, 0, 0, 0,
    0, 'open', 'INV', numbers.last - counted.many + place, next_run_at, %(now)s, %(now)s
  FROM ready JOIN numbers ON numbers.company_id = company JOIN counted ON counted.owner = company
), events AS (
  INSERT INTO billy_audit_auditevent (id, company_id, trail_id, seq, kind, feed_id, amount,
    currency, body, actor, at, dedupe, prev, hash)
  SELECT event, company, trail, seq, 'invoice.opened', feed, amount, currency, body::jsonb,
    'billy', %(now)s, dedupe, prev, hash FROM ready
), trails AS (
  UPDATE billy_audit_audittrail AS t SET head_seq = ready.seq, head_hash = ready.hash
  FROM ready WHERE t.id = ready.trail
), schedulers AS (
  UPDATE billy_schedulers_scheduler AS s SET occurrence = ready.occurrence + 1,
    next_run_at = period_end, state = s.state, reason = '', version = ready.version,
    updated_at = %(now)s, canceled_at = NULL
  FROM ready WHERE s.id = ready.trail
)
INSERT INTO billy_invoices_transaction (id, company_id, feed_id, attempt, step, kind,
  instrument_id, statement_text, key, request_hash, amount, currency, state, due_at, lease_token,
  lease_until, first_claimed_at, looks, processor_account, failures, created_at, updated_at)
SELECT {uuid_of(at="next_run_at", digest="attempt_name")}, company, feed, 1, 0, 'debit',
  instrument_id, statement_text, 'b1-' || substr(key_name, 1, 40), request_hash, amount, currency,
  'intent', %(now)s, %(token)s, clock_timestamp() + make_interval(secs => %(lease)s),
  clock_timestamp(), 0, processor_account,
  '[]', %(now)s, %(now)s
FROM ready
RETURNING id
"""
OUTCOME = f"""
WITH held AS MATERIALIZED (
  SELECT a.id AS attempt, a.amount, a.currency, a.company_id AS company, a.feed_id AS feed,
    f.trail_id AS trail, f.occurrence, t.head_seq + 1 AS seq, t.head_hash AS prev,
    '/debits/WD' || substr(md5(a.id::text), 1, 20) AS uri,
    'debit.succeeded/debit/' || f.occurrence || '/1' AS dedupe
  FROM billy_invoices_transaction a
  JOIN billy_invoices_auditfeed f ON f.id = a.feed_id
  JOIN billy_audit_audittrail t ON t.id = f.trail_id
  WHERE a.id = ANY(%(attempts)s::uuid[]) AND a.state = 'intent'
  FOR NO KEY UPDATE OF t
), told AS MATERIALIZED (
  SELECT held.*, {CHARGED} AS body,
    {digest_of("'event'", "trail::text", "seq::text")} AS event_name
  FROM held
), ready AS MATERIALIZED (
  SELECT told.*, {uuid_of(at="%(now)s::timestamptz", digest="event_name")} AS event,
    sha256(prev || convert_to({
    canonical_event(
        amount="'0'",
        at="%(now)s::timestamptz",
        body="body",
        company="company",
        currency="currency",
        dedupe="dedupe",
        feed="feed",
        kind="'debit.succeeded'",
        moved="amount",
        seq="seq",
        trail="trail",
        transaction="attempt",
    )
}, 'UTF8')) AS hash
  FROM told
), attempts AS (
  UPDATE billy_invoices_transaction AS a SET state = 'succeeded', processor_uri = ready.uri,
    updated_at = %(now)s, lease_token = NULL, lease_until = NULL, next_look_at = NULL
  FROM ready WHERE a.id = ready.attempt AND a.state = 'intent'
), feeds AS (
  UPDATE billy_invoices_auditfeed AS f SET live = f.live - ready.amount,
    captured = f.captured + ready.amount,
    state = CASE WHEN f.captured + ready.amount = f.total THEN 'settled' ELSE f.state END
  FROM ready WHERE f.id = ready.feed
), events AS (
  INSERT INTO billy_audit_auditevent (id, company_id, trail_id, seq, kind, feed_id,
    transaction_id, amount, moved, currency, body, actor, at, dedupe, prev, hash)
  SELECT event, company, trail, seq, 'debit.succeeded', feed, attempt, 0, amount, currency,
    body::jsonb, 'billy', %(now)s, dedupe, prev, hash FROM ready
)
UPDATE billy_audit_audittrail AS t SET head_seq = ready.seq, head_hash = ready.hash
FROM ready WHERE t.id = ready.trail
"""
