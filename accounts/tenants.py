"""The tenants: a Company runs a book of its own; the Installation is what all of them live in."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Q

from accounts.clock import database_now
from accounts.secret import SecretField
from audit.chain import Fact
from audit.models import AuditTrail
from audit.record import begin, record
from audit.sets import once
from core import check
from core.ids import PREFIXES, api_key, guid, uuid7
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT

NAME_LIMIT = 128
EXTERNAL_LIMIT = 128
URL_LIMIT = 200  # Of the processor's address, and far more than any key of it has.
LONGEST_HOLD_HOURS = 720  # A month: a destination that is not trusted by then never will be.
LARGEST_ALARM = 2**31 - 1  # Payments an hour: what the column holds.
EXTERNAL_ONCE = "billy_accounts_company_external_id_key"  # PostgreSQL's own name for it.


class Company(models.Model):
    """A tenant: a merchant or marketplace with its own customers, offers and processor account."""

    trail = models.OneToOneField(
        AuditTrail, primary_key=True, on_delete=models.RESTRICT, db_column="id"
    )
    external_id = models.CharField(max_length=128, null=True, unique=True)
    name = models.CharField(max_length=128)
    currency = models.CharField(max_length=3, default="USD")
    time_zone = models.CharField(max_length=64, default="UTC")
    processor_url = models.CharField(max_length=200, blank=True)
    processor_key = SecretField(blank=True)
    processor_account = models.CharField(max_length=80, blank=True)
    callback_key = SecretField(blank=True)
    # Only a company that listens costs a row in the outbox for every event.
    listens = models.BooleanField(default=False)
    # The circuit: until then no call of this company begins. By the database's own clock.
    calls_paused_until = models.DateTimeField(null=True)
    # Limits of money, in minor units; null for none. What they mean: docs/security.md.
    amount_limit = models.BigIntegerField(null=True)  # Of one payment, charge or payout.
    payout_cap = models.BigIntegerField(null=True)  # Of a local day's payouts, by currency.
    # Of a new account, from its creation on. The database knows the default too: a process of the
    # version before may still open a company.
    payout_hold_hours = models.SmallIntegerField(default=0, db_default=0)
    payments_alarm = models.IntegerField(null=True)  # More within an hour raise an alarm.
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "companies"
        constraints = (
            models.CheckConstraint(
                name="company_amount_limit_sound",
                condition=Q(amount_limit__isnull=True)
                | Q(amount_limit__gte=1, amount_limit__lte=LARGEST_AMOUNT),
            ),
            models.CheckConstraint(
                name="company_payout_cap_sound",
                condition=Q(payout_cap__isnull=True)
                | Q(payout_cap__gte=1, payout_cap__lte=LARGEST_AMOUNT),
            ),
            models.CheckConstraint(
                name="company_payout_hold_sound",
                condition=Q(payout_hold_hours__gte=0, payout_hold_hours__lte=LONGEST_HOLD_HOURS),
            ),
            models.CheckConstraint(
                name="company_payments_alarm_sound",
                condition=Q(payments_alarm__isnull=True) | Q(payments_alarm__gte=1),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @classmethod
    def create(
        cls,
        *,
        name: str,
        currency: str = "USD",
        time_zone: str = "UTC",
        external_id: str | None = None,
        now: datetime | None = None,
        **processor: str,
    ) -> Company:
        """Open a company, with its trail and its first event; raises Invalid.

        `processor` may say `processor_url` and `processor_key`; without them nothing is charged.
        """
        now = now or database_now()
        company = cls.drafted(
            name=name,
            currency=currency,
            time_zone=time_zone,
            external_id=external_id,
            now=now,
            **processor,
        )
        company.insert(now=now)
        return company

    @classmethod
    def drafted(
        cls,
        *,
        name: str,
        currency: str = "USD",
        time_zone: str = "UTC",
        external_id: str | None = None,
        now: datetime,
        **processor: str,
    ) -> Company:
        """Return a company that is checked and not yet written; raises Invalid."""
        check.text("name", name, limit=NAME_LIMIT)
        check.currency("currency", currency)
        check.zone("time_zone", time_zone)
        if external_id is not None:
            check.text("external_id", external_id, limit=EXTERNAL_LIMIT)
        if not set(processor) <= {"processor_url", "processor_key"}:
            raise Invalid(dict.fromkeys(processor, "is not a term of a company"))
        for term, value in processor.items():
            check.text(term, value, limit=URL_LIMIT)
        return cls(
            pk=uuid7(now=now),
            external_id=external_id or None,
            name=name,
            currency=currency,
            time_zone=time_zone,
            callback_key=api_key(),
            created_at=now,
            updated_at=now,
            **processor,
        )

    def insert(self, *, now: datetime) -> None:
        """Write a drafted company with its trail and its first event; raises Invalid."""
        with once(EXTERNAL_ONCE, external_id="is the name of another company"):
            Installation.ensure(now=now)
            heads = begin([(self.pk, self.pk, "company")], now=now)
            self.save(force_insert=True)
            fact = self.fact("company.created", {"name": self.name}, dedupe="company.created")
            record([fact], heads=heads, now=now)

    @classmethod
    def meant(cls, company: object, *, now: datetime) -> Company:
        """Return the company that a caller named, or the default one for None; raises Invalid."""
        if company is None:
            return cls.default(now=now)
        if not isinstance(company, cls):
            raise Invalid(company="must be a company")
        return company

    @classmethod
    def default(cls, *, now: datetime | None = None) -> Company:
        """Return the installation's default company, made without a processor key if need be."""
        now = now or database_now()
        with transaction.atomic():
            Installation.ensure(now=now)
            installation = Installation.objects.select_for_update().get(pk=1)
            if installation.default_company is None:
                installation.default_company = cls.create(name="Default company", now=now)
                installation.save(update_fields=["default_company"])
            return installation.default_company

    def fact(self, kind: str, body: dict[str, Any], *, dedupe: str) -> Fact:
        """Return a fact of the company's own trail."""
        return Fact(
            trail_id=self.pk,
            company_id=self.pk,
            kind=kind,
            currency=self.currency,
            body=body,
            dedupe=dedupe,
        )

    def most(self, direction: str) -> int | None:
        """Return the most of one payment, whole minor units; None where nothing limits it.

        A payout above the cap of a whole day could never leave.
        """
        limits = (self.amount_limit, self.payout_cap if direction == "credit" else None)
        return min((each for each in limits if each is not None), default=None)

    def check_amount(self, amount: int | None, *, direction: str, field: str = "amount") -> None:
        """Raise Invalid that names the field for more than may move at once, None being no amount.

        It is early and polite: what holds is that the cycle asks again as an invoice opens.
        """
        most = self.most(direction)
        if amount is not None and most is not None and amount > most:
            kind = "payout" if direction == "credit" else "charge"
            told = f"is above the company's limit: a {kind} may be at most {most} minor units"
            raise Invalid({field: told})

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["company"], self.pk)


class Installation(models.Model):
    """This installation: one row. Every payment key is derived from its `instance_id`.

    A restored copy of the database keeps it, and therefore replays instead of charging.
    """

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    instance_id = models.UUIDField(editable=False)
    default_company = models.ForeignKey(Company, null=True, on_delete=models.RESTRICT)
    dispatch = models.CharField(max_length=8, default="open")  # open | frozen
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(name="installation_is_one", condition=Q(id=1)),
            models.CheckConstraint(
                name="installation_dispatch_known", condition=Q(dispatch__in=["open", "frozen"])
            ),
        )

    def __str__(self) -> str:
        return str(self.instance_id)

    @classmethod
    def ensure(cls, *, now: datetime) -> None:
        """Make the one row if there is none; any number may try at once."""
        Installation.objects.bulk_create(
            [Installation(pk=1, instance_id=uuid.uuid4(), created_at=now)], ignore_conflicts=True
        )
