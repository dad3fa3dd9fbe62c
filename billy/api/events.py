"""Events: every fact of the audit trail, as it was chained, and where each trail stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import Http404

from audit.kinds import KINDS
from audit.models import SUBJECTS, AuditEvent, AuditTrail, CheckpointHead
from billy.api.door import Answer, Door, Operation
from billy.api.inputs import GUID_PATTERN, Given, Guid, OneOf
from billy.api.lists import BY_ID, BY_SEQ, Order, query, within
from billy.api.shapes import (
    Shape,
    Told,
    anything,
    guid_of,
    instant,
    own_guid,
    text,
    trail_guid,
    whole,
    written,
)
from core.ids import PREFIXES, parse_guid
from core.invalid import Invalid
from invoices.models import AuditFeed
from schedulers.models import Scheduler

if TYPE_CHECKING:
    from django.db.models import QuerySet


class EventShape(Shape):
    """A fact, and where it stands in its chain; docs/audit.md tells how to check the hash."""

    guid = own_guid("event")
    kind = text("kind", enum=list(KINDS))
    meaning = Told("string", lambda row: KINDS[row.kind])
    at = instant("at")
    actor = text("actor")
    company_guid = guid_of("company", "company_id")
    trail_guid = trail_guid(lambda row: row.trail.subject, lambda row: row.trail_id)
    subject = Told("string", lambda row: row.trail.subject, enum=list(SUBJECTS))
    sequence = whole("seq", about="The number within its trail, from 1, without a gap.")
    feed_guid = guid_of("feed", "feed_id", null=True)
    transaction_guid = guid_of("transaction", "transaction_id", null=True)
    amount = whole("amount", about="The effect on the total of its feed.")
    moved = whole("moved", null=True, about="Money that moved: in is positive, out negative.")
    currency = text("currency")
    body = anything("body")
    hash = Told("string", lambda row: bytes(row.hash).hex())
    previous_hash = Told("string", lambda row: bytes(row.prev).hex(), about="Empty for the first.")


class TrailShape(Shape):
    """Where a chain stands: whoever has all its events up to here has them all."""

    guid = trail_guid(lambda row: row.subject, lambda row: row.pk)
    subject = text("subject", enum=list(SUBJECTS))
    events = whole("head_seq", about="How many events it has.")
    head_hash = Told("string", lambda row: bytes(row.head_hash).hex())
    checkpoint_number = Told(
        "integer", lambda row: row.covered[0], null=True, about="The newest that covers it."
    )
    checkpoint_events = Told(
        "integer", lambda row: row.covered[1], null=True, about="How many events it covers."
    )
    checkpoint_at = Told(
        "string", lambda row: written(row.covered[2]), null=True, format="date-time"
    )


class TrailGuid(Given):
    """The guid of a scheduler, customer or company."""

    def read(self, name: str, value: Any, *, is_form: bool) -> UUID:
        """Return the id of the trail; raises Invalid."""
        del is_form
        return trail_id(value, field=name)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "pattern": f"^{GUID_PATTERN.format('(SU|CU|CP)')}$"}


def trail_id(text: str, *, field: str) -> UUID:
    """Return the id that a trail shares with its subject; raises Invalid."""
    for subject in SUBJECTS:
        if isinstance(text, str) and text.startswith(PREFIXES[subject]):
            return parse_guid(text, PREFIXES[subject], field=field)
    raise Invalid({field: "must be the guid of a scheduler, customer or company"})


def listing(name: str, order: Order) -> Operation:
    """Return the operation of a list of events."""
    return Operation(
        summary="List events",
        shape=EventShape,
        many=True,
        order=order,
        query=query(
            name,
            ranges=("created_at",),
            kind=OneOf(tuple(KINDS)),
            trail_guid=TrailGuid(),
            feed_guid=Guid("feed"),
            transaction_guid=Guid("transaction"),
        ),
    )


class EventList(Door):
    """A list of events."""

    def filtered(self, rows: QuerySet[AuditEvent]) -> Answer:
        """List those of the rows that the query asks for."""
        rows = rows.filter(company_id=self.company.pk).select_related("trail")
        if self.asked["kind"]:
            rows = rows.filter(kind=self.asked["kind"])
        for name, column in (
            ("trail_guid", "trail"),
            ("feed_guid", "feed_id"),
            ("transaction_guid", "transaction_id"),
        ):
            if self.asked[name]:
                rows = rows.filter(**{column: self.asked[name]})
        return self.listed(within(rows, self.asked, at="at"))


class Events(EventList):
    """`GET /v1/events`."""

    tag = "events"
    operations = {"get": listing("EventsQuery", BY_ID)}

    def get(self, _: Any) -> Answer:
        """List the company's."""
        return self.filtered(AuditEvent.objects.all())


class SchedulerEvents(EventList):
    """`GET /v1/schedulers/{guid}/events`."""

    tag = "schedulers"
    operations = {"get": listing("SchedulerEventsQuery", BY_SEQ)}

    def get(self, _: Any, guid: str) -> Answer:
        """List a scheduler's, newest first."""
        row = self.own(Scheduler.objects.all(), "scheduler", guid)
        return self.filtered(AuditEvent.objects.filter(trail=row.pk))


class FeedEvents(EventList):
    """`GET /v1/feeds/{guid}/events`."""

    tag = "feeds"
    operations = {"get": listing("FeedEventsQuery", BY_SEQ)}

    def get(self, _: Any, guid: str) -> Answer:
        """List a feed's, newest first."""
        feed = self.own(AuditFeed.objects.all(), "feed", guid)
        return self.filtered(AuditEvent.objects.filter(feed_id=feed.pk))


class OneEvent(Door):
    """`GET /v1/events/{guid}`."""

    tag = "events"
    operations = {"get": Operation(summary="Show an event", shape=EventShape)}

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        try:
            identity = parse_guid(guid, PREFIXES["event"])
        except Invalid:
            raise Http404 from None
        rows = AuditEvent.objects.select_related("trail")
        found = rows.filter(pk=identity, company_id=self.company.pk).first()
        if found is None:
            raise Http404
        return self.told(found)


class OneTrail(Door):
    """`GET /v1/trails/{guid}`."""

    tag = "events"
    operations = {
        "get": Operation(
            summary="Show where a trail stands",
            shape=TrailShape,
            about="With its events, this proves that none is missing.",
        )
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it, with the newest checkpoint that covers it."""
        try:
            identity = trail_id(guid, field="guid")
        except Invalid:
            raise Http404 from None
        found = AuditTrail.objects.filter(pk=identity, company_id=self.company.pk).first()
        if found is None or PREFIXES[found.subject] != guid[:2]:
            raise Http404
        heads = CheckpointHead.objects.filter(trail_id=identity).order_by("-seq")
        newest = heads.values_list("checkpoint__number", "seq", "checkpoint__at").first()
        found.covered = newest or (None, None, None)  # type: ignore[attr-defined]  # Told, not kept.
        return self.told(found)
