"""Whether offers are what their events say: the checks of this room."""

from __future__ import annotations

from audit.findings import Check, asked
from audit.models import AuditEvent
from audit.sets import array
from core.currencies import EXPONENTS
from plans.models import Plan

EVENT = f'"{AuditEvent._meta.db_table}"'
PLAN = f'"{Plan._meta.db_table}"'

# An offer is withdrawn rather than changed, so its amount stays what its event says.
REPLAYED = f"""
SELECT 'plan', p.id, CASE WHEN e.id IS NULL THEN 'no event tells of its birth'
       ELSE 'its amount or direction is not what its event says' END
  FROM {PLAN} p LEFT JOIN {EVENT} e ON e.trail_id = p.company_id
   AND e.dedupe = 'plan.created/' || replace(p.id::text, '-', '')
 WHERE e.id IS NULL OR (e.body ->> 'amount')::bigint IS DISTINCT FROM p.amount
    OR e.body ->> 'direction' <> p.direction
"""
UNSOUND = f"""
SELECT 'plan', id, 'has an amount that is none, or a currency that is none' FROM {PLAN}
 WHERE amount < 1 OR currency <> ALL ('{array("text", EXPONENTS)}'::text[])
"""

CHECKS = (
    Check(id="I10", title="offers, replayed", depth="full", find=asked(REPLAYED)),
    Check(id="I12", title="offers' amounts", depth="full", find=asked(UNSOUND)),
)
