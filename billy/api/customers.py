"""Customers: who is charged or paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accounts import change
from accounts import open as opening
from accounts.models import EXTERNAL_LIMIT, NAME_LIMIT, Customer
from audit.sets import once as unique
from billy.api.door import Answer, Door, Operation
from billy.api.inputs import Input, Text, Uri, Zone
from billy.api.lists import query, within
from billy.api.naming import words
from billy.api.problems import Problem, operation
from billy.api.shapes import Shape, flag, guid_of, instant, own_guid, text
from core.invalid import Invalid
from processors.base import Account, Misconfigured, NotFound, Rejected
from schedulers import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.http import HttpResponse


class CustomerShape(Shape):
    """Who is charged or paid."""

    guid = own_guid("customer")
    processor_uri = text("processor_uri", null=True, about="Null before the processor knows it.")
    company_guid = guid_of("company", "company_id")
    deleted = flag(lambda row: row.deleted_at is not None)
    created_at = instant("created_at")
    updated_at = instant("updated_at")
    name = text("name")
    email = text("email")
    external_id = text("external_id", null=True)
    time_zone = text("time_zone", null=True)


class CustomerTerms(Input):
    """What people know a customer by."""

    name = Text(NAME_LIMIT, example="Alice")
    email = Text(change.EMAIL_LIMIT, example="alice@example.com")
    external_id = Text(EXTERNAL_LIMIT, about="Your own name for it; unique in the company.")
    time_zone = Zone(about="An IANA zone; the company's where it is not said.")


class NewCustomer(CustomerTerms):
    """What a customer is made of: nothing is needed."""

    is_lenient = True
    processor_uri = Uri(about="A customer of the processor's; without it, one is made there.")


class CustomerChange(CustomerTerms):
    """What to change; empty text takes a value away."""

    empty_is_absent = False


CustomersQuery = query(
    "CustomersQuery",
    is_lenient=True,
    ranges=("created_at", "updated_at"),
    external_id=Text(EXTERNAL_LIMIT),
    processor_uri=Text(200),
)


def customers(company: Any) -> QuerySet[Customer]:
    """Return the customers of a company."""
    return Customer.objects.filter(company=company.pk)


def customers_asked(rows: QuerySet[Customer], asked: Mapping[str, Any]) -> QuerySet[Customer]:
    """Keep those that a query asks for."""
    for name in ("external_id", "processor_uri"):
        if asked[name]:
            rows = rows.filter(**{name: asked[name]})
    return within(rows, asked)


class Customers(Door):
    """`/v1/customers`."""

    tag = "customers"
    is_original = True
    operations = {
        "get": Operation(
            summary="List customers", shape=CustomerShape, many=True, query=CustomersQuery
        ),
        "post": Operation(
            summary="Make a customer", shape=CustomerShape, scope="write", taken=NewCustomer
        ),
    }

    def get(self, _: Any) -> Answer:
        """List them."""
        return self.listed(customers_asked(customers(self.company), self.asked))

    def make(self) -> HttpResponse:
        """Make one, at the processor too; the wire comes before the transaction."""
        given = self.taken()
        uri = given.pop("processor_uri")
        terms = {name: given[name] or "" for name in ("name", "email", "time_zone")}
        draft = Customer.drafted(
            **terms, external_id=given["external_id"], company=self.company, now=self.now
        )
        draft.processor_uri = remote(draft, uri)
        with unique("customer_external_once", external_id="is the name of another customer"):
            Customer.insert([draft], now=self.now, actor=self.actor)
            return self.keep(self.told(draft))


class OneCustomer(Door):
    """`/v1/customers/{guid}`."""

    tag = "customers"
    is_original = True
    operations = {
        "get": Operation(summary="Show a customer", shape=CustomerShape),
        "patch": Operation(
            summary="Change a customer",
            shape=CustomerShape,
            scope="write",
            taken=CustomerChange,
            errors=(409,),
        ),
        "delete": Operation(
            summary="Mark a customer as deleted",
            shape=CustomerShape,
            scope="write",
            about="What it is subscribed to goes on; it gets no new subscriptions or invoices.",
        ),
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.own(Customer.objects.all(), "customer", guid))

    def patch(self, _: Any, guid: str) -> Answer:
        """Change what is given."""
        customer = self.own(Customer.objects.all(), "customer", guid)
        terms = self.taken()
        if not terms:
            self.unless_changed(customer)
            return self.told(customer)
        with words():
            return self.told(
                change.change(
                    customer, terms, now=self.now, actor=self.actor, seen=self.unless_changed
                )
            )

    def delete(self, _: Any, guid: str) -> Answer:
        """Mark it."""
        customer = self.own(Customer.objects.all(), "customer", guid)
        self.unless_changed(customer)
        try:
            return self.told(change.delete(customer, now=self.now, actor=self.actor))
        except Invalid as invalid:
            raise operation(invalid) from None


def remote(draft: Customer, uri: str | None) -> str:
    """Return the processor's own name of a customer: the given one, or one that is made there.

    A company without a processor key has none yet. Raises Problem for one that nobody knows there.
    """
    if not draft.company.processor_key:
        if uri:
            raise Problem.of(Invalid(processor_uri="needs a company with a processor key"))
        return ""
    account = opening.account_of(draft.company)
    if uri is not None:
        return _known(account, uri)
    try:
        return limits.processor().create_customer(
            account=account,
            key=f"b1-{draft.guid}",
            name=draft.name,
            email=draft.email,
            meta={"billy.customer_guid": draft.guid},
        )
    except (Misconfigured, Rejected) as error:
        told = {"processor_uri": f"could not be made: {error.reason}"}
        raise Problem.of(Invalid(told), kind="InvalidCustomer") from None


def _known(account: Account, uri: str) -> str:
    if not uri.startswith("/"):
        raise Problem.of(Invalid(processor_uri="must begin with /"), kind="InvalidURIFormat")
    try:
        return limits.processor().customer(account=account, uri=uri)
    except (NotFound, Rejected, Misconfigured):
        told = Invalid(processor_uri="is no customer that the processor knows")
        raise Problem.of(told, kind="InvalidCustomer") from None
