"""Plans and payouts: the offers. A plan is of either direction, as the original had them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import transaction

from accounts.models import EXTERNAL_LIMIT
from billy.api.customers import CustomerShape, CustomersQuery, customers, customers_asked
from billy.api.door import Answer, Door, Operation
from billy.api.inputs import Currency, Input, OneOf, Params, Text, Whole, Zone
from billy.api.lists import BY_CREATION, query, within
from billy.api.naming import words
from billy.api.problems import operation
from billy.api.shapes import Shape, anything, flag, guid_of, instant, own_guid, text, whole
from core.frequency import Frequency
from core.invalid import Invalid
from plans.models import Payout, Plan
from plans.offer import (
    DESCRIPTION_LIMIT,
    LARGEST_INTERVAL,
    LONGEST_TRIAL_DAYS,
    MONTH_ENDS,
    RULE_LIMIT,
    SHIFTS,
)
from plans.withdraw import withdraw
from schedulers.models import Scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpResponse

SMALLEST = 50  # Minor units: what the original took at least.
DIRECTIONS = ("debit", "credit")
RANGES = ("created_at", "updated_at")


class OfferShape(Shape):
    """An offer: how much, how often."""

    guid = own_guid("plan")
    frequency = text("frequency", enum=list(Frequency))
    amount = whole("amount", null=True, about="Minor units; null where the task computes it.")
    interval = whole("interval")
    company_guid = guid_of("company", "company_id")
    deleted = flag(lambda row: row.deleted_at is not None)
    created_at = instant("created_at")
    updated_at = instant("updated_at")
    description = text("description")
    currency = text("currency")
    external_id = text("external_id", null=True)
    trial_period = whole("trial_days", null=True, about="Whole days.")
    rule = text("rule", null=True, about="In place of a frequency, such as FREQ=MONTHLY;BYDAY=FR.")
    month_end = text("month_end", enum=list(MONTH_ENDS))
    shift = text("shift", enum=list(SHIFTS))
    time_zone = text("time_zone", null=True)
    task = text("task")
    params = anything("params")


class PlanShape(OfferShape):
    """An offer of either direction."""

    plan_type = text("direction", enum=list(DIRECTIONS))


class PayoutShape(OfferShape):
    """An offer that pays out."""


class OfferTerms(Input):
    """What every offer may say."""

    description = Text(DESCRIPTION_LIMIT, example="the goat - silver")
    external_id = Text(EXTERNAL_LIMIT, about="Your own name for it; unique in the company.")
    currency = Currency(about="The company's where it is not said.")
    trial_period = Whole(0, LONGEST_TRIAL_DAYS, about="Whole days.")
    time_zone = Zone()
    rule = Text(RULE_LIMIT)
    month_end = OneOf(MONTH_ENDS)
    shift = OneOf(SHIFTS)
    task = Text(80, about="A kind of task of your own, which may compute the amount.")
    params = Params(about="What the task is given.")


class NewPlan(OfferTerms):
    """What a plan is made of."""

    is_lenient = True
    plan_type = OneOf(DIRECTIONS, required=True, example="debit")
    frequency = OneOf(tuple(Frequency), required=True, example="monthly")
    amount = Whole(
        SMALLEST, about="Minor units; may be left out with a `task` that computes it.", example=1000
    )
    interval = Whole(1, LARGEST_INTERVAL, default=1, example=3)

    @classmethod
    def needs(cls, name: str, data: Mapping[str, Any]) -> bool:
        """Say so of the amount too, where no task of the merchant's own may compute it."""
        return super().needs(name, data) or (name == "amount" and not data.get("task"))


class NewPayout(OfferTerms):
    """What a payout is made of."""

    frequency = OneOf(tuple(Frequency), default="monthly", example="weekly")
    amount = Whole(1, about="Minor units; none where the task computes it.", example=2500)
    interval = Whole(1, LARGEST_INTERVAL, default=1)


PlansQuery = query("PlansQuery", is_lenient=True, ranges=RANGES, external_id=Text(EXTERNAL_LIMIT))
PayoutsQuery = query("PayoutsQuery", ranges=RANGES, external_id=Text(EXTERNAL_LIMIT))


class Offers(Door):
    """A list of offers, and how one is made."""

    model: ClassVar[type[Plan]] = Plan

    def get(self, _: Any) -> Answer:
        """List them."""
        rows = self.model.objects.filter(company=self.company.pk)
        if self.asked["external_id"]:
            rows = rows.filter(external_id=self.asked["external_id"])
        return self.listed(within(rows, self.asked))

    def make(self) -> HttpResponse:
        """Make one."""
        given = self.taken()
        model = Payout if given.pop("plan_type", "") == "credit" else self.model
        terms = {name: value for name, value in given.items() if value is not None}
        with words(), transaction.atomic():
            made = model.create(company=self.company, now=self.now, actor=self.actor, **terms)
            return self.keep(self.told(made))


class OneOffer(Door):
    """One offer: shown, or withdrawn."""

    model: ClassVar[type[Plan]] = Plan

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.own(self.model.objects.all(), "plan", guid))

    def delete(self, _: Any, guid: str) -> Answer:
        """Withdraw it from new subscribers."""
        plan = self.own(self.model.objects.all(), "plan", guid)
        self.unless_changed(plan)
        try:
            return self.told(withdraw(plan, now=self.now, actor=self.actor))
        except Invalid as invalid:
            raise operation(invalid) from None


class Plans(Offers):
    """`/v1/plans`."""

    tag = "plans"
    is_original = True
    operations = {
        "get": Operation(summary="List plans", shape=PlanShape, many=True, query=PlansQuery),
        "post": Operation(summary="Make a plan", shape=PlanShape, scope="write", taken=NewPlan),
    }


class OnePlan(OneOffer):
    """`/v1/plans/{guid}`."""

    tag = "plans"
    is_original = True
    operations = {
        "get": Operation(summary="Show a plan", shape=PlanShape),
        "delete": Operation(
            summary="Withdraw a plan",
            shape=PlanShape,
            scope="write",
            about="Who is on it stays on it.",
        ),
    }


class Payouts(Offers):
    """`/v1/payouts`."""

    tag = "payouts"
    model = Payout
    operations = {
        "get": Operation(summary="List payouts", shape=PayoutShape, many=True, query=PayoutsQuery),
        "post": Operation(
            summary="Make a payout", shape=PayoutShape, scope="write", taken=NewPayout
        ),
    }


class OnePayout(OneOffer):
    """`/v1/payouts/{guid}`."""

    tag = "payouts"
    model = Payout
    operations = {
        "get": Operation(summary="Show a payout", shape=PayoutShape),
        "delete": Operation(
            summary="Withdraw a payout",
            shape=PayoutShape,
            scope="write",
            about="Who is on it stays on it.",
        ),
    }


class PlanCustomers(Door):
    """`GET /v1/plans/{guid}/customers`: each once, however often it is subscribed."""

    tag = "plans"
    is_original = True
    operations = {
        "get": Operation(
            summary="List the customers of a plan",
            shape=CustomerShape,
            many=True,
            query=CustomersQuery,
            order=BY_CREATION,
        )
    }

    def get(self, _: Any, guid: str) -> Answer:
        """List them."""
        plan = self.own(Plan.objects.all(), "plan", guid)
        on_it = Scheduler.objects.filter(plan=plan.pk, company=self.company.pk).values("customer")
        return self.listed(
            customers_asked(customers(self.company).filter(pk__in=on_it), self.asked)
        )
