"""Whether schedulers open every occurrence once, when it is due, and only while they may.

Each statement yields (kind, id, why) for every offender and nothing where all is well. The periods
are in `calendar.py`: they are computed by the timers themselves.
"""

from __future__ import annotations

from audit.findings import Check, Weight, asked
from audit.models import AuditEvent
from invoices.payments import FEED
from schedulers import calendar
from schedulers.models import Scheduler, Usage
from schedulers.states import TICKING

EVENT = f'"{AuditEvent._meta.db_table}"'
SCHEDULER = f'"{Scheduler._meta.db_table}"'
USAGE = f'"{Usage._meta.db_table}"'
TICKS = ", ".join(f"'{state}'" for state in TICKING)

# Skips are looked up for those alone that have fewer feeds than the counter says.
OCCURRENCES = f"""
SELECT CASE WHEN s.id IS NULL THEN 'trail' ELSE 'scheduler' END, coalesce(s.id, f.trail_id), CASE
       WHEN s.id IS NULL THEN 'has occurrences, and is no scheduler'
       WHEN f.high >= s.occurrence THEN 'occurrence ' || f.high || ' is beyond its counter, '
                                        || s.occurrence
       ELSE coalesce(s.occurrence - coalesce(f.count, 0) - coalesce(k.count, 0), 0)
            || ' occurrences below its counter, ' || s.occurrence || ', are missing or twice' END
  FROM (SELECT trail_id, count(*), min(occurrence) low, max(occurrence) high
          FROM {FEED} WHERE kind = 'period' GROUP BY trail_id) f
  FULL JOIN {SCHEDULER} s ON s.id = f.trail_id
  LEFT JOIN LATERAL (SELECT sum((e.body ->> 'to')::bigint - (e.body ->> 'from')::bigint + 1) count
         FROM {EVENT} e WHERE coalesce(f.count, 0) <> s.occurrence
          AND e.trail_id = s.id AND e.kind = 'occurrences.skipped') k ON true
 WHERE s.id IS NULL OR f.high >= s.occurrence OR f.low < 0
    OR coalesce(f.count, 0) + coalesce(k.count, 0) <> s.occurrence
"""
TWICE = f"""
SELECT 'scheduler', trail_id, 'occurrence ' || occurrence || ' was opened ' || count(*) || ' times'
  FROM {FEED} WHERE kind = 'period' GROUP BY trail_id, occurrence HAVING count(*) > 1
UNION ALL
SELECT 'scheduler', e.trail_id, 'occurrence ' || f.occurrence || ' was opened and skipped'
  FROM {EVENT} e JOIN {FEED} f ON f.trail_id = e.trail_id AND f.kind = 'period'
   AND f.occurrence BETWEEN (e.body ->> 'from')::bigint AND (e.body ->> 'to')::bigint
 WHERE e.kind = 'occurrences.skipped'
"""
OVERLAPS = f"""
SELECT 'feed', id, 'its period overlaps the one before it' FROM (
       SELECT id, period_start < lag(period_end) OVER (PARTITION BY trail_id ORDER BY period_start)
              AS is_early FROM {FEED} WHERE kind = 'period') f WHERE is_early
"""

# --- What the events say ------------------------------------------------------------------------

# `changed` is a change of state only where it says from which.
STATE_EVENTS = """(e.kind IN ('scheduler.created', 'scheduler.activated', 'scheduler.past_due',
    'scheduler.recovered', 'scheduler.paused', 'scheduler.resumed', 'scheduler.held',
    'scheduler.parked', 'scheduler.errored', 'scheduler.canceled', 'scheduler.ended')
    OR (e.kind = 'scheduler.changed' AND e.body ? 'from'))"""
REPLAYED = f"""
SELECT 'scheduler', s.id, CASE
       WHEN e.kind IS NULL THEN 'no event tells of its birth'
       ELSE 'is ' || s.state || ' in version ' || s.version || ', its events say '
            || split_part(e.kind, '.', 2) || ' in version ' || coalesce(v.version, 1) END
  FROM {SCHEDULER} s
  LEFT JOIN (SELECT DISTINCT ON (trail_id) trail_id, kind, body FROM {EVENT} e
              WHERE {STATE_EVENTS} ORDER BY trail_id, seq DESC) e ON e.trail_id = s.id
  LEFT JOIN (SELECT trail_id, max(substr(dedupe, 7)::bigint) AS version FROM {EVENT}
              WHERE dedupe ~ '^state/[0-9]+$' GROUP BY trail_id) v ON v.trail_id = s.id
 WHERE e.kind IS NULL OR s.version <> coalesce(v.version, 1) OR s.state <> ALL (CASE e.kind
       WHEN 'scheduler.created' THEN CASE WHEN (e.body ->> 'trial')::boolean
                                          THEN '{{trialing}}' ELSE '{{active}}' END
       WHEN 'scheduler.activated' THEN '{{active}}' WHEN 'scheduler.recovered' THEN '{{active}}'
       WHEN 'scheduler.changed' THEN '{{active}}'
       WHEN 'scheduler.resumed' THEN '{{active,trialing}}'
       ELSE '{{' || split_part(e.kind, '.', 2) || '}}' END::text[])
"""
# By number within the trail, never by a clock.
OPENED_STOPPED = f"""
SELECT 'feed', o.feed_id, 'was opened after ' || last.kind FROM {EVENT} o
  JOIN LATERAL (SELECT e.kind FROM {EVENT} e
         WHERE e.trail_id = o.trail_id AND e.seq < o.seq AND {STATE_EVENTS}
         ORDER BY e.seq DESC LIMIT 1) last
    ON last.kind IN ('scheduler.paused', 'scheduler.held', 'scheduler.parked',
                     'scheduler.errored', 'scheduler.canceled', 'scheduler.ended')
 WHERE o.kind IN ('invoice.opened', 'invoice.drafted') AND o.trail_id = ANY (ARRAY(
       SELECT DISTINCT trail_id FROM {EVENT} WHERE kind IN ('scheduler.paused', 'scheduler.held',
        'scheduler.parked', 'scheduler.errored', 'scheduler.canceled', 'scheduler.ended')))
"""
CANCELED = f"""
SELECT 'scheduler', id, 'is ' || state || ', and canceled at '
       || coalesce(canceled_at::text, 'no time') FROM {SCHEDULER}
 WHERE (state = 'canceled') <> (canceled_at IS NOT NULL)
"""
USED = f"""
SELECT 'scheduler', u.scheduler_id, 'no event tells of its usage ' || u.external_id
  FROM {USAGE} u LEFT JOIN {EVENT} e ON e.trail_id = u.scheduler_id
   AND e.dedupe = 'usage/' || replace(u.id::text, '-', '')
 WHERE e.id IS NULL OR e.body ->> 'metric' <> u.metric
    OR (e.body ->> 'quantity')::numeric <> u.quantity
"""

# --- Whether it goes on -------------------------------------------------------------------------

LATE = f"""
SELECT 'scheduler', s.id, 'is due since ' || to_char(s.next_run_at, 'YYYY-MM-DD HH24:MI')
  FROM billy_accounts_installation i CROSS JOIN billy_accounts_company c
  JOIN {SCHEDULER} s ON s.company_id = c.id
 WHERE i.dispatch = 'open' AND s.state IN ({TICKS})
   AND s.next_run_at < %(now)s - interval '5 minutes'
"""
PARKED = f"""
SELECT 'scheduler', id, 'parked since ' || to_char(updated_at, 'YYYY-MM-DD HH24:MI') || ': '
       || left(reason, 200) FROM {SCHEDULER} WHERE state = 'parked' AND reason <> ''
"""
PARKED_UNEXPLAINED = f"""
SELECT 'scheduler', id, 'is parked, and nothing says why' FROM {SCHEDULER}
 WHERE state = 'parked' AND reason = ''
"""

CHECKS = (
    Check(id="I1", title="no occurrence missing", depth="fast", find=asked(OCCURRENCES)),
    Check(id="I1", title="no occurrence twice", depth="full", find=asked(TWICE)),
    Check(id="I2", title="next runs, computed anew", depth="full", find=calendar.next_runs),
    Check(id="I2", title="periods, computed anew", depth="full", find=calendar.periods, apart=True),
    Check(id="I3", title="no periods overlap", depth="full", find=asked(OVERLAPS)),
    Check(id="I10", title="schedulers, replayed", depth="full", find=asked(REPLAYED)),
    Check(id="I10", title="usage, replayed", depth="full", find=asked(USED)),
    Check(id="I16", title="nothing is late", depth="fast", find=asked(LATE)),
    Check(id="I17", title="parked", depth="fast", find=asked(PARKED, weight=Weight.PERSON)),
    Check(id="I17", title="parked says why", depth="fast", find=asked(PARKED_UNEXPLAINED)),
    Check(id="I21", title="none opened while stopped", depth="full", find=asked(OPENED_STOPPED)),
    Check(id="I21", title="canceled when canceled", depth="full", find=asked(CANCELED)),
)
