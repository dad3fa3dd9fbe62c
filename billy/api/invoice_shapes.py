"""Invoices, as the original shows them: one of a subscription, or one made for a customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billy.api.shapes import Of, Shape, Told, guid_of, instant, own_guid, text, whole

if TYPE_CHECKING:
    from invoices.models import AuditFeed

STATUSES = ("staged", "processing", "settled", "failed", "canceled")
SETTLED_WORDS = {
    "draft": "staged",
    "settled": "settled",
    "uncollected": "failed",
    "voided": "canceled",
    "waived": "canceled",
    "parked": "processing",
}


def status_of(feed: AuditFeed) -> str:
    """Return an invoice's status in the original's words."""
    if feed.state != "open":
        return SETTLED_WORDS[feed.state]
    if feed.live:
        return "processing"
    return "staged" if feed.instrument_id is None else "failed"


def shown(feed: AuditFeed) -> dict[str, Any]:
    """Return what was kept to be shown: title, amount, items and adjustments."""
    found: dict[str, Any] = feed.terms.get("shown", {})
    return found


class ItemShape(Shape):
    """What an invoice is for, in words and figures; it does not touch the amount."""

    name = Told("string", lambda row: row["name"])
    amount = Told("integer", lambda row: row["amount"])
    type = Told("string", lambda row: row.get("type"), null=True)
    quantity = Told("integer", lambda row: row.get("quantity"), null=True)
    volume = Told("integer", lambda row: row.get("volume"), null=True)
    unit = Told("string", lambda row: row.get("unit"), null=True)


class AdjustmentShape(Shape):
    """What is added to the amount, or taken off it."""

    amount = Told("integer", lambda row: row["amount"])
    reason = Told("string", lambda row: row.get("reason"), null=True)


def adjustments(feed: AuditFeed) -> list[dict[str, Any]]:
    """Return the adjustments of an invoice."""
    found: list[dict[str, Any]] = shown(feed).get("adjustments", [])
    return found


class EveryInvoice(Shape):
    """What both kinds of invoice tell."""

    guid = own_guid("feed")
    transaction_type = text("direction", enum=["debit", "credit"])
    status = Told("string", status_of, enum=list(STATUSES))
    amount = Told("integer", lambda row: shown(row).get("amount", row.total))
    total_adjustment_amount = Told(
        "integer", lambda row: sum(each["amount"] for each in adjustments(row))
    )
    effective_amount = whole("total", about="The amount with its adjustments; minor units.")
    title = Told("string", lambda row: shown(row).get("title"), null=True)
    appears_on_statement_as = Told(
        "string", lambda row: row.terms.get("statement_text") or None, null=True
    )
    funding_instrument_uri = Told(
        "string", lambda row: row.instrument.uri if row.instrument else None, null=True
    )
    items = Of(ItemShape, lambda row: shown(row).get("items", []), many=True)
    adjustments = Of(AdjustmentShape, adjustments, many=True)
    created_at = instant("created_at")
    updated_at = instant("updated_at")
    currency = text("currency")
    number = Told("string", lambda row: str(row) if row.number else None, null=True)


class SubscriptionInvoiceShape(EveryInvoice):
    """An invoice of a subscription."""

    invoice_type = Told("string", lambda _: "subscription", enum=["subscription"])
    subscription_guid = guid_of("scheduler", "trail_id")
    scheduled_at = instant("due_at")


class CustomerInvoiceShape(EveryInvoice):
    """An invoice made for a customer."""

    invoice_type = Told("string", lambda _: "customer", enum=["customer"])
    customer_guid = guid_of("customer", "customer_id")
    external_id = text("external_id", null=True)


class InvoiceShape(Shape):
    """An invoice: of a subscription, or made for a customer."""

    variants = (CustomerInvoiceShape, SubscriptionInvoiceShape)

    @classmethod
    def of(cls, row: Any) -> dict[str, Any]:
        """Return what is told of an invoice of either kind."""
        shape = CustomerInvoiceShape if row.kind == "one_off" else SubscriptionInvoiceShape
        return shape.of(row)
