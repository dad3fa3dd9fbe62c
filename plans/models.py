"""The offers: a Plan charges, a Payout pays out. One table, told apart by direction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from accounts.clock import database_now
from accounts.models import EXTERNAL_LIMIT, Company
from audit.record import heads, record
from audit.sets import once
from core import check
from core.ids import PREFIXES, guid, uuid7
from plans.offer import checked

if TYPE_CHECKING:
    from datetime import datetime


class Plan(models.Model):
    """An offer: how much, how often, from when. Schedulers put customers on it.

    `amount` is whole minor units; null where the task computes the price. What a scheduler bills
    is copied when an occurrence opens, so a plan is withdrawn rather than changed.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT)
    external_id = models.CharField(max_length=128, null=True)
    direction = models.CharField(max_length=6)  # debit | credit
    description = models.CharField(max_length=200, blank=True)
    amount = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3)
    frequency = models.CharField(max_length=8)
    interval = models.IntegerField(default=1)
    rule = models.CharField(max_length=200, blank=True)  # RRULE-style, in place of a frequency.
    month_end = models.CharField(max_length=8, default="same_day")  # same_day | last_day
    shift = models.CharField(max_length=9, default="none")  # none | previous | following
    trial_days = models.IntegerField(null=True)
    time_zone = models.CharField(max_length=64, blank=True)
    task = models.CharField(max_length=80)
    params = models.JSONField(default=dict)
    deleted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(name="plan_external_once", fields=["company", "external_id"]),
            models.CheckConstraint(
                name="plan_direction_known", condition=Q(direction__in=["debit", "credit"])
            ),
            models.CheckConstraint(
                name="plan_amount_sound",
                condition=Q(amount__isnull=True) | Q(amount__gte=1, amount__lt=2**53),
            ),
            models.CheckConstraint(
                name="fixed_plan_has_amount",
                condition=~Q(task__in=["fixed-debit", "fixed-payout"]) | Q(amount__isnull=False),
            ),
            models.CheckConstraint(
                name="plan_interval_sound", condition=Q(interval__gte=1, interval__lte=10_000)
            ),
        )

    def __str__(self) -> str:
        return self.description or self.guid

    @classmethod
    def create(
        cls,
        *,
        trial_period: object = None,
        external_id: str | None = None,
        company: Company | None = None,
        now: datetime | None = None,
        actor: str = "billy",
        **terms: Any,  # Checked, each by its own rule, in plans.offer.
    ) -> Self:
        """Make an offer: `amount` in whole minor units every `interval` × `frequency`.

        Other terms: description, currency (default: the company's), rule (RRULE-style, such as
        `FREQ=MONTHLY;BYMONTHDAY=1,15`), month_end, shift (for payouts on bank holidays), time_zone,
        task (a custom kind, which may compute the amount) and its params. A trial is None, whole
        days, or a timedelta of whole days. Without `company` it belongs to the default one.
        Raises Invalid that names every field that is not sound.
        """
        now = now or database_now()
        company = Company.meant(company, now=now)
        if external_id is not None:
            check.text("external_id", external_id, limit=EXTERNAL_LIMIT)
        given = terms | {"trial_period": trial_period}
        offer = checked(cls.direction_of(), given, currency=company.currency)
        company.check_amount(offer.amount, direction=offer.direction)
        plan = cls(
            id=uuid7(now=now),
            company=company,
            external_id=external_id or None,
            created_at=now,
            updated_at=now,
            **{name: getattr(offer, name) for name in offer.__slots__},
        )
        with once("plan_external_once", external_id="is the name of another plan or payout"):
            locked = heads([company.pk])
            plan.save(force_insert=True)
            fact = company.fact(
                "plan.created",
                {"plan": plan.guid, "amount": plan.amount, "direction": plan.direction},
                dedupe=f"plan.created/{plan.pk.hex}",
            )
            listens = [company.pk] if company.listens else []
            record([replace(fact, actor=actor)], heads=locked, now=now, listeners=listens)
        return plan

    @classmethod
    def direction_of(cls) -> str:
        """Return which way this kind of offer moves money: debit or credit."""
        return "debit"

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["plan"], self.pk)


class _Payouts(models.Manager["Payout"]):
    def get_queryset(self) -> models.QuerySet[Payout]:
        return super().get_queryset().filter(direction="credit")


class Payout(Plan):
    """The offer to pay out: a plan whose money goes to the customer."""

    objects: ClassVar[models.Manager[Payout]] = _Payouts()

    class Meta:
        proxy = True

    @classmethod
    def direction_of(cls) -> str:
        """Return which way this kind of offer moves money: to the customer."""
        return "credit"
