"""Invoices and payments, to be read: what is owed and why, and every attempt to move it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from accounts.admin import CompanyFilter, CurrencyFilter
from audit.admin import events_table
from audit.models import AuditEvent
from audit.read_only import ReadOnly, link, one_of, searched
from audit.shown import EMPTY, Table, badge_column, json_column, money, money_column, table
from core.ids import PREFIXES
from invoices.models import AuditFeed, NumberSeries, PayoutDay, Transaction
from invoices.states import FEED_MOVES, TRANSACTION_MOVES

if TYPE_CHECKING:
    from django.db.models import QuerySet

FEED, TRANSACTION = PREFIXES["feed"], PREFIXES["transaction"]
CUSTOMER, PLAN, INSTRUMENT = PREFIXES["customer"], PREFIXES["plan"], PREFIXES["instrument"]
DIRECTIONS = ("debit", "credit")
SHOWN_LIMIT = 100  # Of the lists on a page; the whole ones are a link away.


@admin.register(AuditFeed)
class AuditFeedAdmin(ReadOnly):
    """An invoice with its lines, its attempts and its events."""

    prefix = FEED
    guid_fields = {
        CUSTOMER: "customer_id",
        PREFIXES["scheduler"]: "trail_id",
        PLAN: "plan_id",
        TRANSACTION: "transaction__pk",
        PREFIXES["company"]: "company_id",
    }
    list_display = (
        *("numbered", "customer_link", "plan_link", "state_badge", "total_money", "owed_money"),
        *("due_at", "guid"),
    )
    list_filter = (
        CompanyFilter,
        one_of("state", FEED_MOVES),
        one_of("direction", DIRECTIONS),
        CurrencyFilter,
        "due_at",
    )
    list_select_related = ("customer", "plan")
    search_fields = ("external_id__exact", "customer__name", "customer__external_id__exact")
    search_help_text = "Customer's name, external id, or id of an invoice, customer, subscription…"
    date_hierarchy = "due_at"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("numbered", "guid", "customer_link", "state_badge", "direction")}),
        (
            "Money",
            {
                "fields": (
                    ("total_money", "captured_money", "live_money", "owed_money"),
                    ("returned_money", "refunded_money", "applied_money", "credited_money"),
                )
            },
        ),
        (
            "Period",
            {"fields": ("kind", ("period_start", "period_end"), ("due_at", "opened_at"))},
        ),
        ("For", {"fields": ("plan_link", "instrument_link", "trail_link", "occurrence")}),
        (
            "More",
            {"fields": ("external_id", "terms_in_force", "created_at"), "classes": ("collapse",)},
        ),
    )
    state_badge = badge_column("state")
    total_money = money_column("total")
    live_money = money_column("live", label="under way")
    captured_money = money_column("captured", label="moved")
    returned_money = money_column("returned", label="came back")
    refunded_money = money_column("refunded")
    applied_money = money_column("applied", label="paid by credit balance")
    credited_money = money_column("credited", label="credited")
    terms_in_force = json_column("terms", label="terms in force")

    @admin.display(description="number", ordering="number")
    def numbered(self, row: AuditFeed) -> str:
        """Name the invoice by its number, as people do."""
        return f"{row.series}-{row.number:06d}" if row.number else "draft"

    @admin.display(description="still owed")
    def owed_money(self, row: AuditFeed) -> str:
        """Show what is still to be paid; nothing where nobody will ask for it."""
        return EMPTY if row.state in {"waived", "voided"} else money(row.owed, row.currency)

    @admin.display(description="customer", ordering="customer__name")
    def customer_link(self, row: AuditFeed) -> str:
        """Link the customer."""
        return link(CUSTOMER, row.customer_id, text=str(row.customer))

    @admin.display(description="plan")
    def plan_link(self, row: AuditFeed) -> str:
        """Link the offer."""
        return link(PLAN, row.plan_id, text=str(row.plan))

    @admin.display(description="paid with")
    def instrument_link(self, row: AuditFeed) -> str:
        """Link the card or bank account."""
        return link(INSTRUMENT, row.instrument_id, text=str(row.instrument))

    @admin.display(description="on the trail of")
    def trail_link(self, row: AuditFeed) -> str:
        """Link what the invoice belongs to: a subscription, or a customer."""
        return link(PREFIXES[row.trail.subject], row.trail_id)

    @admin.display(description="number")
    def linked(self, row: AuditFeed) -> str:
        """Link its own page, for lists on others."""
        return link(FEED, row.pk, text=str(row))

    def tables(self, obj: AuditFeed) -> list[Table]:
        """List lines, attempts and events."""
        events = AuditEvent.objects.filter(feed_id=obj.pk).order_by("trail_id", "seq")
        found = list(events.select_related("trail")[:SHOWN_LIMIT])
        lines = [event for event in found if "line" in event.body]
        return [
            _lines(lines),
            transactions_table(obj.transaction_set.order_by("created_at", "attempt")),
            events_table("Events", found, more=searched(AuditEvent, obj.guid)),
        ]


@admin.register(Transaction)
class TransactionAdmin(ReadOnly):
    """One attempt to move the money of an invoice."""

    prefix = TRANSACTION
    guid_fields = {
        FEED: "feed_id",
        CUSTOMER: "feed__customer_id",
        PREFIXES["scheduler"]: "feed__trail_id",
        INSTRUMENT: "instrument_id",
        PREFIXES["company"]: "company_id",
    }
    list_display = (
        *("guid", "kind", "state_badge", "amount_money", "customer_link", "feed_link", "attempt"),
        *("due_at", "why"),
    )
    list_filter = (
        CompanyFilter,
        one_of("state", TRANSACTION_MOVES),
        one_of("kind", ("debit", "credit", "refund", "reversal")),
        CurrencyFilter,
        "due_at",
    )
    list_select_related = ("feed__customer",)
    search_fields = ("key__exact", "processor_uri__exact", "feed__customer__name")
    search_help_text = "Customer's name, the processor's uri, or id of a transaction, invoice…"
    date_hierarchy = "due_at"
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "guid",
                    "kind",
                    "state_badge",
                    "amount_money",
                    "customer_link",
                    "feed_link",
                )
            },
        ),
        ("Attempt", {"fields": ("attempt", "step", "due_at", "instrument_link", "refers_to")}),
        ("Processor", {"fields": ("processor_account", "processor_uri", "key", "statement_text")}),
        ("Looks", {"fields": ("looks", "next_look_at", "lease_until", "first_claimed_at")}),
        ("More", {"fields": ("created_at", "updated_at")}),
    )
    state_badge = badge_column("state")
    amount_money = money_column("amount")

    @admin.display(description="customer", ordering="feed__customer__name")
    def customer_link(self, row: Transaction) -> str:
        """Link the customer."""
        return link(CUSTOMER, row.feed.customer_id, text=str(row.feed.customer))

    @admin.display(description="invoice")
    def feed_link(self, row: Transaction) -> str:
        """Link the invoice."""
        return link(FEED, row.feed_id, text=str(row.feed))

    @admin.display(description="with")
    def instrument_link(self, row: Transaction) -> str:
        """Link the card or bank account."""
        return link(INSTRUMENT, row.instrument_id, text=str(row.instrument))

    @admin.display(description="gives back")
    def refers_to(self, row: Transaction) -> str:
        """Link the attempt whose money is given back."""
        return link(TRANSACTION, row.reference_to_id)

    @admin.display(description="last answer")
    def why(self, row: Transaction) -> str:
        """Say what the processor said last, where it was not yes."""
        return str(row.failures[-1].get("message") or EMPTY) if row.failures else EMPTY

    @admin.display(description="id")
    def linked(self, row: Transaction) -> str:
        """Link its own page, for lists on others."""
        return link(TRANSACTION, row.pk)

    def tables(self, obj: Transaction) -> list[Table]:
        """List the answers that were not yes, and the events."""
        events = AuditEvent.objects.filter(trail=obj.feed.trail_id, transaction_id=obj.pk)
        newest = events.select_related("trail").order_by("seq")[:SHOWN_LIMIT]
        return [_failures(obj.failures), events_table("Events", newest)]


@admin.register(NumberSeries)
class NumberSeriesAdmin(ReadOnly):
    """The last number given."""

    guid_fields = {PREFIXES["company"]: "company_id"}
    list_display = ("series", "last", "owner")
    list_filter = (CompanyFilter,)
    search_fields = ("series__exact",)
    search_help_text = "The series, or a company's id"
    fieldsets = ((None, {"fields": ("series", "last", "owner")}),)

    @admin.display(description="company")
    def owner(self, row: NumberSeries) -> str:
        """Link the company."""
        return link(PREFIXES["company"], row.company_id)


@admin.register(PayoutDay)
class PayoutDayAdmin(ReadOnly):
    """What of a day's cap of payouts is taken."""

    guid_fields = {PREFIXES["company"]: "company_id"}
    list_display = ("day", "amount_money", "owner")
    list_filter = (CompanyFilter, CurrencyFilter)
    ordering = ("-day", "-id")
    search_fields = ("currency__exact",)
    search_help_text = "The currency, or a company's id"
    fieldsets = ((None, {"fields": ("day", "amount_money", "owner")}),)
    amount_money = money_column("amount")

    @admin.display(description="company")
    def owner(self, row: PayoutDay) -> str:
        """Link the company."""
        return link(PREFIXES["company"], row.company_id)


def invoices_table(feeds: QuerySet[AuditFeed], *, more: str) -> Table:
    """Return invoices as a list on the page of what they are for."""
    page = admin.site.get_model_admin(AuditFeed)
    columns = ("linked", "state_badge", "total_money", "owed_money", "period_start", "due_at")
    return table("Newest invoices", feeds, page=page, columns=columns, more=more)


def transactions_table(transactions: QuerySet[Transaction]) -> Table:
    """Return attempts as a list on the page of their invoice."""
    page = admin.site.get_model_admin(Transaction)
    columns = ("linked", "kind", "state_badge", "amount_money", "attempt", "due_at", "why")
    rows = transactions.select_related("feed__customer")
    return table("Transactions", rows, page=page, columns=columns)


def _lines(events: list[AuditEvent]) -> Table:
    return Table(
        title="Lines",
        headings=("What for", "How it was found", "Amount"),
        rows=tuple(
            (
                str(event.body["line"]),
                ", ".join(f"{name} {value}" for name, value in _inputs(event)) or EMPTY,
                money(event.amount, event.currency),
            )
            for event in events
        ),
    )


def _inputs(event: AuditEvent) -> list[tuple[str, Any]]:
    return sorted(event.body.get("inputs", {}).items())


def _failures(failures: list[dict[str, Any]]) -> Table:
    return Table(
        title="Answers that were not yes",
        headings=("At", "Came to", "Code", "Reason"),
        rows=tuple(
            tuple(str(each.get(name) or EMPTY) for name in ("at", "verdict", "code", "message"))
            for each in failures
        ),
    )
