"""Metered usage: reported once, summed when a period is billed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from billy.api.door import Answer, Door, Operation
from billy.api.inputs import Guid, Input, Instant, Quantity, Text
from billy.api.lists import query, within
from billy.api.naming import words
from billy.api.shapes import Shape, Told, guid_of, instant, own_guid, text
from schedulers import usage
from schedulers.models import Scheduler, Usage

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse


class UsageShape(Shape):
    """How much of a metric was used, and when."""

    guid = own_guid("usage")
    scheduler_guid = guid_of("scheduler", "scheduler_id")
    metric = text("metric")
    quantity = Told(
        "string", lambda row: f"{row.quantity.normalize():f}", about="Digits, exactly as reported."
    )
    at = instant("at")
    external_id = text("external_id")
    created_at = instant("created_at")


class NewUsage(Input):
    """A report of usage; its `external_id` is its own name, and counts once."""

    metric = Text(80, required=True, example="storage_gb")
    quantity = Quantity(required=True, example=12)
    at = Instant(required=True, example="2026-01-31T09:00:00+00:00")
    external_id = Text(128, required=True, example="report-1")


LIST = Operation(
    summary="List usage",
    shape=UsageShape,
    many=True,
    query=query(
        "UsageQuery",
        ranges=("created_at", "at"),
        metric=Text(80),
        external_id=Text(128),
        scheduler_guid=Guid("scheduler"),
    ),
)


class UsageList(Door):
    """A list of reports."""

    def filtered(self, rows: QuerySet[Usage]) -> Answer:
        """List those of the rows that the query asks for."""
        rows = rows.filter(company=self.company.pk)
        for name in ("metric", "external_id"):
            if self.asked[name]:
                rows = rows.filter(**{name: self.asked[name]})
        if self.asked["scheduler_guid"]:
            rows = rows.filter(scheduler=self.asked["scheduler_guid"])
        return self.listed(within(rows, self.asked))


class AllUsage(UsageList):
    """`GET /v1/usage`."""

    tag = "usage"
    operations = {"get": LIST}

    def get(self, _: Any) -> Answer:
        """List the company's."""
        return self.filtered(Usage.objects.all())


class SchedulerUsage(UsageList):
    """`/v1/schedulers/{guid}/usage`."""

    tag = "usage"
    operations = {
        "get": LIST,
        "post": Operation(
            summary="Report usage",
            shape=UsageShape,
            scope="write",
            taken=NewUsage,
            about=(
                "The same `external_id`, which is unique in the scheduler, changes nothing when it "
                "comes again, whatever else is said: the first report is told."
            ),
        ),
    }

    def get(self, _: Any, guid: str) -> Answer:
        """List a scheduler's."""
        row = self.own(Scheduler.objects.all(), "scheduler", guid)
        return self.filtered(Usage.objects.filter(scheduler=row.pk))

    def make(self, guid: str) -> HttpResponse:
        """Keep a report."""
        row = self.own(Scheduler.objects.all(), "scheduler", guid)
        row.company = self.company
        used = usage.Used(**self.taken())
        with words(), transaction.atomic():
            return self.keep(self.told(usage.record(row, used, now=self.now, actor=self.actor)))
