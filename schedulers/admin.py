"""Subscriptions, to be read: who is billed for what, when next, and what came of it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from accounts.admin import CompanyFilter, CurrencyFilter
from audit.admin import events_of_subject
from audit.read_only import ReadOnly, link, one_of, searched
from audit.shown import EMPTY, badge_column, instant, json_column, money
from core.ids import PREFIXES
from invoices.admin import DIRECTIONS, invoices_table
from invoices.models import AuditFeed
from plans.admin import every
from schedulers.models import Scheduler, Usage
from schedulers.states import SCHEDULER_MOVES, TICKING

if TYPE_CHECKING:
    from audit.shown import Table

SCHEDULER, CUSTOMER, PLAN = PREFIXES["scheduler"], PREFIXES["customer"], PREFIXES["plan"]
NEWEST = 25  # Invoices on a scheduler's page; all of them are a link away.


@admin.register(Scheduler)
class SchedulerAdmin(ReadOnly):
    """A task subscribed to a timer; merchants and the API call it a subscription."""

    prefix = SCHEDULER
    guid_fields = {
        CUSTOMER: "customer_id",
        PLAN: "plan_id",
        PREFIXES["instrument"]: "instrument_id",
        PREFIXES["company"]: "company_id",
    }
    list_display = (
        *("guid", "customer_link", "plan_link", "state_badge", "price", "how_often"),
        *("next_due", "created_at"),
    )
    list_filter = (
        CompanyFilter,
        one_of("state", SCHEDULER_MOVES),
        one_of("direction", DIRECTIONS),
        CurrencyFilter,
        "next_run_at",
        "created_at",
    )
    list_select_related = ("customer", "plan")
    search_fields = ("external_id__exact", "customer__name", "customer__external_id__exact")
    search_help_text = "Customer's name, external id, or id of a subscription, customer, plan…"
    date_hierarchy = "next_run_at"
    ordering = ("-trail_id",)
    fieldsets = (
        (None, {"fields": ("guid", "customer_link", "plan_link", "state_badge", "reason")}),
        ("What", {"fields": ("price", "direction", "instrument_link", "task", "parameters")}),
        (
            "When",
            {
                "fields": (
                    ("how_often", "next_due"),
                    ("started_at", "trial_ends_at", "occurrence"),
                    ("ends_after", "cancel_at", "canceled_at"),
                )
            },
        ),
        (
            "Calendar",
            {
                "fields": ("anchor_at", "anchor_occurrence", "time_zone", "month_end", "shift"),
                "classes": ("collapse",),
            },
        ),
        (
            "Rules",
            {
                "fields": (
                    *("catch_up", "without_instrument", "retry", "statement_text"),
                    *("afterwards", "started_by", "role"),
                ),
                "classes": ("collapse",),
            },
        ),
        (
            "More",
            {
                "fields": ("external_id", "version", "created_at", "updated_at"),
                "classes": ("collapse",),
            },
        ),
    )
    state_badge = badge_column("state")
    parameters = json_column("params", label="parameters")
    retry = json_column("retry_policy", label="retry policy")
    afterwards = json_column("follow_ups", label="schedules afterwards")

    @admin.display(description="customer", ordering="customer__name")
    def customer_link(self, row: Scheduler) -> str:
        """Link the customer."""
        return link(CUSTOMER, row.customer_id, text=str(row.customer))

    @admin.display(description="plan")
    def plan_link(self, row: Scheduler) -> str:
        """Link the offer."""
        return link(PLAN, row.plan_id, text=str(row.plan))

    @admin.display(description="paid with")
    def instrument_link(self, row: Scheduler) -> str:
        """Link the card or bank account."""
        return link(PREFIXES["instrument"], row.instrument_id, text=str(row.instrument))

    @admin.display(description="started by")
    def started_by(self, row: Scheduler) -> str:
        """Link the scheduler whose occurrence started this one."""
        return link(SCHEDULER, row.parent_id)

    @admin.display(description="price")
    def price(self, row: Scheduler) -> str:
        """Show its own amount or the plan's; a computed one names its task."""
        amount = row.amount
        if amount is None and row.plan is not None:
            amount = row.plan.amount
        return f"by {row.task}" if amount is None else money(amount, row.currency)

    @admin.display(description="how often", ordering="frequency")
    def how_often(self, row: Scheduler) -> str:
        """Say the frequency and interval in words."""
        return every(row.frequency, row.interval, row.rule)

    @admin.display(description="next due", ordering="next_run_at")
    def next_due(self, row: Scheduler) -> str:
        """Show when it runs next; one that does not tick has no such day."""
        return instant(row.next_run_at) if row.state in TICKING else EMPTY

    def tables(self, obj: Scheduler) -> list[Table]:
        """List its invoices and its events, the newest first."""
        newest = AuditFeed.objects.filter(trail=obj.pk).order_by("-id")[:NEWEST]
        return [
            invoices_table(newest, more=searched(AuditFeed, obj.guid)),
            events_of_subject(obj.pk),
        ]


@admin.register(Usage)
class UsageAdmin(ReadOnly):
    """What was used, as apps reported it."""

    guid_fields = {SCHEDULER: "scheduler_id", PREFIXES["company"]: "company_id"}
    list_display = ("metric", "quantity", "at", "scheduler_link", "external_id", "created_at")
    list_filter = (CompanyFilter, "at")
    search_fields = ("external_id__exact", "metric__exact")
    search_help_text = "Metric, external id, or a subscription's id"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("metric", "quantity", "at", "scheduler_link")}),
        ("More", {"fields": ("external_id", "created_at")}),
    )

    @admin.display(description="subscription")
    def scheduler_link(self, row: Usage) -> str:
        """Link the subscription."""
        return link(SCHEDULER, row.scheduler_id)
