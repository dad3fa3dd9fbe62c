"""Callbacks, to be read: what processors told us, and what came of it."""

from __future__ import annotations

from django.contrib import admin

from accounts.admin import CompanyFilter
from audit.read_only import ReadOnly, link, one_of
from audit.shown import badge
from core.ids import PREFIXES
from webhooks.models import Inbound
from webhooks.receive import IGNORE, OK, UNKNOWN

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
