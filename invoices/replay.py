"""What the events alone say of invoices and attempts, compared with the tables.

    the attempt   is what its last event says; before that, planned or about to be sent
    the invoice   is forgiven, called off, a draft, paid in full, given up, or owed: in this order
    the sums      are those of the events that money moved

A lease leaves no event, so an attempt that is `queued` by its events may be `intent` in the table,
and the other way round where a batch ran out of time.
"""

from __future__ import annotations

from audit.models import AuditEvent
from invoices.payments import FEED, TRANSACTION

EVENT = f'"{AuditEvent._meta.db_table}"'

TOTALS = f"""
SELECT 'feed', f.id, 'its total is ' || f.total || ' ' || f.currency || ', its events say '
       || coalesce(e.sum || ' ' || e.low, 'nothing')
  FROM {FEED} f LEFT JOIN
       (SELECT feed_id, sum(amount), min(currency) low, max(currency) high FROM {EVENT}
         WHERE feed_id IS NOT NULL GROUP BY feed_id) e ON e.feed_id = f.id
 WHERE e.sum IS DISTINCT FROM f.total::numeric OR e.low <> f.currency OR e.high <> f.currency
"""

# Billed is from the merchant's side: debits come in, credits go out.
MOVED = f"""
SELECT 'feed', f.id, 'its sums are not the money that its events moved' FROM {FEED} f LEFT JOIN
       (SELECT feed_id,
           coalesce(sum(abs(moved)) FILTER (WHERE kind IN ('debit.succeeded', 'credit.succeeded')),
                    0) captured,
           coalesce(sum(abs(moved)) FILTER (WHERE kind IN ('debit.returned', 'credit.returned')),
                    0) returned,
           sum(moved) moved
          FROM {EVENT} WHERE feed_id IS NOT NULL AND moved IS NOT NULL GROUP BY feed_id) e
    ON e.feed_id = f.id
 WHERE coalesce(e.captured, 0) <> f.captured OR coalesce(e.returned, 0) <> f.returned
    OR coalesce(e.moved, 0) <> CASE f.direction WHEN 'debit' THEN 1 ELSE -1 END
       * (f.captured - f.returned - f.refunded)
UNION ALL
SELECT 'event', e.id, 'moved money, and there is no such invoice' FROM {EVENT} e
  LEFT JOIN {FEED} f ON f.id = e.feed_id WHERE e.moved IS NOT NULL AND f.id IS NULL
"""

# An event names its attempt by number; one that plans the next is told of the one before it, and
# the intention to give back has no number of its own yet.
TOLD = f"""
SELECT e.feed_id, e.seq,
       CASE WHEN e.kind = 'invoice.opened' THEN f.direction
            ELSE split_part(e.kind, '.', 1) END kind,
       CASE WHEN e.kind LIKE '%%.intended' AND e.transaction_id IS NOT NULL THEN a.attempt
            ELSE (e.body ->> 'attempt')::integer END attempt,
       CASE WHEN e.kind = 'invoice.opened' THEN 'intended' ELSE split_part(e.kind, '.', 2) END move
  FROM {EVENT} e JOIN {FEED} f ON f.id = e.feed_id
  LEFT JOIN {TRANSACTION} a ON e.kind LIKE '%%.intended' AND a.id = e.transaction_id
 WHERE (e.kind = 'invoice.opened' AND e.body ? 'attempt')
    OR (e.kind NOT LIKE 'invoice.%%' AND e.kind NOT LIKE 'scheduler.%%')
"""
ATTEMPTS = f"""
SELECT CASE WHEN a.id IS NULL THEN 'feed' ELSE 'transaction' END, coalesce(a.id, last.feed_id),
       CASE WHEN a.id IS NULL THEN 'its events tell of ' || last.kind || ' ' || last.attempt
                                   || ', which is not there'
            WHEN last.move IS NULL THEN 'is ' || a.state || ', and no event tells of it'
            ELSE 'is ' || a.state || ', and its last event says ' || last.move END
  FROM (SELECT DISTINCT ON (feed_id, kind, attempt) feed_id, kind, attempt, move FROM ({TOLD}) told
         ORDER BY feed_id, kind, attempt, seq DESC) last
  FULL JOIN {TRANSACTION} a
    ON a.feed_id = last.feed_id AND a.kind = last.kind AND a.attempt = last.attempt
 WHERE a.id IS NULL OR last.move IS NULL OR CASE
       WHEN last.move IN ('intended', 'queued', 'deferred') THEN a.state NOT IN ('intent', 'queued')
       ELSE a.state <> last.move END
"""

# `settled` has no event of its own: it is what the sums say.
FEEDS = f"""
SELECT 'feed', coalesce(f.id, e.feed_id), CASE
       WHEN f.id IS NULL THEN 'has events, and is not there'
       WHEN e.feed_id IS NULL THEN 'is there, and has no event'
       ELSE 'is ' || f.state || ', and its events say otherwise' END
  FROM (SELECT feed_id, bool_or(kind = 'invoice.waived') waived,
               bool_or(kind = 'invoice.voided') voided,
               bool_or(kind = 'invoice.drafted') drafted,
               bool_or(kind = 'invoice.issued') issued,
               bool_or(kind = 'invoice.opened') opened,
               max(seq) FILTER (WHERE kind = 'invoice.uncollected') given_up,
               max(seq) FILTER (WHERE kind IN ('invoice.reopened', 'debit.intended',
                                               'credit.intended')) tried_again
          FROM {EVENT} WHERE feed_id IS NOT NULL GROUP BY feed_id) e
  FULL JOIN {FEED} f ON f.id = e.feed_id
 WHERE f.id IS NULL OR e.feed_id IS NULL OR e.opened = e.drafted OR f.state <> CASE
       WHEN e.waived THEN 'waived' WHEN e.voided THEN 'voided'
       WHEN e.drafted AND NOT e.issued THEN 'draft'
       WHEN f.captured - f.returned + f.applied + f.credited = f.total THEN 'settled'
       WHEN e.given_up > coalesce(e.tried_again, 0) THEN 'uncollected' ELSE 'open' END
"""
