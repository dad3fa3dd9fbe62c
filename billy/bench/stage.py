"""Set the stage: companies with customers, cards and schedulers, written in sets.

A fixed price, monthly, by card; four companies in four time zones. They subscribed on the same day
of each of the last 24 months and are due, through that day, at the time when they did: rows that
were made one after the other are due one after the other, as they are in life, 24 months at once.
The first tick that is due opens occurrence 0 of each. Whatever is set up is as Billy writes it,
chains included, so that `audit.verify` has something to say about it afterwards.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db import connection

from accounts.models import Company
from audit.sets import array, execute, fetch, update
from billy.bench.texts import canonical_event, uuid_of
from core.frequency import Frequency
from plans.models import Plan
from processors.base import Account

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

FOUNDED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_DUE_AT: Final = datetime(2026, 1, 15, tzinfo=UTC)
NEXT_DUE_AT: Final = datetime(2026, 2, 17, tzinfo=UTC)  # All of the occurrence after that.
IDLE_AT: Final = FIRST_DUE_AT - timedelta(days=1)  # Nothing is due yet.
DUE_AT: Final = FIRST_DUE_AT + timedelta(days=1)  # Everything is.
AMOUNT: Final = 1500
DESCRIPTION: Final = "the goat - silver"
ZONES: Final = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo")
SECONDS_OF_A_DAY: Final = 86_400
MONTHS: Final = 24  # So many months' subscribers are due at the same times of the day.
MEMORY: Final = tuple(
    (Account(url="memory:", secret=f"secret-{number}"), f"memory:secret-{number}")
    for number, _ in enumerate(ZONES)
)


def open_companies(accounts: Sequence[tuple[Account, str]] = MEMORY) -> None:
    """Open the companies, each with a plan, and its account with the name that this has there."""
    for number, (zone, (account, remote)) in enumerate(zip(ZONES, accounts, strict=True)):
        company = Company.create(
            name=f"Shop {number}",
            time_zone=zone,
            processor_url=account.url,
            processor_key=account.secret,
            now=FOUNDED_AT,
        )
        company.processor_account = remote
        company.save(update_fields=["processor_account"])
        Plan.create(
            company=company,
            amount=AMOUNT,
            description=DESCRIPTION,
            frequency=Frequency.MONTHLY,
            now=FOUNDED_AT,
        )


def add_schedulers(count: int) -> None:
    """Add so many schedulers, each with a customer and a card of its own."""
    companies = list(Company.objects.order_by("name"))
    plans = {plan.company_id: plan.pk for plan in Plan.objects.all()}
    execute(
        PEOPLE,
        [
            array("uuid", [each.pk for each in companies]),
            array("uuid", [plans[each.pk] for each in companies]),
            array("text", [each.time_zone for each in companies]),
            len(companies),
            FIRST_DUE_AT,
            SECONDS_OF_A_DAY,
            max(1, -(-count // MONTHS)),
            count,
        ],
    )
    for statement in (TRAILS, CUSTOMERS, CARDS, SCHEDULERS, CREATED):
        with connection.cursor() as cursor:
            cursor.execute(statement, {"founded": FOUNDED_AT})
    execute("DROP TABLE people")


def strip() -> None:
    """Take away constraints, triggers and indexes, but for the ways in that every update needs.

    What is left: the primary keys of the four tables that are updated, the index of what is due,
    and the one-row-a-company counter of numbers.
    """
    for (statement,) in fetch(STRIP, [list(WAYS_IN)]):
        execute(statement)


def name_cards(cards: Sequence[UUID], uris: Sequence[str]) -> None:
    """Write down what the processor calls these cards."""
    update(
        "billy_accounts_fundinginstrument",
        {"id": "uuid", "uri": "text"},
        list(zip(cards, uris, strict=True)),
        key="id",
    )


def tidy(*, full: bool = False) -> None:
    """Leave no work behind for the server to do while something is measured.

    `full` gives back the room of rows that were all written twice.
    """
    if full:
        execute("VACUUM FULL billy_schedulers_scheduler, billy_audit_audittrail")
    filled = fetch(
        "SELECT relid::regclass::text FROM pg_stat_user_tables"
        " WHERE pg_relation_size(relid) > 0 ORDER BY 1"
    )
    # Those that are empty are left as a new installation has them. An empty table that was looked
    # at is taken for one that stays so, and foreign keys would be checked by reading all of it.
    execute(f"VACUUM ANALYZE {', '.join(name for (name,) in filled)}")
    if may_checkpoint():
        execute("CHECKPOINT")


def may_checkpoint() -> bool:
    """Return whether this user may ask for a checkpoint; without one the server chooses when."""
    ((may,),) = fetch(
        "SELECT rolsuper OR EXISTS (SELECT 1 FROM pg_roles r WHERE r.rolname = 'pg_checkpoint'"
        " AND pg_has_role(current_user, r.oid, 'member'))"
        " FROM pg_roles WHERE rolname = current_user"
    )
    return bool(may)


WAYS_IN: Final = (
    "billy_audit_audittrail_pkey",
    "billy_invoices_auditfeed_pkey",
    "billy_invoices_transaction_pkey",
    "billy_schedulers_scheduler_pkey",
    "scheduler_due",
    "series_once",
)
STRIP = """
WITH ours AS (
  SELECT oid, oid::regclass AS name FROM pg_class WHERE relkind = 'r' AND relname IN (
    'billy_audit_audittrail', 'billy_audit_auditevent', 'billy_invoices_auditfeed',
    'billy_invoices_transaction', 'billy_invoices_numberseries', 'billy_schedulers_scheduler')
), kept AS (SELECT unnest(%s::text[]) AS name)
SELECT statement FROM (
  SELECT 1 AS place, format('ALTER TABLE %%s DROP CONSTRAINT %%I', ours.name, c.conname)
  FROM pg_constraint c JOIN ours ON ours.oid = c.conrelid WHERE c.contype = 'f'
  UNION ALL
  SELECT 2, format('ALTER TABLE %%s DROP CONSTRAINT %%I CASCADE', ours.name, c.conname)
  FROM pg_constraint c JOIN ours ON ours.oid = c.conrelid
  WHERE c.contype IN ('c', 'u', 'p') AND c.conname NOT IN (SELECT name FROM kept)
  UNION ALL
  SELECT 3, format('DROP INDEX IF EXISTS %%s', i.indexrelid::regclass)
  FROM pg_index i JOIN ours ON ours.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
  WHERE x.relname NOT IN (SELECT name FROM kept)
    AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid
                    AND c.contype IN ('u', 'p'))
  UNION ALL
  SELECT 4, format('DROP TRIGGER %%I ON %%s', t.tgname, ours.name)
  FROM pg_trigger t JOIN ours ON ours.oid = t.tgrelid WHERE NOT t.tgisinternal
) AS found (place, statement) ORDER BY place
"""
# Ids that sort by their making, as Billy's do: milliseconds, then what tells them apart.
_MADE_MS = "(1767225600000 + n / 8)"
_ID = "(lpad(to_hex({made}), 12, '0') || '7{kind}8' || substr(md5('{kind}' || n), 1, 15))::uuid"
PEOPLE = f"""
CREATE TEMP TABLE people AS
SELECT n, companies.company, companies.plan, companies.zone,
  {_ID.format(made=_MADE_MS, kind="111")} AS customer,
  {_ID.format(made=_MADE_MS, kind="222")} AS card,
  {_ID.format(made=_MADE_MS, kind="333")} AS scheduler,
  due_at,
  to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') || '+00:00' AS due_text,
  substr(md5('c' || n) || md5('u' || n), 1, 22) AS customer_guid,
  substr(md5('p' || companies.plan), 1, 22) AS plan_guid
FROM unnest(%s::uuid[], %s::uuid[], %s::text[])
  WITH ORDINALITY AS companies (company, plan, zone, place)
JOIN LATERAL (
  SELECT n, first + make_interval(secs => (n - 1) %% each_month * day / each_month) AS due_at
  FROM (SELECT %s::bigint AS many, %s::timestamptz AS first, %s::bigint AS day,
    %s::bigint AS each_month, %s::bigint AS count) AS told,
  generate_series(companies.place, count, many) AS n
) AS numbered ON true
ORDER BY n
"""
TRAILS = """
INSERT INTO billy_audit_audittrail (id, company_id, subject, began_at, head_seq, head_hash)
SELECT customer, company, 'customer', %(founded)s::timestamptz, 0, ''::bytea FROM people
UNION ALL SELECT scheduler, company, 'scheduler', %(founded)s::timestamptz, 0, ''::bytea FROM people
"""
CUSTOMERS = """
INSERT INTO billy_accounts_customer (id, company_id, name, email, time_zone, processor_uri,
  created_at, updated_at)
SELECT customer, company, 'Customer ' || n, n || '@example.com', '',
  '/customers/CU' || lpad(n::text, 20, '0'), %(founded)s, %(founded)s FROM people ORDER BY n
"""
CARDS = """
INSERT INTO billy_accounts_fundinginstrument (id, company_id, customer_id, uri, kind, label,
  can_debit, can_credit, expires, state, reason, created_at, updated_at)
SELECT card, company, customer, '/cards/CC' || lpad(n::text, 20, '0'), 'card', 'Visa xx1111',
  true, false, '2035-12', 'active', '', %(founded)s, %(founded)s FROM people ORDER BY n
"""
SCHEDULERS = """
INSERT INTO billy_schedulers_scheduler (id, company_id, customer_id, instrument_id, plan_id, task,
  computed, params, direction, currency, frequency, "interval", rule, month_end, shift, anchor_at,
  anchor_occurrence, time_zone, started_at, occurrence, next_run_at, state, reason, version,
  catch_up, without_instrument, retry_policy, statement_text, follow_ups, created_at, updated_at)
SELECT scheduler, company, customer, card, plan, 'fixed-debit', false, '{}', 'debit', 'USD',
  'monthly', 1, '', 'same_day', 'none', due_at, 0, zone, due_at, 0, due_at, 'active', '', 1,
  'auto', 'pause', '{}', '', '[]', %(founded)s, %(founded)s FROM people ORDER BY n
"""
_BODY = (
    """'{"amount":null,"anchor_at":"' || due_text || '","customer":"CU' || customer_guid"""
    """ || '","plan":"PL' || plan_guid || '","task":"fixed-debit","trial":false}'"""
)
CREATED = f"""
WITH told AS MATERIALIZED (
  SELECT n, scheduler, company, {_BODY} AS body,
    encode(sha256(convert_to('5:event36:' || scheduler || '1:1', 'UTF8')), 'hex') AS name
  FROM people
), events AS (
  INSERT INTO billy_audit_auditevent (id, company_id, trail_id, seq, kind, amount, currency, body,
    actor, at, dedupe, prev, hash)
  SELECT {uuid_of(at="%(founded)s::timestamptz", digest="name")}, company, scheduler, 1,
    'scheduler.created', 0, 'USD', body::jsonb, 'billy', %(founded)s, 'scheduler.created',
    ''::bytea, sha256(convert_to({
    canonical_event(
        amount="0",
        at="%(founded)s::timestamptz",
        body="body",
        company="company",
        currency="'USD'",
        dedupe="'scheduler.created'",
        feed=None,
        kind="'scheduler.created'",
        moved=None,
        seq="1",
        trail="scheduler",
        transaction=None,
    )
}, 'UTF8'))
  FROM told ORDER BY n RETURNING trail_id, hash
)
UPDATE billy_audit_audittrail AS t SET head_seq = 1, head_hash = events.hash
FROM events WHERE t.id = events.trail_id
"""
