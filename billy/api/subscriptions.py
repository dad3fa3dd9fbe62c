"""Subscriptions, as the original has them: schedulers that put a customer on a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from accounts.models import EXTERNAL_LIMIT, Customer
from billy.api import money, quota
from billy.api.customers import CustomerShape
from billy.api.door import Answer, Door, Operation, Whatever
from billy.api.expand import Expansion
from billy.api.inputs import Guid, Input, Instant, Statement, Text, Uri, Whole
from billy.api.lists import BY_TRAIL, query, within
from billy.api.naming import words
from billy.api.plans import RANGES, SMALLEST, PlanShape
from billy.api.problems import operation
from billy.api.shapes import Shape, Told, flag, guid_of, instant, own_guid, text, whole
from core.invalid import Invalid
from plans.models import Plan
from schedulers import limits, rules
from schedulers.models import Scheduler
from schedulers.start import start
from schedulers.subscribe import Subscription, drafted

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from django.http import HttpResponse

# The original goes on billing whatever a card says; whoever wants otherwise has schedulers.
LEAVE = {"end": "leave"}
ZONE = "UTC"  # The original kept the time of day there.


def effective(row: Scheduler) -> int | None:
    """Return what is billed: the scheduler's own amount, else its offer's."""
    if row.amount is None and row.plan is not None:
        return row.plan.amount
    return row.amount


class SubscriptionShape(Shape):
    """A customer on a plan."""

    guid = own_guid("scheduler")
    customer_guid = guid_of("customer", "customer_id")
    plan_guid = guid_of("plan", "plan_id", null=True)
    amount = whole("amount", null=True, about="In place of the plan's; minor units.")
    effective_amount = Told("integer", effective, null=True, about="Its own, or the plan's.")
    funding_instrument_uri = Told(
        "string", lambda row: row.instrument.uri if row.instrument else None, null=True
    )
    appears_on_statement_as = text("statement_text", null=True)
    invoice_count = whole("occurrence", about="How many occurrences were opened or passed over.")
    canceled = flag(lambda row: row.state == "canceled")
    canceled_at = instant("canceled_at", null=True)
    started_at = instant("started_at")
    next_invoice_at = instant("next_run_at")
    created_at = instant("created_at")
    updated_at = instant("updated_at")
    external_id = text("external_id", null=True)


class NewSubscription(Input):
    """What a subscription is made of."""

    is_lenient = True
    customer_guid = Guid("customer", required=True, example="CU1CVuyknFeagYMVp1LKhQ15")
    plan_guid = Guid("plan", required=True, example="PL1CVuyknFeagYMVp1LKhQ15")
    funding_instrument_uri = Uri(example="/cards/CC4zyuNpxY0A0eAf87SeULCR")
    amount = Whole(SMALLEST, about="In place of the plan's; minor units.")
    appears_on_statement_as = Statement()
    started_at = Instant(about="Not in the past; now where it is not said.")
    external_id = Text(EXTERNAL_LIMIT, about="Your own name for it; unique in the company.")


EXPANDS = (
    Expansion(
        name="customer",
        attribute="customer_id",
        rows=Customer.objects.all,
        shape=CustomerShape,
    ),
    Expansion(name="plan", attribute="plan_id", rows=Plan.objects.all, shape=PlanShape),
)
SubscriptionsQuery = query(
    "SubscriptionsQuery",
    is_lenient=True,
    ranges=RANGES,
    expands=("customer", "plan"),
    external_id=Text(EXTERNAL_LIMIT),
)
SubscriptionQuery = query(
    "SubscriptionQuery", is_list=False, is_lenient=True, expands=("customer", "plan")
)
LIST = Operation(
    summary="List subscriptions",
    shape=SubscriptionShape,
    many=True,
    query=SubscriptionsQuery,
    order=BY_TRAIL,
    expands=EXPANDS,
)


def schedulers(company: Any) -> QuerySet[Scheduler]:
    """Return the schedulers of a company, with what their shape tells, to be listed by trail."""
    rows = Scheduler.objects.filter(
        company=company.pk, trail__company_id=company.pk, trail__subject="scheduler"
    )
    return rows.select_related("plan", "instrument", "trail")


def subscriptions(company: Any) -> QuerySet[Scheduler]:
    """Return those that are on an offer."""
    return schedulers(company).filter(plan__isnull=False)


class SubscriptionList(Door):
    """A list of subscriptions."""

    def filtered(self, rows: QuerySet[Scheduler]) -> Answer:
        """List those of the rows that the query asks for."""
        if self.asked["external_id"]:
            rows = rows.filter(external_id=self.asked["external_id"])
        return self.listed(within(rows, self.asked, at=BY_TRAIL.field))


class Subscriptions(SubscriptionList):
    """`/v1/subscriptions`."""

    tag = "subscriptions"
    is_original = True
    operations = {
        "get": LIST,
        "post": Operation(
            summary="Subscribe a customer",
            shape=SubscriptionShape,
            scope="money",
            taken=NewSubscription,
            about=(
                "Without `started_at` the first invoice is opened, and charged, before the answer. "
                "A decline is no error: the invoice tells it."
            ),
        ),
    }

    def get(self, _: Any) -> Answer:
        """List them."""
        return self.filtered(subscriptions(self.company))

    def make(self) -> HttpResponse:
        """Subscribe, and charge what is due at once."""
        given = self.taken()
        if given["started_at"] is not None and given["started_at"] < self.now:
            raise Invalid(started_at="must not be in the past")
        plan, customer = parties(self.company, given)
        wanted = Subscription(
            plan=plan,
            customer=customer,
            amount=given["amount"],
            started_at=given["started_at"],
            time_zone=plan.time_zone or ZONE,
            external_id=given["external_id"],
            catch_up="each",
            without_instrument="invoice",
            statement_text=given["appears_on_statement_as"] or "",
            retry_policy=LEAVE,
        )
        return self.told(subscribed(self, wanted, uri=given["funding_instrument_uri"]))


class OneSubscription(Door):
    """`/v1/subscriptions/{guid}`."""

    tag = "subscriptions"
    is_original = True
    operations = {
        "get": Operation(
            summary="Show a subscription",
            shape=SubscriptionShape,
            query=SubscriptionQuery,
            expands=EXPANDS,
        )
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.own(subscriptions(self.company), "scheduler", guid))


class CancelSubscription(Door):
    """`POST /v1/subscriptions/{guid}/cancel`."""

    tag = "subscriptions"
    is_original = True
    operations = {
        "post": Operation(
            summary="Cancel a subscription at once",
            shape=SubscriptionShape,
            scope="write",
            taken=Whatever,
            about="Nothing is refunded, and invoices that are there stay as they are.",
        )
    }

    def make(self, guid: str) -> HttpResponse:
        """End it now; what is planned for invoices that are there goes on."""
        row = self.own(subscriptions(self.company), "scheduler", guid)
        try:
            rules.cancel(row, now=self.now, at=rules.NOW, dunning=rules.GO_ON, actor=self.actor)
        except Invalid as invalid:
            raise operation(invalid) from None
        return self.told(self.own(subscriptions(self.company), "scheduler", guid))


class PlanSubscriptions(SubscriptionList):
    """`GET /v1/plans/{guid}/subscriptions`."""

    tag = "plans"
    is_original = True
    operations = {"get": LIST}

    def get(self, _: Any, guid: str) -> Answer:
        """List those of a plan."""
        plan = self.own(Plan.objects.all(), "plan", guid)
        return self.filtered(subscriptions(self.company).filter(plan=plan.pk))


class CustomerSubscriptions(SubscriptionList):
    """`GET /v1/customers/{guid}/subscriptions`."""

    tag = "customers"
    is_original = True
    operations = {"get": LIST}

    def get(self, _: Any, guid: str) -> Answer:
        """List those of a customer."""
        customer = self.own(Customer.objects.all(), "customer", guid)
        return self.filtered(subscriptions(self.company).filter(customer=customer.pk))


def parties(company: Any, given: dict[str, Any]) -> tuple[Plan, Customer]:
    """Return the plan and the customer that a body names; another company's are none: Invalid."""
    plan = Plan.objects.filter(company=company.pk, pk=given["plan_guid"]).first()
    customer = Customer.objects.filter(company=company.pk, pk=given["customer_guid"]).first()
    problems = []
    if plan is None:
        problems.append(Invalid(plan_guid="is no plan of this company"))
    if customer is None:
        problems.append(Invalid(customer_guid="is no customer of this company"))
    if plan is None or customer is None:
        raise Invalid.combined(problems)
    plan.company = customer.company = company
    return plan, customer


def subscribed(door: Door, wanted: Subscription, *, uri: str | None) -> Scheduler:
    """Subscribe: the instrument first, over the wire, then all of the rest; returns the row."""
    now: datetime = door.now
    with words():
        drafted(wanted, now=now)  # All else is looked at before the processor hears of it.
        quota.check(door.company.pk)
        instrument = money.instrument(
            uri, customer=wanted.customer, direction=wanted.plan.direction, now=now
        )
        begun = start(
            replace(wanted, instrument=instrument),
            now=now,
            limits=limits.from_settings(),
            request=door.request_name,
            actor=door.actor,
        )
    money.send(begun.held)
    rows = Scheduler.objects.select_related("plan", "instrument")
    return rows.get(pk=begun.scheduler.pk)
