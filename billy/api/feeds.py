"""Feeds: invoices and payout statements, whole, and what people do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accounts.models import Customer, FundingInstrument
from audit.record import by_feed
from billy.api import money
from billy.api.customers import CustomerShape
from billy.api.door import Answer, Door, Nothing, Operation
from billy.api.expand import Expansion
from billy.api.inputs import Guid, Input, OneOf, Text, Uri, Whole
from billy.api.instruments import FundingInstrumentShape
from billy.api.invoice_shapes import STATUSES, status_of
from billy.api.lists import BY_CREATION, BY_DUE, Order, query, within
from billy.api.naming import words
from billy.api.plans import DIRECTIONS, RANGES
from billy.api.problems import operation
from billy.api.shapes import Of, Shape, Told, anything, guid_of, instant, own_guid, text, whole
from billy.api.touched import feeds_within
from billy.api.transactions import TransactionShape, query_of_transactions, transactions
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT
from invoices import collect
from invoices.models import AuditFeed
from invoices.refund import give_back
from invoices.states import FEED_MOVES
from schedulers import close, limits
from schedulers.models import Scheduler

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse

KINDS = ("period", "adjustment", "one_off")
ALL_THAT_IS_LEFT = "Minor units; all that is left where it is left out."


class LineShape(Shape):
    """A line: what it is for, what it comes to, and how that was found."""

    description = Told("string", lambda event: str(event.body["line"]))
    amount = whole("amount")
    inputs = Told("object", lambda event: event.body.get("inputs", {}))


class FeedShape(Shape):
    """An invoice or a payout statement: its lines, and where its money stands."""

    guid = own_guid("feed")
    company_guid = guid_of("company", "company_id")
    customer_guid = guid_of("customer", "customer_id")
    scheduler_guid = guid_of("scheduler", "scheduler_id", null=True)
    plan_guid = guid_of("plan", "plan_id", null=True)
    funding_instrument_guid = guid_of("instrument", "instrument_id", null=True)
    external_id = text("external_id", null=True)
    number = Told("string", lambda row: str(row) if row.number else None, null=True)
    kind = text("kind", enum=list(KINDS))
    direction = text("direction", enum=list(DIRECTIONS))
    state = text("state", enum=list(FEED_MOVES), about="docs/states.md tells the moves.")
    status = Told("string", status_of, enum=list(STATUSES), about="In the original's words.")
    occurrence = whole("occurrence", null=True)
    period_start = instant("period_start")
    period_end = instant("period_end")
    currency = text("currency")
    total = whole("total", about="What the lines add up to; minor units.")
    live = whole("live", about="What attempts in hand ask for.")
    captured = whole("captured", about="What moved.")
    returned = whole("returned", about="What came back.")
    refunded = whole("refunded", about="What was given back on purpose.")
    applied = whole("applied", about="Paid without moving money.")
    credited = whole("credited", about="Taken off what was owed.")
    owed = whole("owed", about="What is still to be paid.")
    lines = Of(LineShape, lambda row: row.told_lines, many=True)
    terms = anything("terms", "What was in force when it was opened.")
    due_at = instant("due_at")
    opened_at = instant("opened_at", null=True)
    created_at = instant("created_at")
    updated_at = instant("updated_at")


class Attempt(Input):
    """With what to try once more; its own instrument where none is said."""

    funding_instrument_uri = Uri(example="/cards/CC4zyuNpxY0A0eAf87SeULCR")


class GivingBack(Input):
    """How much to give back; all that is left where it is not said."""

    # What is empty by mistake must not give back everything.
    amount = Whole(1, LARGEST_AMOUNT, lasting=True, about=ALL_THAT_IS_LEFT, example=500)


class Reason(Input):
    """Why; it stays in the trail for good."""

    reason = Text(collect.REASON_LIMIT, required=True, example="A faithful customer")


EXPANDS = (
    Expansion(
        name="customer", attribute="customer_id", rows=Customer.objects.all, shape=CustomerShape
    ),
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
    "scheduler_guid": "trail",
    "plan_guid": "plan",
    "state": "state",
    "kind": "kind",
    "direction": "direction",
    "external_id": "external_id",
}
FeedsQuery = query(
    "FeedsQuery",
    ranges=(*RANGES, "due_at"),
    expands=NAMES,
    customer_guid=Guid("customer"),
    scheduler_guid=Guid("scheduler"),
    plan_guid=Guid("plan"),
    state=OneOf(tuple(FEED_MOVES)),
    kind=OneOf(KINDS),
    direction=OneOf(DIRECTIONS),
    external_id=Text(128),
)
FeedQuery = query("FeedQuery", is_list=False, expands=NAMES)


def listing(order: Order) -> Operation:
    """Return the operation of a list of feeds."""
    return Operation(
        summary="List feeds",
        shape=FeedShape,
        many=True,
        query=FeedsQuery,
        order=order,
        expands=EXPANDS,
    )


def feeds(company: Any) -> QuerySet[AuditFeed]:
    """Return the feeds of a company, with what their shape tells."""
    return AuditFeed.objects.filter(company=company.pk).select_related("instrument")


def completed(rows: list[AuditFeed]) -> None:
    """Bring to feeds their lines, and when something last happened: one statement for all."""
    events = by_feed([row.pk for row in rows])
    for row in rows:
        told: Any = row
        told.told_lines = [event for event in events[row.pk] if "line" in event.body]
        told.updated_at = max((event.at for event in events[row.pk]), default=row.created_at)
        told.scheduler_id = row.trail_id if row.occurrence is not None else None


class FeedDoor(Door):
    """A door that tells feeds."""

    def complete(self, rows: list[Any]) -> None:
        """Bring lines and the last change."""
        completed(rows)

    def filtered(self, rows: QuerySet[AuditFeed]) -> Answer:
        """List those of the rows that the query asks for."""
        for name, column in FILTERS.items():
            if self.asked[name]:
                rows = rows.filter(**{column: self.asked[name]})
        return self.listed(feeds_within(rows, self.asked))

    def one(self, guid: str) -> AuditFeed:
        """Return one of the company's, complete; raises Http404."""
        feed = self.own(feeds(self.company), "feed", guid)
        self.complete([feed])
        return feed

    @property
    def lease_seconds(self) -> float:
        """Return how long an attempt is held by the request that sends it."""
        return limits.from_settings().lease_seconds


class Feeds(FeedDoor):
    """`GET /v1/feeds`."""

    tag = "feeds"
    operations = {"get": listing(BY_CREATION)}

    def get(self, _: Any) -> Answer:
        """List them."""
        return self.filtered(feeds(self.company))


class SchedulerFeeds(FeedDoor):
    """`GET /v1/schedulers/{guid}/feeds`."""

    tag = "schedulers"
    operations = {"get": listing(BY_DUE)}

    def get(self, _: Any, guid: str) -> Answer:
        """List a scheduler's."""
        row = self.own(Scheduler.objects.all(), "scheduler", guid)
        return self.filtered(feeds(self.company).filter(trail=row.pk))


class OneFeed(FeedDoor):
    """`GET /v1/feeds/{guid}`."""

    tag = "feeds"
    operations = {
        "get": Operation(summary="Show a feed", shape=FeedShape, query=FeedQuery, expands=EXPANDS)
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.one(guid))


class FeedTransactions(Door):
    """`GET /v1/feeds/{guid}/transactions`."""

    tag = "feeds"
    operations = {
        "get": Operation(
            summary="List the attempts to move a feed's money",
            shape=TransactionShape,
            many=True,
            order=BY_CREATION,
            query=query_of_transactions("FeedTransactionsQuery", is_lenient=False),
        )
    }

    def get(self, _: Any, guid: str) -> Answer:
        """List them."""
        feed = self.own(AuditFeed.objects.all(), "feed", guid)
        rows = transactions(self.company).filter(feed=feed.pk)
        if self.asked["transaction_type"]:
            rows = rows.filter(kind=self.asked["transaction_type"])
        return self.listed(within(rows, self.asked))


class FeedAttempts(FeedDoor):
    """`POST /v1/feeds/{guid}/attempts`."""

    tag = "feeds"
    operations = {
        "post": Operation(
            summary="Try to collect or pay it once more, at once",
            shape=FeedShape,
            scope="money",
            taken=Attempt,
            is_money=True,
            about="What was planned is called off for it.",
        )
    }

    def make(self, guid: str) -> HttpResponse:
        """Try, while the caller waits."""
        feed = self.one(guid)
        uri = self.taken()["funding_instrument_uri"]
        chosen = money.instrument(
            uri, customer=feed.customer, direction=feed.direction, now=self.now
        )
        instrument = chosen or feed.instrument or _of_scheduler(feed)
        if instrument is None:
            raise operation(Invalid(funding_instrument_uri="is needed: it has no instrument"))
        with words("InvalidOperationError"):
            held = collect.collect(
                feed,
                instrument=instrument,
                now=self.now,
                lease_seconds=self.lease_seconds,
                actor=self.actor,
                request=self.request_name,
            )
        money.send(held)
        return self.told(self.one(guid))


class FeedRefunds(FeedDoor):
    """`POST /v1/feeds/{guid}/refunds`."""

    tag = "feeds"
    operations = {
        "post": Operation(
            summary="Give back what a charge brought in, or ask back what was paid out",
            shape=FeedShape,
            scope="money",
            taken=GivingBack,
            is_money=True,
            about="Together never more than moved.",
        )
    }

    def make(self, guid: str) -> HttpResponse:
        """Refund or reverse it, while the caller waits."""
        feed = self.one(guid)
        amount = self.taken()["amount"]
        with words("InvalidOperationError"):
            held = give_back(
                feed,
                amount=amount,
                now=self.now,
                lease_seconds=self.lease_seconds,
                actor=self.actor,
                request=self.request_name,
            )
        money.send([held])
        return self.told(self.one(guid))


class IssueFeed(FeedDoor):
    """`PUT /v1/feeds/{guid}/issue`."""

    tag = "feeds"
    operations = {
        "put": Operation(
            summary="Open a draft for payment",
            shape=FeedShape,
            scope="money",
            taken=Nothing,
            about="It gets its number, and is charged where it has an instrument.",
        )
    }

    def put(self, _: Any, guid: str) -> Answer:
        """Issue it."""
        feed = self.one(guid)
        self.taken()
        self.unless_changed(feed)
        with words("InvalidOperationError"):
            held = collect.issue(
                feed, now=self.now, lease_seconds=self.lease_seconds, actor=self.actor
            )
        money.send(held)
        return self.told(self.one(guid))


class WaiveFeed(FeedDoor):
    """`PUT /v1/feeds/{guid}/waive`."""

    tag = "feeds"
    operations = {
        "put": Operation(
            summary="Forgive what is owed, for good",
            shape=FeedShape,
            scope="money",
            taken=Reason,
        )
    }

    def put(self, _: Any, guid: str) -> Answer:
        """Waive it."""
        feed = self.one(guid)
        reason = self.taken()["reason"]
        self.unless_changed(feed)
        with words("InvalidOperationError"):
            close.waive(feed, now=self.now, reason=reason, actor=self.actor)
        return self.told(self.one(guid))


class VoidFeed(FeedDoor):
    """`PUT /v1/feeds/{guid}/void`."""

    tag = "feeds"
    operations = {
        "put": Operation(
            summary="Call an unpaid feed off, for good",
            shape=FeedShape,
            scope="write",
            taken=Nothing,
        )
    }

    def put(self, _: Any, guid: str) -> Answer:
        """Call it off."""
        feed = self.one(guid)
        self.taken()
        self.unless_changed(feed)
        with words("InvalidOperationError"):
            close.void(feed, now=self.now, actor=self.actor)
        return self.told(self.one(guid))


def _of_scheduler(feed: AuditFeed) -> FundingInstrument | None:
    """Return what the feed's scheduler pays with by now."""
    rows = Scheduler.objects.select_related("instrument")
    found = rows.filter(pk=feed.trail_id).first()
    return None if found is None else found.instrument
