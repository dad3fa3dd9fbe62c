"""The scheduler: one task subscribed to one timer."""

from __future__ import annotations

from typing import cast

from django.db import models
from django.db.models import F, Q

from accounts.models import Company, Customer, FundingInstrument
from audit.models import AuditTrail
from core.frequency import Frequency
from core.ids import PREFIXES, guid
from invoices.models import AuditFeed, Transaction
from invoices.states import LIVE
from plans.models import Plan
from schedulers.holidays import Shift
from schedulers.states import SCHEDULER_MOVES, TICKING
from schedulers.timers import MonthEnd, Timer

OWED = frozenset({"open", "uncollected"})  # The states of an invoice that can be tried again.
FOR_EVER = 10**9  # No scheduler reaches it; it stands for "no last occurrence".


class Scheduler(models.Model):
    """Wraps one task and subscribes it to one timer; the API calls it a subscription.

    `occurrence` is the number of the next occurrence to open and never restarts; `next_run_at` is
    when it is due. Occurrence n runs at the timer's (n - `anchor_occurrence`)-th instant; a trial
    is the occurrence before the anchor. `version` counts changes of terms or state, not ticks.
    """

    trail = models.OneToOneField(
        AuditTrail, primary_key=True, on_delete=models.RESTRICT, db_column="id"
    )
    company = models.ForeignKey(Company, on_delete=models.RESTRICT, db_index=False)
    customer = models.ForeignKey(Customer, on_delete=models.RESTRICT)
    # Found through its customer: an index of its own would be written with every cycle.
    instrument = models.ForeignKey(
        FundingInstrument, null=True, on_delete=models.RESTRICT, db_index=False
    )
    plan = models.ForeignKey(Plan, null=True, on_delete=models.RESTRICT)
    external_id = models.CharField(max_length=128, null=True)
    task = models.CharField(max_length=80)
    computed = models.BooleanField(default=False)  # Priced by a merchant's own code.
    params = models.JSONField(default=dict)
    direction = models.CharField(max_length=6)
    amount = models.BigIntegerField(null=True)  # In place of the plan's.
    currency = models.CharField(max_length=3)
    frequency = models.CharField(max_length=8)
    interval = models.IntegerField(default=1)
    rule = models.CharField(max_length=200, blank=True)
    month_end = models.CharField(max_length=8, default="same_day")
    shift = models.CharField(max_length=9, default="none")
    anchor_at = models.DateTimeField()
    anchor_occurrence = models.BigIntegerField(default=0)
    time_zone = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    trial_ends_at = models.DateTimeField(null=True)
    occurrence = models.BigIntegerField(default=0)
    next_run_at = models.DateTimeField()
    ends_after = models.BigIntegerField(null=True)  # A count of occurrences, the trial not counted.
    cancel_at = models.DateTimeField(null=True)  # Canceled at the end of the period: planned.
    canceled_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=8)
    reason = models.CharField(max_length=500, blank=True)
    version = models.BigIntegerField(default=1)
    catch_up = models.CharField(max_length=8, default="auto")
    without_instrument = models.CharField(max_length=8, default="pause")
    retry_policy = models.JSONField(default=dict)
    statement_text = models.CharField(max_length=18, blank=True)
    follow_ups = models.JSONField(default=list)  # What a settled occurrence schedules.
    parent = models.ForeignKey("self", null=True, on_delete=models.RESTRICT, db_index=False)
    parent_occurrence = models.BigIntegerField(null=True)
    role = models.CharField(max_length=40, null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                name="scheduler_external_once",
                fields=["company", "external_id"],
                condition=Q(external_id__isnull=False),
            ),
            models.UniqueConstraint(
                name="scheduler_child_once",
                fields=["parent", "parent_occurrence", "role"],
                condition=Q(parent__isnull=False),
            ),
            models.CheckConstraint(
                name="scheduler_state_known", condition=Q(state__in=list(SCHEDULER_MOVES))
            ),
            models.CheckConstraint(
                name="scheduler_direction_known", condition=Q(direction__in=["debit", "credit"])
            ),
            models.CheckConstraint(
                name="scheduler_amount_sound",
                condition=Q(amount__isnull=True) | Q(amount__gte=1, amount__lt=2**53),
            ),
            models.CheckConstraint(
                name="scheduler_interval_sound", condition=Q(interval__gte=1, interval__lte=10_000)
            ),
            models.CheckConstraint(
                name="scheduler_occurrence_sound",
                condition=Q(occurrence__gte=0, anchor_occurrence__gte=0),
            ),
            models.CheckConstraint(
                name="scheduler_catch_up_known",
                condition=Q(catch_up__in=["auto", "each", "collapse", "latest", "hold"]),
            ),
            models.CheckConstraint(
                name="scheduler_without_instrument_known",
                condition=Q(without_instrument__in=["pause", "cancel", "invoice"]),
            ),
            models.CheckConstraint(
                name="scheduler_trial_before_anchor",
                condition=Q(trial_ends_at__isnull=True) | Q(trial_ends_at__gt=F("started_at")),
            ),
        )
        indexes = (
            models.Index(
                name="scheduler_due",
                fields=["company", "next_run_at", "trail"],
                condition=Q(state__in=TICKING),
            ),
            models.Index(
                name="scheduler_due_computed",
                fields=["next_run_at", "trail"],
                condition=Q(state__in=TICKING, computed=True),
            ),
        )

    def __str__(self) -> str:
        return self.guid

    def timer(self) -> Timer:
        """Return when it runs, as a value."""
        return Timer(
            frequency=Frequency(self.frequency),
            interval=self.interval,
            rule=self.rule,
            month_end=cast("MonthEnd", self.month_end),
            shift=cast("Shift", self.shift),
            anchor_at=self.anchor_at,
            time_zone=self.time_zone,
        )

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["scheduler"], self.pk)

    @property
    def retryable(self) -> bool:
        """Return whether the newest invoice may be tried again: as its last answer permits.

        It is still owed, nothing but a planned attempt is in hand, and there is an instrument that
        was not refused for good.
        """
        newest = (
            AuditFeed.objects.filter(trail_id=self.pk, kind="period")
            .order_by("-occurrence")
            .first()
        )
        if newest is None or newest.state not in OWED or self.instrument is None:
            return False
        in_hand = Transaction.objects.filter(feed=newest, state__in=LIVE - {"queued"})
        return self.instrument.state == "active" and not in_hand.exists()

    @property
    def canceled(self) -> bool:
        """Return whether it was canceled, by now or for the end of its period."""
        return self.state == "canceled"


class Usage(models.Model):
    """Metered usage, reported by an app: summed over a period by a task that asks for it."""

    id = models.UUIDField(primary_key=True, editable=False)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT, db_index=False)
    scheduler = models.ForeignKey(Scheduler, on_delete=models.RESTRICT, db_index=False)
    metric = models.CharField(max_length=80)
    quantity = models.DecimalField(max_digits=20, decimal_places=6)
    at = models.DateTimeField()
    external_id = models.CharField(max_length=128)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "usage"
        constraints = (
            # The same report twice counts once.
            models.UniqueConstraint(name="usage_once", fields=["scheduler", "external_id"]),
            models.CheckConstraint(name="usage_not_negative", condition=Q(quantity__gte=0)),
        )
        indexes = (models.Index(name="usage_by_time", fields=["scheduler", "at"]),)

    def __str__(self) -> str:
        return f"{self.quantity} {self.metric}"
