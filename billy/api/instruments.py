"""Funding instruments: cards and bank accounts, under the processor's names for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accounts import open as opening
from accounts.models import EXTERNAL_LIMIT, Customer, FundingInstrument
from billy.api.door import Answer, Door, Operation
from billy.api.inputs import Guid, Input, OneOf, Text, Uri
from billy.api.lists import query, within
from billy.api.naming import words
from billy.api.plans import RANGES
from billy.api.shapes import Shape, flag, guid_of, instant, own_guid, text
from core.invalid import Invalid
from schedulers import limits

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse

STATES = ("active", "errored", "removed")


class FundingInstrumentShape(Shape):
    """A card or bank account; never its number."""

    guid = own_guid("instrument")
    company_guid = guid_of("company", "company_id")
    customer_guid = guid_of("customer", "customer_id")
    external_id = text("external_id", null=True)
    uri = text("uri", about="As the processor names it.")
    kind = text("kind", enum=["card", "bank_account"])
    label = text("label", about="Masked, for people.")  # type: ignore[assignment]  # It is taken out.
    can_debit = flag(lambda row: row.can_debit)
    can_credit = flag(lambda row: row.can_credit)
    expires = text("expires", null=True)
    state = text("state", enum=list(STATES))
    reason = text("reason", null=True)
    created_at = instant("created_at")
    updated_at = instant("updated_at")


class NewFundingInstrument(Input):
    """What the processor knows, and whose it is."""

    customer_guid = Guid("customer", required=True, example="CU1CVuyknFeagYMVp1LKhQ15")
    uri = Uri(required=True, example="/cards/CC4zyuNpxY0A0eAf87SeULCR")
    external_id = Text(EXTERNAL_LIMIT, about="Your own name for it; unique in the company.")


LIST = Operation(
    summary="List cards and bank accounts",
    shape=FundingInstrumentShape,
    many=True,
    query=query(
        "FundingInstrumentsQuery",
        ranges=RANGES,
        customer_guid=Guid("customer"),
        external_id=Text(EXTERNAL_LIMIT),
        state=OneOf(STATES),
    ),
)


class InstrumentList(Door):
    """A list of instruments."""

    def filtered(self, rows: QuerySet[FundingInstrument]) -> Answer:
        """List those of the rows that the query asks for."""
        rows = rows.filter(company=self.company.pk)
        if self.asked["customer_guid"]:
            rows = rows.filter(customer=self.asked["customer_guid"])
        for name in ("external_id", "state"):
            if self.asked[name]:
                rows = rows.filter(**{name: self.asked[name]})
        return self.listed(within(rows, self.asked))


class FundingInstruments(InstrumentList):
    """`/v1/funding_instruments`."""

    tag = "funding_instruments"
    operations = {
        "get": LIST,
        "post": Operation(
            summary="Give a card or bank account to a customer",
            shape=FundingInstrumentShape,
            scope="write",
            taken=NewFundingInstrument,
            about="The same one again for the same customer is the same; it may get its name so.",
        ),
    }

    def get(self, _: Any) -> Answer:
        """List them."""
        return self.filtered(FundingInstrument.objects.all())

    def make(self) -> HttpResponse:
        """Ask the processor, and associate it."""
        given = self.taken()
        customer = Customer.objects.filter(
            company=self.company.pk, pk=given["customer_guid"]
        ).first()
        if customer is None:
            raise Invalid(customer_guid="is no customer of this company")
        customer.company = self.company
        uri, name = given["uri"], given["external_id"]
        with words(**{opening.FIELD: "uri", "company": "uri"}):
            opening.check_name(name, uri=uri, company=self.company)
            made = opening.instrument(
                uri, customer=customer, processor=limits.processor(), now=self.now
            )
            return self.told(opening.named(made, name, now=self.now))


class OneFundingInstrument(Door):
    """`GET /v1/funding_instruments/{guid}`."""

    tag = "funding_instruments"
    operations = {
        "get": Operation(summary="Show a card or bank account", shape=FundingInstrumentShape)
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.own(FundingInstrument.objects.all(), "instrument", guid))


class CustomerInstruments(InstrumentList):
    """`GET /v1/customers/{guid}/funding_instruments`."""

    tag = "customers"
    operations = {"get": LIST}

    def get(self, _: Any, guid: str) -> Answer:
        """List those of a customer."""
        customer = self.own(Customer.objects.all(), "customer", guid)
        return self.filtered(FundingInstrument.objects.filter(customer=customer.pk))
