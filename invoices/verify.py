"""Whether invoices and their attempts are as the protocol promises: the checks of this room.

Each statement yields (kind, id, why) for every offender and nothing where all is well. What must be
computed by the very functions that wrote it is in `recomputed.py`, and what the events say of the
tables in `replay.py`.
"""

from __future__ import annotations

from audit.findings import Check, Weight, asked
from audit.sets import array
from core.currencies import EXPONENTS
from invoices import recomputed, replay
from invoices.models import NumberSeries
from invoices.payments import FEED, TRANSACTION
from invoices.refund import NOT_GIVEN
from invoices.states import LEASED, LIVE

SERIES = f'"{NumberSeries._meta.db_table}"'
CHARGES = "('debit', 'credit')"
LIVE_STATES = ", ".join(f"'{state}'" for state in sorted(LIVE))
LEASED_STATES = ", ".join(f"'{state}'" for state in sorted(LEASED))
# After these the next attempt may be born; a success counts where it left something open.
OVER = "('declined', 'rejected', 'returned', 'voided')"
CURRENCIES = f"'{array('text', EXPONENTS)}'::text[]"
OWED = "total - captured + returned - applied - credited"

TWO_IN_HAND = f"""
SELECT 'feed', feed_id, count(*) || ' attempts are in hand at once' FROM {TRANSACTION}
 WHERE kind IN {CHARGES} AND state IN ({LIVE_STATES}) GROUP BY feed_id HAVING count(*) > 1
"""
ATTEMPT_NUMBERS = f"""
SELECT 'feed', feed_id, 'its ' || kind || 's are not numbered from 1 without a gap'
  FROM {TRANSACTION} GROUP BY feed_id, kind
HAVING min(attempt) <> 1 OR max(attempt) <> count(*)
    OR (count(*) > 1 AND count(DISTINCT attempt) <> count(*))
"""
# Looked at from the later attempt, of which there are few.
BORN_TOO_SOON = f"""
SELECT 'transaction', a.id, 'was born while the attempt before it was ' || b.state
  FROM {TRANSACTION} a
  JOIN {TRANSACTION} b ON b.feed_id = a.feed_id AND b.kind = a.kind AND b.attempt = a.attempt - 1
  JOIN {FEED} f ON f.id = a.feed_id
 WHERE a.attempt > 1 AND a.kind IN {CHARGES} AND b.state NOT IN {OVER}
   AND NOT (b.state = 'succeeded' AND b.amount < f.total)
"""
SETTLED = f"""
SELECT 'feed', id, 'is ' || state || ' and ' || ({OWED}) || ' are owed' FROM {FEED}
 WHERE (state = 'settled' AND {OWED} <> 0)
    OR (state IN ('open', 'uncollected', 'parked') AND {OWED} <= 0)
UNION ALL
SELECT 'feed', id, 'is ' || state || ', and has a number where it must not, or none' FROM {FEED}
 WHERE (number IS NULL) <> (series IS NULL)
    OR (number IS NULL AND state NOT IN ('draft', 'waived', 'voided'))
    OR (number IS NOT NULL AND state = 'draft')
"""
SETTLED_UNPAID = f"""
SELECT 'feed', f.id, 'is settled, and no attempt succeeded' FROM {FEED} f
 WHERE f.state = 'settled' AND f.total > f.applied + f.credited AND NOT EXISTS
       (SELECT 1 FROM {TRANSACTION} a WHERE a.feed_id = f.id AND a.kind IN {CHARGES}
           AND a.state = 'succeeded')
"""
REMOTE_NAMES = f"""
SELECT 'transaction', id::text, 'is ' || state || ' and names no object at the processor'
  FROM {TRANSACTION}
 WHERE state IN ('succeeded', 'pending', 'returned') AND coalesce(processor_uri, '') = ''
UNION ALL
SELECT 'object', processor_uri, 'belongs to ' || count(*) || ' attempts' FROM {TRANSACTION}
 WHERE processor_uri IS NOT NULL GROUP BY processor_account, processor_uri HAVING count(*) > 1
UNION ALL
SELECT 'payment key', key, 'belongs to ' || count(*) || ' attempts' FROM {TRANSACTION}
 GROUP BY processor_account, key HAVING count(*) > 1
"""
UNSOUND = f"""
SELECT 'feed', id, 'has an amount below zero, or a currency that is none' FROM {FEED}
 WHERE least(total, live, captured, returned, refunded, applied, credited) < 0
    OR refunded > captured OR returned > captured OR live > total
    OR currency <> ALL ({CURRENCIES})
UNION ALL
SELECT 'transaction', id, 'has no amount, or a currency that is none' FROM {TRANSACTION}
 WHERE amount < 1 OR currency <> ALL ({CURRENCIES})
UNION ALL
SELECT 'company', company_id, 'bills more ' || currency || ' than can be counted' FROM {FEED}
 GROUP BY company_id, currency HAVING sum(total) > 9223372036854775807
"""
# No ledger of two sides exists; what must agree instead are a feed's sums and its attempts'.
SUMS = f"""
SELECT 'feed', f.id, 'its sums are not those of its attempts' FROM {FEED} f
  LEFT JOIN (SELECT feed_id,
       coalesce(sum(amount) FILTER (WHERE kind IN {CHARGES} AND state IN ({LIVE_STATES})), 0) live,
       coalesce(sum(amount) FILTER (WHERE kind IN {CHARGES}
                                      AND state IN ('succeeded', 'returned')), 0) captured,
       coalesce(sum(amount) FILTER (WHERE kind IN {CHARGES} AND state = 'returned'), 0) returned,
       coalesce(sum(amount) FILTER (WHERE kind NOT IN {CHARGES} AND state = 'succeeded'), 0)
         refunded
       FROM {TRANSACTION} GROUP BY feed_id) a ON a.feed_id = f.id
 WHERE (f.live, f.captured, f.returned, f.refunded)
    <> (coalesce(a.live, 0), coalesce(a.captured, 0), coalesce(a.returned, 0),
        coalesce(a.refunded, 0))
UNION ALL
SELECT 'transaction', a.id, 'is in another currency or direction than its invoice'
  FROM {TRANSACTION} a JOIN {FEED} f ON f.id = a.feed_id
 WHERE a.currency <> f.currency OR (a.kind IN {CHARGES} AND a.kind <> f.direction)
"""
GIVEN_BACK = f"""
SELECT 'transaction', paid.id, 'more is given back than was paid'
  FROM {TRANSACTION} back JOIN {TRANSACTION} paid ON paid.id = back.reference_to_id
 WHERE back.state NOT IN {NOT_GIVEN!r} GROUP BY paid.id, paid.amount
HAVING sum(back.amount) > paid.amount
UNION ALL
SELECT 'transaction', back.id, 'gives back what is no payment of the same invoice'
  FROM {TRANSACTION} back LEFT JOIN {TRANSACTION} paid ON paid.id = back.reference_to_id
 WHERE back.kind NOT IN {CHARGES}
   AND (paid.id IS NULL OR paid.feed_id <> back.feed_id OR paid.currency <> back.currency
     OR (paid.kind, back.kind) NOT IN (('debit', 'refund'), ('credit', 'reversal')))
"""
NUMBERS = f"""
SELECT 'company', coalesce(f.company_id, s.company_id), 'series ' || coalesce(f.series, s.series)
       || ': ' || coalesce(f.count, 0) || ' numbers up to ' || coalesce(f.highest, 0)
       || ', counter at ' || coalesce(s.last, 0)
  FROM (SELECT company_id, series, count(*), min(number) lowest, max(number) highest
          FROM {FEED} WHERE number IS NOT NULL GROUP BY company_id, series) f
  FULL JOIN {SERIES} s ON s.company_id = f.company_id AND s.series = f.series
 WHERE (coalesce(f.count, 0), coalesce(f.highest, 0)) <> (coalesce(s.last, 0), coalesce(s.last, 0))
    OR f.lowest <> 1
"""
NUMBERED_TWICE = f"""
SELECT 'company', company_id, 'has ' || series || '-' || number || ' ' || count(*) || ' times'
  FROM {FEED} WHERE number IS NOT NULL GROUP BY company_id, series, number HAVING count(*) > 1
"""
# The database's clock, as the leases go by it.
OVERDUE = f"""
SELECT 'transaction', a.id, 'its lease or its look is over since more than 15 minutes'
  FROM {TRANSACTION} a JOIN billy_accounts_installation i ON i.dispatch = 'open'
 WHERE a.state IN ({LEASED_STATES}) AND a.lease_until < clock_timestamp() - interval '15 minutes'
   AND coalesce(a.next_look_at, '-infinity') < clock_timestamp() - interval '15 minutes'
UNION ALL
SELECT 'transaction', a.id, 'is unknown for more than 24 hours' FROM {TRANSACTION} a
 WHERE a.state IN ({LEASED_STATES}) AND a.lease_until IS NOT NULL AND a.state = 'unknown'
   AND a.first_claimed_at < clock_timestamp() - interval '24 hours'
UNION ALL
SELECT 'transaction', a.id, 'is due for more than 5 minutes and was not sent'
  FROM {TRANSACTION} a JOIN billy_accounts_installation i ON i.dispatch = 'open'
  LEFT JOIN billy_accounts_fundinginstrument m ON m.id = a.instrument_id
 WHERE a.state = 'queued' AND a.due_at < %(now)s - interval '5 minutes'
   AND (a.reference_to_id IS NOT NULL OR m.state = 'active')
"""
IN_FLIGHT = f"""
SELECT 'transaction', id, 'is under way' FROM {TRANSACTION}
 WHERE state IN ({LEASED_STATES})
   AND greatest(lease_until, first_claimed_at + make_interval(secs => %(lease_seconds)s))
     > clock_timestamp()
"""
# The index of what is in hand finds parked charges; what gives back has no such index.
PARKED_CHARGES = f"state = 'parked' AND state IN ({LIVE_STATES}) AND kind IN {CHARGES}"
PARKED_REST = f"state = 'parked' AND kind NOT IN {CHARGES}"
WHY = "coalesce(nullif(failures -> -1 ->> 'message', ''), failures -> -1 ->> 'verdict', '')"


def parked(where: str) -> str:
    """Return the statement of attempts that wait for a person, and say why."""
    return (
        "SELECT 'transaction', id, 'parked since ' || to_char(updated_at, 'YYYY-MM-DD HH24:MI')"
        f" || ': ' || left({WHY}, 200) FROM {TRANSACTION} WHERE {where} AND {WHY} <> ''"
    )


def unexplained(where: str) -> str:
    """Return the statement of attempts that wait for a person who is not told why."""
    return (
        "SELECT 'transaction', id, 'is parked, and nothing says why'"
        f" FROM {TRANSACTION} WHERE {where} AND {WHY} = ''"
    )


PARKED_FEEDS = f"SELECT 'feed', id, 'parked' FROM {FEED} WHERE state = 'parked'"

CHECKS = (
    Check(id="I4", title="one attempt in hand", depth="fast", find=asked(TWO_IN_HAND)),
    Check(id="I4", title="attempts numbered 1 to n", depth="full", find=asked(ATTEMPT_NUMBERS)),
    Check(id="I4", title="the next after a proven no", depth="full", find=asked(BORN_TOO_SOON)),
    Check(
        id="I5",
        title="ids, keys and fingerprints",
        depth="full",
        find=recomputed.requests,
        apart=True,
    ),
    Check(id="I6", title="settled is paid and numbered", depth="full", find=asked(SETTLED)),
    Check(id="I6", title="settled has its payment", depth="full", find=asked(SETTLED_UNPAID)),
    Check(id="I7", title="totals are their events'", depth="full", find=asked(replay.TOTALS)),
    Check(id="I8", title="one object for each attempt", depth="full", find=asked(REMOTE_NAMES)),
    Check(id="I10", title="attempts, replayed", depth="full", find=asked(replay.ATTEMPTS)),
    Check(id="I10", title="invoices, replayed", depth="full", find=asked(replay.FEEDS)),
    Check(id="I12", title="amounts and currencies", depth="full", find=asked(UNSOUND)),
    Check(id="I13", title="sums are their attempts'", depth="full", find=asked(SUMS)),
    Check(id="I13", title="what moved, by the events", depth="full", find=asked(replay.MOVED)),
    Check(id="I14", title="given back at most once", depth="full", find=asked(GIVEN_BACK)),
    Check(id="I15", title="numbers without a gap", depth="fast", find=asked(NUMBERS)),
    Check(id="I15", title="numbers given once", depth="full", find=asked(NUMBERED_TWICE)),
    Check(id="I16", title="attempts go on", depth="fast", find=asked(OVERDUE)),
    Check(id="I16", title="in flight", depth="fast", find=asked(IN_FLIGHT, weight=Weight.FLIGHT)),
    Check(
        id="I17",
        title="parked",
        depth="fast",
        find=asked(parked(PARKED_CHARGES), weight=Weight.PERSON),
    ),
    Check(
        id="I17",
        title="parked, the rest",
        depth="full",
        find=asked(f"{parked(PARKED_REST)} UNION ALL {PARKED_FEEDS}", weight=Weight.PERSON),
    ),
    Check(
        id="I17",
        title="parked says why",
        depth="fast",
        find=asked(unexplained(PARKED_CHARGES)),
    ),
    Check(
        id="I17",
        title="parked says why, the rest",
        depth="full",
        find=asked(unexplained(PARKED_REST)),
    ),
)
