"""When something last happened to an invoice: its newest event says, so no column does.

A column would be written with every payment. So a range of `updated_at` asks for events, by the
index that every invoice's own events are found by, or by their ids, which tell their instants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Exists, Max, OuterRef, Q

from audit.models import AuditEvent
from billy.api.lists import within
from core.ids import lowest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from invoices.models import AuditFeed

FIELD = "updated_at"


def touched(feeds: Sequence[AuditFeed]) -> None:
    """Bring to invoices when something last happened to them: one statement for all of them."""
    events = AuditEvent.objects.filter(feed_id__in=[feed.pk for feed in feeds])
    last = dict(events.values_list("feed_id").annotate(last=Max("at")))
    for feed in feeds:
        feed.updated_at = last.get(feed.pk, feed.created_at)  # type: ignore[attr-defined]  # Told, not kept.


def feeds_within(rows: QuerySet[AuditFeed], given: Mapping[str, Any]) -> QuerySet[AuditFeed]:
    """Keep the invoices in the ranges that a query gives, `updated_at` among them."""
    changes = {name: value for name, value in given.items() if name.startswith(f"{FIELD}[")}
    rows = within(rows, {name: value for name, value in given.items() if name not in changes})
    for name, at in changes.items():
        if at is not None:
            rows = rows.filter(_changed(name.partition("[")[2].rstrip("]"), at))
    return rows


def _changed(bound: str, at: datetime) -> Q:
    """Say that the newest event is within a bound: that there is one behind it, or none is."""
    if bound in {"gt", "gte"}:
        return Q(_event(bound, at))
    later = "gte" if bound == "lt" else "gt"
    return Q(~_event(later, at)) & Q(**{f"created_at__{bound}": at})


def _event(bound: str, at: datetime) -> Exists:
    events = AuditEvent.objects.filter(feed_id=OuterRef("pk"), pk__gte=lowest(at=at))
    return Exists(events.filter(**{f"at__{bound}": at}))
