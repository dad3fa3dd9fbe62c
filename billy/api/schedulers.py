"""Schedulers: any task on a timer. Subscriptions are the same rows, shown as the original did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accounts.models import Customer, FundingInstrument
from billy.api import money
from billy.api.customers import CustomerShape
from billy.api.door import Answer, Door, Nothing, Operation
from billy.api.expand import Expansion
from billy.api.inputs import Guid, OneOf, Text, Whole
from billy.api.instruments import FundingInstrumentShape
from billy.api.lists import BY_TRAIL, LARGEST_LIMIT, MOST, query, within
from billy.api.naming import words
from billy.api.plans import DIRECTIONS, RANGES, PlanShape
from billy.api.problems import Problem
from billy.api.scheduler_shapes import (
    STATES,
    Cancellation,
    InstrumentChange,
    NewScheduler,
    RunShape,
    SchedulerShape,
)
from billy.api.subscriptions import parties, schedulers, subscribed
from invoices import collect
from plans.models import Plan
from schedulers import limits, rules
from schedulers.ahead import retryable, runs
from schedulers.models import Scheduler
from schedulers.subscribe import Subscription

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse

EXPANDS = (
    Expansion(
        name="customer", attribute="customer_id", rows=Customer.objects.all, shape=CustomerShape
    ),
    Expansion(name="plan", attribute="plan_id", rows=Plan.objects.all, shape=PlanShape),
    Expansion(
        name="funding_instrument",
        attribute="instrument_id",
        rows=FundingInstrument.objects.all,
        shape=FundingInstrumentShape,
    ),
)
NAMES = tuple(each.name for each in EXPANDS)
FILTERS = {
    "customer_guid": "customer",
    "plan_guid": "plan",
    "parent_guid": "parent",
    "state": "state",
    "direction": "direction",
    "task": "task",
    "external_id": "external_id",
}
SchedulersQuery = query(
    "SchedulersQuery",
    ranges=(*RANGES, "next_run_at"),
    expands=NAMES,
    customer_guid=Guid("customer"),
    plan_guid=Guid("plan"),
    parent_guid=Guid("scheduler"),
    state=OneOf(STATES),
    direction=OneOf(DIRECTIONS),
    task=Text(80),
    external_id=Text(128),
)
SchedulerQuery = query("SchedulerQuery", is_list=False, expands=NAMES)
LIST = Operation(
    summary="List schedulers",
    shape=SchedulerShape,
    many=True,
    query=SchedulersQuery,
    order=BY_TRAIL,
    expands=EXPANDS,
)


class SchedulerDoor(Door):
    """A door that tells schedulers."""

    def complete(self, rows: list[Any]) -> None:
        """Say which of them may be tried again."""
        able = retryable(rows)
        for row in rows:
            row.may_retry = row.pk in able

    def filtered(self, rows: QuerySet[Scheduler]) -> Answer:
        """List those of the rows that the query asks for."""
        for name, column in FILTERS.items():
            if self.asked[name]:
                rows = rows.filter(**{column: self.asked[name]})
        return self.listed(within(rows, self.asked, at=BY_TRAIL.field))

    def one(self, guid: str) -> Scheduler:
        """Return one of the company's, complete; raises Http404."""
        row = self.own(schedulers(self.company), "scheduler", guid)
        self.complete([row])
        return row


class Schedulers(SchedulerDoor):
    """`/v1/schedulers`."""

    tag = "schedulers"
    operations = {
        "get": LIST,
        "post": Operation(
            summary="Put a customer on a plan or payout",
            shape=SchedulerShape,
            scope="money",
            taken=NewScheduler,
            is_money=True,
            about="What is due now is opened, and charged or paid, before the answer.",
        ),
    }

    def get(self, _: Any) -> Answer:
        """List them."""
        return self.filtered(schedulers(self.company))

    def make(self) -> HttpResponse:
        """Subscribe, with every term that the engine knows."""
        given = self.taken()
        plan, customer = parties(self.company, given)
        wanted = Subscription(
            plan=plan,
            customer=customer,
            amount=given["amount"],
            params=given["params"],
            started_at=given["started_at"],
            trial_period=given["trial_period"],
            time_zone=given["time_zone"] or "",
            ends_after=given["ends_after"],
            external_id=given["external_id"],
            catch_up=given["catch_up"],
            without_instrument=given["without_instrument"],
            statement_text=given["appears_on_statement_as"] or "",
            retry_policy=given["retry_policy"] or {},
            follow_ups=given["follow_ups"] or (),
        )
        made = subscribed(self, wanted, uri=given["funding_instrument_uri"])
        self.complete([made])
        return self.told(made)


class OneScheduler(SchedulerDoor):
    """`GET /v1/schedulers/{guid}`."""

    tag = "schedulers"
    operations = {
        "get": Operation(
            summary="Show a scheduler", shape=SchedulerShape, query=SchedulerQuery, expands=EXPANDS
        )
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.one(guid))


class Pause(SchedulerDoor):
    """`PUT /v1/schedulers/{guid}/pause`."""

    tag = "schedulers"
    operations = {
        "put": Operation(
            summary="Open no occurrences until it is resumed",
            shape=SchedulerShape,
            scope="write",
            taken=Nothing,
            about="Open invoices and their retries go on.",
        )
    }

    def put(self, _: Any, guid: str) -> Answer:
        """Pause it."""
        row = self.one(guid)
        self.taken()
        self.unless_changed(row)
        with words("InvalidOperationError"):
            rules.pause(row, now=self.now, actor=self.actor)
        return self.told(self.one(guid))


class Resume(SchedulerDoor):
    """`PUT /v1/schedulers/{guid}/resume`."""

    tag = "schedulers"
    operations = {
        "put": Operation(
            summary="Open occurrences again",
            shape=SchedulerShape,
            scope="write",
            taken=Nothing,
            about="What came due while it was paused is passed over for good.",
        )
    }

    def put(self, _: Any, guid: str) -> Answer:
        """Resume it."""
        row = self.one(guid)
        self.taken()
        self.unless_changed(row)
        with words("InvalidOperationError"):
            rules.resume(row, now=self.now, actor=self.actor)
        return self.told(self.one(guid))


class Cancel(SchedulerDoor):
    """`PUT /v1/schedulers/{guid}/cancel`."""

    tag = "schedulers"
    operations = {
        "put": Operation(
            summary="End it now, or with the current period",
            shape=SchedulerShape,
            scope="write",
            taken=Cancellation,
            about="What is under way finishes and is recorded.",
        )
    }

    def put(self, _: Any, guid: str) -> Answer:
        """Cancel it."""
        row = self.one(guid)
        given = self.taken()
        self.unless_changed(row)
        with words("InvalidOperationError"):
            rules.cancel(
                row,
                now=self.now,
                at=given["at"],
                dunning=given["dunning"],
                actor=self.actor,
            )
        return self.told(self.one(guid))


class ChangeInstrument(SchedulerDoor):
    """`PUT /v1/schedulers/{guid}/funding_instrument`."""

    tag = "schedulers"
    operations = {
        "put": Operation(
            summary="Charge or pay through another instrument from now on",
            shape=SchedulerShape,
            scope="money",
            taken=InstrumentChange,
            about="The oldest invoice that is still owed is collected with it at once.",
        )
    }

    def put(self, _: Any, guid: str) -> Answer:
        """Change it, and collect the oldest that is owed."""
        row = self.one(guid)
        given = self.taken()
        self.unless_changed(row)
        instrument = money.instrument(
            given["funding_instrument_uri"],
            customer=row.customer,
            direction=row.direction,
            now=self.now,
        )
        assert instrument is not None  # noqa: S101  # It is needed.
        with words("InvalidOperationError"):
            owed = rules.use_instrument(row, instrument, now=self.now, actor=self.actor)
        for feed in owed[:1]:
            self._collect(feed, instrument)
        return self.told(self.one(guid))

    def _collect(self, feed: Any, instrument: FundingInstrument) -> None:
        try:
            with words():
                held = collect.collect(
                    feed,
                    instrument=instrument,
                    now=self.now,
                    lease_seconds=limits.from_settings().lease_seconds,
                    actor=self.actor,
                )
        except Problem:
            return  # An attempt is under way; its result decides.
        money.send(held)


class Children(SchedulerDoor):
    """`GET /v1/schedulers/{guid}/children`."""

    tag = "schedulers"
    operations = {"get": LIST}

    def get(self, _: Any, guid: str) -> Answer:
        """List the schedulers that its occurrences started."""
        row = self.own(Scheduler.objects.all(), "scheduler", guid)
        return self.filtered(schedulers(self.company).filter(parent=row.pk))


class Runs(Door):
    """`GET /v1/schedulers/{guid}/runs`."""

    tag = "schedulers"
    operations = {
        "get": Operation(
            summary="List what is to come, as things stand",
            shape=RunShape,
            many=True,
            query=query("RunsQuery", is_list=False, limit=Whole(1, LARGEST_LIMIT, default=5)),
        )
    }

    def get(self, _: Any, guid: str) -> Answer:
        """List the next runs; nothing is written."""
        row = self.own(Scheduler.objects.all(), "scheduler", guid)
        count = min(self.asked["limit"], MOST)
        items = [RunShape.of(run) for run in runs(row, count)]
        return Answer({"items": items, "offset": 0, "limit": count, "next": None})
