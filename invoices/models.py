"""The invoice (AuditFeed), the attempts to move its money (Transaction), and its number."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from accounts.models import Company, Customer, FundingInstrument
from audit.models import AuditTrail
from core.ids import PREFIXES, guid
from invoices.states import FEED_MOVES, LEASED, LIVE, TRANSACTION_MOVES
from plans.models import Plan

LARGEST_AMOUNT = 2**53 - 1  # What every client can read as a number without loss.


class AuditFeed(models.Model):
    """The audit events of one occurrence, more commonly known as the invoice.

    `total` is the sum of the effects of its events. `live` is what attempts in hand ask for,
    `captured` what moved, `returned` what came back, `refunded` what was given back on purpose.
    All money is whole minor units of `currency`.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT, db_index=False)
    trail = models.ForeignKey(AuditTrail, on_delete=models.RESTRICT, db_index=False)
    occurrence = models.BigIntegerField(null=True)
    change = models.CharField(max_length=80, null=True)
    kind = models.CharField(max_length=10)  # period | adjustment | one_off
    direction = models.CharField(max_length=6)  # debit | credit
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    customer = models.ForeignKey(Customer, on_delete=models.RESTRICT, db_index=False)
    plan = models.ForeignKey(Plan, null=True, on_delete=models.RESTRICT, db_index=False)
    instrument = models.ForeignKey(
        FundingInstrument, null=True, on_delete=models.RESTRICT, db_index=False
    )
    currency = models.CharField(max_length=3)
    terms = models.JSONField()  # What was in force, copied in: nothing later reads the plan again.
    total = models.BigIntegerField()
    live = models.BigIntegerField(default=0)
    captured = models.BigIntegerField(default=0)
    returned = models.BigIntegerField(default=0)
    refunded = models.BigIntegerField(default=0)
    applied = models.BigIntegerField(default=0)
    credited = models.BigIntegerField(default=0)
    state = models.CharField(max_length=12)
    series = models.CharField(max_length=8, null=True)
    number = models.BigIntegerField(null=True)
    external_id = models.CharField(max_length=128, null=True)
    due_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "invoice"
        constraints = (
            models.UniqueConstraint(
                name="feed_occurrence_once",
                fields=["trail", "occurrence"],
                condition=Q(kind="period"),
            ),
            models.UniqueConstraint(
                name="feed_period_once",
                fields=["trail", "period_start"],
                condition=Q(kind="period"),
            ),
            models.UniqueConstraint(
                name="feed_change_once", fields=["trail", "change"], condition=Q(kind="adjustment")
            ),
            models.UniqueConstraint(
                name="feed_external_once",
                fields=["customer", "external_id"],
                condition=Q(external_id__isnull=False),
            ),
            models.UniqueConstraint(
                name="feed_number_once",
                fields=["company", "series", "number"],
                condition=Q(number__isnull=False),
            ),
            models.CheckConstraint(
                name="feed_kind_known", condition=Q(kind__in=["period", "adjustment", "one_off"])
            ),
            models.CheckConstraint(
                name="feed_direction_known", condition=Q(direction__in=["debit", "credit"])
            ),
            models.CheckConstraint(
                name="feed_state_known", condition=Q(state__in=list(FEED_MOVES))
            ),
            models.CheckConstraint(
                name="feed_period_forward", condition=Q(period_end__gt=F("period_start"))
            ),
            models.CheckConstraint(
                name="feed_period_has_occurrence",
                condition=~Q(kind="period") | Q(occurrence__isnull=False),
            ),
            models.CheckConstraint(
                name="feed_total_sound", condition=Q(total__gte=0, total__lte=LARGEST_AMOUNT)
            ),
            models.CheckConstraint(
                name="feed_sums_not_negative",
                condition=Q(
                    live__gte=0,
                    captured__gte=0,
                    returned__gte=0,
                    refunded__gte=0,
                    applied__gte=0,
                    credited__gte=0,
                ),
            ),
            # Never promise more than is owed.
            models.CheckConstraint(
                name="feed_never_over_promised",
                condition=Q(
                    total__gte=F("live")
                    + F("captured")
                    - F("returned")
                    + F("applied")
                    + F("credited")
                ),
            ),
            models.CheckConstraint(
                name="feed_gives_back_what_it_got",
                condition=Q(refunded__lte=F("captured"), returned__lte=F("captured")),
            ),
            models.CheckConstraint(
                name="feed_settled_is_paid",
                condition=~Q(state="settled")
                | Q(total=F("captured") - F("returned") + F("applied") + F("credited")),
            ),
            models.CheckConstraint(
                name="feed_numbered_when_opened",
                condition=Q(number__isnull=False, series__isnull=False)
                | Q(state__in=["draft", "waived", "voided"], number__isnull=True),
            ),
        )
        indexes = (
            models.Index(name="feed_by_customer", fields=["customer", "created_at"]),
            # For lists, newest first. What is in it never changes, so only births cost.
            models.Index(name="feed_newest", fields=["company", "created_at", "id"]),
            # Not by state: an index over what T3 changes would make each update write all indexes.
            models.Index(
                name="feed_drafts",
                fields=["company", "due_at"],
                condition=Q(opened_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"{self.series}-{self.number:06d}" if self.number else f"draft {self.guid}"

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["feed"], self.pk)

    @property
    def owed(self) -> int:
        """Return what is still to be paid, whole minor units."""
        return self.total - self.captured + self.returned - self.applied - self.credited


class Transaction(models.Model):
    """One attempt to move the money of a feed: debit, credit, refund or reversal.

    `key` names the attempt at the processor and is the same on every send. `lease_token` fences
    the worker that holds it; leases, looks and the key's age go by the database's own clock.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT, db_index=False)
    feed = models.ForeignKey(AuditFeed, on_delete=models.RESTRICT, db_index=False)
    attempt = models.IntegerField()
    step = models.IntegerField(null=True)  # Of the retry plan; manual attempts have none.
    kind = models.CharField(max_length=8)
    reference_to = models.ForeignKey(
        "self", null=True, on_delete=models.RESTRICT, db_index=False, related_name="followed_by"
    )
    instrument = models.ForeignKey(
        FundingInstrument, null=True, on_delete=models.RESTRICT, db_index=False
    )
    statement_text = models.CharField(max_length=18, blank=True)
    key = models.CharField(max_length=43)
    request_hash = models.CharField(max_length=64)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=9)
    due_at = models.DateTimeField()
    lease_token = models.BigIntegerField(null=True)
    lease_until = models.DateTimeField(null=True)
    first_claimed_at = models.DateTimeField(null=True)
    looks = models.IntegerField(default=0)
    next_look_at = models.DateTimeField(null=True)
    processor_account = models.CharField(max_length=80)
    processor_uri = models.CharField(max_length=200, null=True)
    failures = models.JSONField(default=list)  # [{"at", "code", "message"}], oldest first.
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                name="transaction_attempt_once", fields=["feed", "kind", "attempt"]
            ),
            # It names its installation and company: unique whatever the account.
            models.UniqueConstraint(name="transaction_key_once", fields=["key"]),
            models.UniqueConstraint(
                name="transaction_remote_once",
                fields=["processor_account", "processor_uri"],
                condition=Q(processor_uri__isnull=False),
            ),
            # The constraint: an invoice has at most one attempt in hand.
            models.UniqueConstraint(
                name="transaction_one_live",
                fields=["feed"],
                condition=Q(kind__in=["debit", "credit"], state__in=sorted(LIVE)),
            ),
            models.CheckConstraint(
                name="transaction_kind_known",
                condition=Q(kind__in=["debit", "credit", "refund", "reversal"]),
            ),
            models.CheckConstraint(
                name="transaction_state_known", condition=Q(state__in=list(TRANSACTION_MOVES))
            ),
            models.CheckConstraint(
                name="transaction_amount_sound",
                condition=Q(amount__gte=1, amount__lte=LARGEST_AMOUNT),
            ),
            models.CheckConstraint(
                name="transaction_leased_when_sent",
                condition=~Q(state__in=sorted(LEASED))
                | Q(lease_until__isnull=False, first_claimed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="transaction_moved_is_known_there",
                condition=~Q(state__in=["succeeded", "pending", "returned"])
                | Q(processor_uri__isnull=False),
            ),
            models.CheckConstraint(
                name="transaction_refers_when_it_gives_back",
                condition=Q(kind__in=["debit", "credit"], reference_to__isnull=True)
                | Q(kind__in=["refund", "reversal"], reference_to__isnull=False),
            ),
        )
        indexes = (
            models.Index(
                name="transaction_leased",
                fields=["lease_until"],
                condition=Q(state__in=sorted(LEASED)),
            ),
            # For lists, newest first: as of invoices.
            models.Index(name="transaction_newest", fields=["company", "created_at", "id"]),
            models.Index(name="transaction_queued", fields=["due_at"], condition=Q(state="queued")),
            models.Index(
                name="transaction_pending", fields=["next_look_at"], condition=Q(state="pending")
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.guid}"

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["transaction"], self.pk)


class NumberSeries(models.Model):
    """The last number given in a series: its row is locked last, and for as short as can be."""

    company = models.ForeignKey(Company, on_delete=models.RESTRICT)
    series = models.CharField(max_length=8)
    last = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "number series"
        constraints = (models.UniqueConstraint(name="series_once", fields=["company", "series"]),)

    def __str__(self) -> str:
        return f"{self.series} {self.last}"


class PayoutDay(models.Model):
    """What may leave in payouts of one currency on a local day of its company, minor units.

    It counts attempts as they are born, in the day that they may leave on, and only while the
    company has a cap. Who adds to it holds the company's row locked.
    """

    company = models.ForeignKey(Company, on_delete=models.RESTRICT, db_index=False)
    currency = models.CharField(max_length=3)
    day = models.DateField()
    amount = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(name="payout_day_once", fields=["company", "currency", "day"]),
            models.CheckConstraint(
                name="payout_day_amount_sound",
                condition=Q(amount__gte=1, amount__lte=LARGEST_AMOUNT),
            ),
        )

    def __str__(self) -> str:
        return f"{self.day} {self.currency}"
