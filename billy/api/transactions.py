"""Transactions, as the original has them: attempts to move the money of an invoice."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from accounts.models import Customer
from billy.api.door import Answer, Door, Operation
from billy.api.inputs import Guid, OneOf
from billy.api.lists import BY_CREATION, query, within
from billy.api.plans import RANGES
from billy.api.shapes import (
    GUID_PATTERN,
    Of,
    Shape,
    Told,
    guid_of,
    instant,
    own_guid,
    text,
    whole,
)
from core.ids import PREFIXES, derived, guid
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from schedulers.models import Scheduler

if TYPE_CHECKING:
    from django.db.models import QuerySet

KINDS = ("debit", "credit", "refund", "reversal")
# By the attempt's state: what became of submitting it, and where the money stands.
WORDS = {
    "queued": ("staged", None),
    "intent": ("done", "pending"),
    "unknown": ("retrying", None),
    "pending": ("done", "pending"),
    "parked": ("done", "pending"),
    "succeeded": ("done", "succeeded"),
    "declined": ("done", "failed"),
    "returned": ("done", "failed"),
    "rejected": ("failed", None),
    "voided": ("canceled", None),
}
SUBMITS = ("staged", "retrying", "done", "failed", "canceled")
STATUSES = ("pending", "succeeded", "failed")


def submitted(row: Transaction) -> str:
    """Return what became of submitting it; a second try is one that is being retried."""
    word, _ = WORDS[row.state]
    again = word == "staged" and (row.attempt > 1 or row.failures) and row.kind in KINDS[:2]
    return "retrying" if again else word


class FailureShape(Shape):
    """An answer that was not yes."""

    guid = Told("string", lambda row: row["guid"], pattern=GUID_PATTERN.format(PREFIXES["failure"]))
    error_message = Told("string", lambda row: row["message"])
    error_code = Told("string", lambda row: row.get("code") or None, null=True)
    error_number = Told("integer", lambda _: None, null=True)
    created_at = Told("string", lambda row: row["at"], format="date-time")


def failures(row: Transaction) -> list[dict[str, Any]]:
    """Return what went wrong, oldest first, each under a guid that stays."""
    return [
        each
        | {
            "guid": guid(
                PREFIXES["failure"],
                derived(
                    at=datetime.fromisoformat(each["at"]), parts=("failure", str(row.pk), place)
                ),
            )
        }
        for place, each in enumerate(row.failures)
    ]


class TransactionShape(Shape):
    """One attempt to move money."""

    guid = own_guid("transaction")
    invoice_guid = guid_of("feed", "feed_id")
    transaction_type = text("kind", enum=list(KINDS))
    submit_status = Told("string", submitted, enum=list(SUBMITS))
    status = Told("string", lambda row: WORDS[row.state][1], null=True, enum=list(STATUSES))
    amount = whole("amount")
    funding_instrument_uri = Told(
        "string",
        lambda row: (
            row.instrument.uri if row.kind in KINDS[:2] and row.instrument is not None else None
        ),
        null=True,
    )
    processor_uri = text("processor_uri", null=True)
    appears_on_statement_as = text("statement_text", null=True)
    failure_count = Told("integer", lambda row: len(row.failures))
    failures = Of(FailureShape, failures, many=True)
    created_at = instant("created_at")
    updated_at = instant("updated_at")
    state = text("state", enum=list(WORDS), about="The protocol's own word: docs/states.md.")
    attempt = whole("attempt")
    due_at = instant("due_at")
    currency = text("currency")


def query_of_transactions(name: str, *, is_lenient: bool = True) -> Any:
    """Return the query of a list of transactions."""
    return query(
        name,
        is_lenient=is_lenient,
        ranges=RANGES,
        transaction_type=OneOf(KINDS),
        invoice_guid=Guid("feed"),
    )


LIST = Operation(
    summary="List transactions",
    shape=TransactionShape,
    many=True,
    query=query_of_transactions("TransactionsQuery"),
    order=BY_CREATION,
)


def transactions(company: Any) -> QuerySet[Transaction]:
    """Return the attempts of a company, with what their shape tells."""
    return Transaction.objects.filter(company=company.pk).select_related("instrument")


class TransactionList(Door):
    """A list of attempts."""

    is_original = True
    operations = {"get": LIST}

    def filtered(self, rows: QuerySet[Transaction]) -> Answer:
        """List those of the rows that the query asks for."""
        if self.asked["transaction_type"]:
            rows = rows.filter(kind=self.asked["transaction_type"])
        if self.asked["invoice_guid"]:
            rows = rows.filter(feed=self.asked["invoice_guid"])
        return self.listed(within(rows, self.asked))


class Transactions(TransactionList):
    """`/v1/transactions`."""

    tag = "transactions"

    def get(self, _: Any) -> Answer:
        """List them."""
        return self.filtered(transactions(self.company))


class OneTransaction(Door):
    """`/v1/transactions/{guid}`."""

    tag = "transactions"
    is_original = True
    operations = {"get": Operation(summary="Show a transaction", shape=TransactionShape)}

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.own(transactions(self.company), "transaction", guid))


class InvoiceTransactions(TransactionList):
    """`GET /v1/invoices/{guid}/transactions`."""

    tag = "invoices"

    def get(self, _: Any, guid: str) -> Answer:
        """List those of an invoice."""
        feed = self.own(AuditFeed.objects.all(), "feed", guid)
        return self.filtered(transactions(self.company).filter(feed=feed.pk))


class PlanTransactions(TransactionList):
    """`GET /v1/plans/{guid}/transactions`."""

    tag = "plans"

    def get(self, _: Any, guid: str) -> Answer:
        """List those of a plan's subscriptions."""
        plan = self.own(Plan.objects.all(), "plan", guid)
        trails = Scheduler.objects.filter(company=self.company.pk, plan=plan.pk).values("pk")
        return self.filtered(transactions(self.company).filter(feed__trail__in=trails))


class SubscriptionTransactions(TransactionList):
    """`GET /v1/subscriptions/{guid}/transactions`."""

    tag = "subscriptions"

    def get(self, _: Any, guid: str) -> Answer:
        """List those of a subscription."""
        row = self.own(Scheduler.objects.all(), "scheduler", guid)
        return self.filtered(transactions(self.company).filter(feed__trail=row.pk))


class CustomerTransactions(TransactionList):
    """`GET /v1/customers/{guid}/transactions`: of invoices made for the customer directly."""

    tag = "customers"

    def get(self, _: Any, guid: str) -> Answer:
        """List those of a customer's own invoices."""
        customer = self.own(Customer.objects.all(), "customer", guid)
        return self.filtered(transactions(self.company).filter(feed__trail=customer.pk))
