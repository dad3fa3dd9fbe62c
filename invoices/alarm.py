"""Raise an alarm where a company makes more payments within an hour than it expects.

Nothing is stopped: somebody should look. Once in each hour of the clock it is a fact of the
company's trail, which webhooks tell, and a line of the log.
"""

from __future__ import annotations

import logging
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from accounts.models import Company
from audit.models import AuditEvent
from audit.record import heads, record
from audit.sets import fetch
from invoices.payments import COMPANY, TRANSACTION

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

logger = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
SECRETS = ("processor_key", "callback_key")  # Not needed here, and perhaps not readable.


def alarm(*, now: datetime) -> int:
    """Look at the hour up to `now` of each company that wants it; returns how many alarms rose.

    Payments are counted as they are born, of any kind. No more are counted than would be too many,
    by an index, so that a company of millions costs as much as one of a few.
    """
    rows = fetch(
        f"SELECT c.id FROM {COMPANY} c WHERE c.payments_alarm IS NOT NULL"
        f" AND (SELECT count(*) FROM (SELECT 1 FROM {TRANSACTION} a"
        " WHERE a.company_id = c.id AND a.created_at > %s AND a.created_at <= %s"
        " LIMIT c.payments_alarm::bigint + 1) AS newest) > c.payments_alarm ORDER BY c.id",
        [now - HOUR, now],
    )
    return sum(_raised(company, now=now) for (company,) in rows)


def _raised(identity: UUID, *, now: datetime) -> bool:
    """Tell of it, unless this hour has been told of; the trail's lock lets one of two workers."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0).isoformat()
    dedupe = f"company.alarmed/{hour}"
    with transaction.atomic():
        chain = heads([identity])
        if AuditEvent.objects.filter(trail=identity, dedupe=dedupe).exists():
            return False
        company = Company.objects.defer(*SECRETS).get(pk=identity)
        limit = company.payments_alarm
        fact = company.fact("company.alarmed", {"limit": limit, "hour": hour}, dedupe=dedupe)
        listens = [identity] if company.listens else []
        record([fact], heads=chain, now=now, listeners=listens)
    logger.warning("%s made more than %s payments within an hour", company.guid, limit)
    return True
