"""Whether what came in was used: the checks of this room."""

from __future__ import annotations

from audit.findings import Check, asked
from webhooks.models import Inbound

INBOUND = f'"{Inbound._meta.db_table}"'

WAITING = f"""
SELECT 'callback', event_id, 'waits for more than an hour' FROM {INBOUND}
 WHERE done_at IS NULL AND received_at < %(now)s - interval '1 hour'
"""
UNEXPLAINED = f"""
SELECT 'callback', b.event_id, 'is of no company, or has no result though it is done'
  FROM {INBOUND} b LEFT JOIN billy_accounts_company c ON c.id = b.company_id
 WHERE c.id IS NULL OR (b.done_at IS NOT NULL) <> (b.result <> '')
"""

CHECKS = (
    Check(id="I19", title="callbacks were used", depth="fast", find=asked(WAITING)),
    Check(id="I19", title="callbacks say what came of them", depth="full", find=asked(UNEXPLAINED)),
)
