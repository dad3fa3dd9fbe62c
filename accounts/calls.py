"""The circuit: stop a company's calls for a while when its processor cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from accounts.models import Company
from audit.record import heads, record
from audit.sets import array, fetch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

SECRETS = ("processor_key", "callback_key")  # Not needed here, and perhaps not readable.
PAUSE_SECONDS = 60  # Short: the first tick after it tries again.


def pause(reasons: Mapping[UUID, str], *, now: datetime) -> None:
    """Stop the calls of these companies for a minute, and say why in their trails once."""
    if not reasons:
        return
    with transaction.atomic():
        locked = heads(reasons)
        stopped = fetch(
            f'UPDATE "{Company._meta.db_table}" SET calls_paused_until = clock_timestamp()'
            " + make_interval(secs => %s) WHERE id = ANY(%s::uuid[])"
            " AND coalesce(calls_paused_until, '-infinity') <= clock_timestamp() RETURNING id",
            [PAUSE_SECONDS, array("uuid", sorted(reasons))],
        )
        ids = [row[0] for row in stopped]
        facts = [
            company.fact(
                "company.calls_paused",
                {"reason": reasons[company.pk][:500], "seconds": PAUSE_SECONDS},
                dedupe=f"calls_paused/{locked[company.pk].seq}",
            )
            for company in Company.objects.filter(pk__in=ids).defer(*SECRETS)
        ]
        record(facts, heads=locked, now=now)
