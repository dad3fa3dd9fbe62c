"""The offers, to be read: what is charged or paid, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from accounts.admin import CompanyFilter, CurrencyFilter
from audit.read_only import ReadOnly, link, one_of
from audit.shown import EMPTY, badge, json_column, money
from core.frequency import Frequency
from core.ids import PREFIXES
from plans.models import Payout, Plan

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

UNITS = {
    Frequency.YEARLY: "year",
    Frequency.MONTHLY: "month",
    Frequency.WEEKLY: "week",
    Frequency.DAILY: "day",
}


def every(frequency: str, interval: int, rule: str) -> str:
    """Return how often, in words: `every 3 months`, or the rule where there is one."""
    if rule:
        return rule
    unit = UNITS[Frequency(frequency)]
    return f"every {unit}" if interval == 1 else f"every {interval} {unit}s"


class OfferAdmin(ReadOnly):
    """What plans and payouts have in common."""

    direction = ""
    prefix = PREFIXES["plan"]
    guid_fields = {PREFIXES["company"]: "company_id"}
    list_display = ("description_or_id", "price", "how_often", "trial", "state", "created_at")
    list_filter = (
        CompanyFilter,
        ("deleted_at", admin.EmptyFieldListFilter),
        one_of("frequency", list(Frequency)),
        CurrencyFilter,
        "created_at",
    )
    search_fields = ("description", "external_id__exact", "task__exact")
    search_help_text = "Description, external id, or id"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("guid", "description", "price", "how_often", "trial", "state")}),
        ("When", {"fields": ("frequency", "interval", "rule", "month_end", "shift", "time_zone")}),
        ("What", {"fields": ("task", "parameters", "direction", "currency")}),
        ("More", {"fields": ("owner", "external_id", "created_at", "updated_at", "deleted_at")}),
    )
    parameters = json_column("params", label="parameters")

    @admin.display(description="description", ordering="description")
    def description_or_id(self, row: Plan) -> str:
        """Name the offer."""
        return str(row)

    @admin.display(description="price", ordering="amount")
    def price(self, row: Plan) -> str:
        """Show the fixed amount, or who computes it."""
        return f"by {row.task}" if row.amount is None else money(row.amount, row.currency)

    @admin.display(description="how often", ordering="frequency")
    def how_often(self, row: Plan) -> str:
        """Say the frequency and interval in words."""
        return every(row.frequency, row.interval, row.rule)

    @admin.display(description="trial", ordering="trial_days")
    def trial(self, row: Plan) -> str:
        """Say how long the trial is."""
        if not row.trial_days:
            return EMPTY
        return f"{row.trial_days} day{'s' if row.trial_days > 1 else ''}"

    @admin.display(description="state", ordering="deleted_at")
    def state(self, row: Plan) -> str:
        """Say whether new subscribers can be put on it."""
        return badge("withdrawn" if row.deleted_at else "offered")

    @admin.display(description="company")
    def owner(self, row: Plan) -> str:
        """Link the company."""
        return link(PREFIXES["company"], row.company_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the offers of this page's direction."""
        return super().get_queryset(request).filter(direction=self.direction)


@admin.register(Plan)
class PlanAdmin(OfferAdmin):
    """Offers that charge."""

    direction = "debit"

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return an offer of either direction: a guid does not tell which it is."""
        found = super().get_object(request, object_id, from_field)
        payouts = self.admin_site.get_model_admin(Payout)
        return found or payouts.get_object(request, object_id, from_field)


@admin.register(Payout)
class PayoutAdmin(OfferAdmin):
    """Offers that pay out."""

    direction = "credit"
