"""Callbacks and webhooks, to be read: what processors told us, and what apps were told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from accounts.admin import CompanyFilter
from audit.read_only import ReadOnly, link, one_of
from audit.shown import badge, badge_column, json_column
from core.ids import PREFIXES
from webhooks.models import Delivery, Endpoint, Inbound
from webhooks.receive import IGNORE, OK, UNKNOWN

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

COMPANY = PREFIXES["company"]


@admin.register(Inbound)
class InboundAdmin(ReadOnly):
    """A callback as it came."""

    guid_fields = {COMPANY: "company_id"}
    list_display = ("event_id", "processor", "owner", "result_badge", "received_at", "done_at")
    list_filter = (
        CompanyFilter,
        one_of("result", (OK, IGNORE, UNKNOWN)),
        ("done_at", admin.EmptyFieldListFilter),
        "received_at",
    )
    search_fields = ("event_id__exact",)
    search_help_text = "The processor's id of the event, or a company's id"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("event_id", "processor", "owner", "result_badge")}),
        ("When", {"fields": ("received_at", "done_at")}),
        ("As it came", {"fields": ("raw", "body_sha256"), "classes": ("collapse",)}),
    )

    @admin.display(description="came to", ordering="result")
    def result_badge(self, row: Inbound) -> str:
        """Say what came of it."""
        return badge(row.result or "waiting")

    @admin.display(description="company")
    def owner(self, row: Inbound) -> str:
        """Link the company."""
        return link(COMPANY, row.company_id)


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly):
    """An address that hears of events. Its secrets are neither read nor shown."""

    prefix = PREFIXES["endpoint"]
    guid_fields = {COMPANY: "company_id"}
    list_display = ("url", "owner", "state_badge", "reason", "created_at")
    list_filter = (CompanyFilter, one_of("state", ("active", "disabled", "deleted")), "created_at")
    search_fields = ("external_id__exact",)
    search_help_text = "External id, or id of an endpoint or company"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("url", "guid", "owner", "state_badge", "reason", "wanted")}),
        ("More", {"fields": ("external_id", "former_until", "created_at", "updated_at")}),
    )
    state_badge = badge_column("state")
    wanted = json_column("kinds", label="kinds")

    @admin.display(description="company")
    def owner(self, row: Endpoint) -> str:
        """Link the company."""
        return link(COMPANY, row.company_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the secrets where they are."""
        return super().get_queryset(request).defer("secret", "former_secret")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    """An event on its way to an endpoint."""

    prefix = PREFIXES["delivery"]
    guid_fields = {COMPANY: "company_id", PREFIXES["endpoint"]: "endpoint_id"}
    list_display = ("guid", "kind", "state_badge", "tries", "next_try_at", "created_at")
    list_filter = (CompanyFilter, one_of("state", ("waiting", "delivered", "failed")), "created_at")
    search_fields = ("kind__exact",)
    search_help_text = "A kind such as debit.declined, or id of a delivery, endpoint or company"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("guid", "kind", "endpoint_link", "state_badge", "tries")}),
        ("When", {"fields": ("created_at", "next_try_at", "updated_at")}),
        ("Attempts", {"fields": ("log",)}),
    )
    state_badge = badge_column("state")
    log = json_column("attempts", label="attempts")

    @admin.display(description="endpoint")
    def endpoint_link(self, row: Delivery) -> str:
        """Link the endpoint."""
        return link(PREFIXES["endpoint"], row.endpoint_id)
