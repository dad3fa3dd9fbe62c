"""Invoices, as the original has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accounts.models import EXTERNAL_LIMIT, Customer
from billy.api import money
from billy.api.door import Answer, Door, Operation, Whatever
from billy.api.inputs import Text
from billy.api.invoice_inputs import NewInstrument, NewInvoice, Refund
from billy.api.invoice_shapes import InvoiceShape, status_of
from billy.api.lists import BY_CREATION, BY_DUE, Order, query
from billy.api.naming import words
from billy.api.plans import RANGES
from billy.api.problems import operation
from billy.api.touched import feeds_within, touched
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT, Money
from invoices import collect, one_off
from invoices.models import AuditFeed, Transaction
from invoices.refund import give_back
from plans.models import Plan
from schedulers import close, limits
from schedulers.models import Scheduler
from tasks.pricing import Line

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse

OVER = {"settled", "canceled"}
ON_THE_WIRE = ("intent", "unknown")  # A call is out, or its answer was lost.
UNDER_WAY = "has a payment under way; wait for its result"


InvoicesQuery = query(
    "InvoicesQuery",
    is_lenient=True,
    ranges=RANGES,
    external_id=Text(EXTERNAL_LIMIT),
)


def listing(order: Order) -> Operation:
    """Return the operation of a list of invoices."""
    return Operation(
        summary="List invoices", shape=InvoiceShape, many=True, query=InvoicesQuery, order=order
    )


def invoices(company: Any) -> QuerySet[AuditFeed]:
    """Return the invoices of a company, with what their shape tells."""
    return AuditFeed.objects.filter(company=company.pk).select_related("instrument")


class InvoiceDoor(Door):
    """A door that tells invoices."""

    is_original = True

    def complete(self, rows: list[Any]) -> None:
        """Say when something last happened to them."""
        touched(rows)

    def filtered(self, rows: QuerySet[AuditFeed]) -> Answer:
        """List those of the rows that the query asks for."""
        if self.asked["external_id"]:
            rows = rows.filter(external_id=self.asked["external_id"])
        return self.listed(feeds_within(rows, self.asked))

    def one(self, guid: str) -> AuditFeed:
        """Return one of the company's, complete; raises Http404."""
        feed = self.own(invoices(self.company), "feed", guid)
        self.complete([feed])
        return feed


class Invoices(InvoiceDoor):
    """`/v1/invoices`."""

    tag = "invoices"
    operations = {
        "get": listing(BY_CREATION),
        "post": Operation(
            summary="Make an invoice for a customer",
            shape=InvoiceShape,
            scope="money",
            taken=NewInvoice,
            about="With an instrument it is charged before the answer; a decline is no error.",
        ),
    }

    def get(self, _: Any) -> Answer:
        """List them."""
        return self.filtered(invoices(self.company))

    def make(self) -> HttpResponse:
        """Make one, and charge it where it says with what."""
        given = self.taken()
        customer = Customer.objects.filter(
            company=self.company.pk, pk=given["customer_guid"]
        ).first()
        if customer is None or customer.deleted_at is not None:
            why = "is no customer of this company" if customer is None else "was deleted"
            raise Invalid(customer_guid=why)
        customer.company = self.company
        total = given["amount"] + sum(each["amount"] for each in given["adjustments"] or ())
        if not 0 <= total <= LARGEST_AMOUNT:
            raise Invalid(amount="with its adjustments must not be less than nothing, or too much")
        instrument = money.instrument(
            given["funding_instrument_uri"], customer=customer, direction="debit", now=self.now
        )
        with words():
            identity, held = one_off.invoice(
                customer,
                lines=_lines(given, self.company.currency),
                now=self.now,
                lease_seconds=limits.from_settings().lease_seconds,
                instrument=instrument,
                external_id=given["external_id"],
                statement_text=given["appears_on_statement_as"] or "",
                request=self.request_name,
                actor=self.actor,
                shown=_shown(given),
            )
        money.send(held)
        feed = invoices(self.company).get(pk=identity)
        self.complete([feed])
        return self.told(feed)


def _lines(given: dict[str, Any], currency: str) -> list[Line]:
    first = Line(description=given["title"] or "", amount=Money(given["amount"], currency))
    rest = [
        Line(description=each["reason"] or "Adjustment", amount=Money(each["amount"], currency))
        for each in given["adjustments"] or ()
    ]
    return [first, *rest]


def _shown(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("title", "amount")} | {
        name: given[name] or [] for name in ("items", "adjustments")
    }


class OneInvoice(InvoiceDoor):
    """`/v1/invoices/{guid}`."""

    tag = "invoices"
    operations = {
        "get": Operation(summary="Show an invoice", shape=InvoiceShape),
        "put": Operation(
            summary="Pay an invoice with another instrument, at once",
            shape=InvoiceShape,
            scope="money",
            taken=NewInstrument,
            about="What was planned is called off. One that asks for nothing only changes it.",
        ),
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.one(guid))

    def put(self, _: Any, guid: str) -> Answer:
        """Charge it by another instrument."""
        feed = self.one(guid)
        self.unless_changed(feed)
        uri = self.taken()["funding_instrument_uri"]
        if feed.total and status_of(feed) in OVER:
            raise operation(Invalid(invoice=f"is {status_of(feed)}"))
        if _is_out(feed):
            raise operation(Invalid(invoice=UNDER_WAY))
        instrument = money.instrument(
            uri, customer=feed.customer, direction=feed.direction, now=self.now
        )
        assert instrument is not None  # noqa: S101  # It is needed.
        with words("InvalidOperationError"):
            if not feed.total:
                collect.assign(feed, instrument, now=self.now, actor=self.actor)
                return self.told(self.one(guid))
            held = collect.collect(
                feed,
                instrument=instrument,
                now=self.now,
                lease_seconds=limits.from_settings().lease_seconds,
                actor=self.actor,
            )
        money.send(held)
        return self.told(self.one(guid))


class RefundInvoice(InvoiceDoor):
    """`POST /v1/invoices/{guid}/refund`."""

    tag = "invoices"
    operations = {
        "post": Operation(
            summary="Give a part of an invoice back, or all of it",
            shape=InvoiceShape,
            scope="money",
            taken=Refund,
            about="Only of a settled one, and together never more than was paid.",
        )
    }

    def make(self, guid: str) -> HttpResponse:
        """Refund it, while the caller waits."""
        feed = self.one(guid)
        amount = self.taken()["amount"]
        if feed.direction != "debit" or feed.state != "settled":
            raise operation(Invalid(invoice="is not a settled charge, so it cannot be refunded"))
        with words("InvalidOperationError"):
            held = give_back(
                feed,
                amount=amount,
                now=self.now,
                lease_seconds=limits.from_settings().lease_seconds,
                actor=self.actor,
                request=self.request_name,
            )
        money.send([held])
        return self.told(self.one(guid))


class CancelInvoice(InvoiceDoor):
    """`POST /v1/invoices/{guid}/cancel`."""

    tag = "invoices"
    operations = {
        "post": Operation(
            summary="Call an unpaid invoice off",
            shape=InvoiceShape,
            scope="write",
            taken=Whatever,
            about="While a call to the processor is out, it is shown as it is: open.",
        )
    }

    def make(self, guid: str) -> HttpResponse:
        """Call it off, and what is planned for it."""
        feed = self.one(guid)
        try:
            close.void(feed, now=self.now, actor=self.actor)
        except Invalid as invalid:
            if not _is_on_the_wire(feed):
                raise operation(invalid) from None
        return self.told(self.one(guid))


class PlanInvoices(InvoiceDoor):
    """`GET /v1/plans/{guid}/invoices`."""

    tag = "plans"
    operations = {"get": listing(BY_DUE)}

    def get(self, _: Any, guid: str) -> Answer:
        """List those of a plan's subscriptions."""
        plan = self.own(Plan.objects.all(), "plan", guid)
        trails = Scheduler.objects.filter(company=self.company.pk, plan=plan.pk).values("pk")
        return self.filtered(invoices(self.company).filter(trail__in=trails))


class SubscriptionInvoices(InvoiceDoor):
    """`GET /v1/subscriptions/{guid}/invoices`."""

    tag = "subscriptions"
    operations = {"get": listing(BY_DUE)}

    def get(self, _: Any, guid: str) -> Answer:
        """List those of a subscription."""
        row = self.own(Scheduler.objects.all(), "scheduler", guid)
        return self.filtered(invoices(self.company).filter(trail=row.pk))


class CustomerInvoices(InvoiceDoor):
    """`GET /v1/customers/{guid}/invoices`: made for the customer directly."""

    tag = "customers"
    operations = {"get": listing(BY_CREATION)}

    def get(self, _: Any, guid: str) -> Answer:
        """List those made for the customer."""
        customer = self.own(Customer.objects.all(), "customer", guid)
        return self.filtered(invoices(self.company).filter(trail=customer.pk))


def _is_out(feed: AuditFeed) -> bool:
    live = Transaction.objects.filter(feed=feed, kind=feed.direction)
    return live.filter(state__in=(*ON_THE_WIRE, "pending", "parked")).exists()


def _is_on_the_wire(feed: AuditFeed) -> bool:
    live = Transaction.objects.filter(feed=feed, kind=feed.direction)
    return live.filter(state__in=ON_THE_WIRE).exists()
