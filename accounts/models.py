"""The people: who runs a book (Company), who pays or is paid (Customer), and with what."""

from __future__ import annotations

import uuid
from datetime import datetime  # Django reads the annotations of managers.
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q

from accounts.clock import database_now
from accounts.secret import SecretField, fingerprints
from audit.chain import Fact
from audit.models import AuditTrail
from audit.record import begin, record
from audit.sets import once
from core import check
from core.ids import PREFIXES, api_key, guid, uuid7
from core.invalid import Invalid

SCOPES = ("read", "write", "money", "admin")
NAME_LIMIT = 128
EXTERNAL_LIMIT = 128
URL_LIMIT = 200  # Of the processor's address, and far more than any key of it has.
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
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "companies"

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
        check.text("name", name, limit=NAME_LIMIT)
        check.currency("currency", currency)
        check.zone("time_zone", time_zone)
        if external_id is not None:
            check.text("external_id", external_id, limit=EXTERNAL_LIMIT)
        if not set(processor) <= {"processor_url", "processor_key"}:
            raise Invalid(dict.fromkeys(processor, "is not a term of a company"))
        for term, value in processor.items():
            check.text(term, value, limit=URL_LIMIT)
        company = cls(
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
        with once(EXTERNAL_ONCE, external_id="is the name of another company"):
            Installation.ensure(now=now)
            heads = begin([(company.pk, company.pk, "company")])
            company.save(force_insert=True)
            fact = company.fact("company.created", {"name": name}, dedupe="company.created")
            record([fact], heads=heads, now=now)
        return company

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

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["company"], self.pk)


class ApiKey(models.Model):
    """A key to the API. Only its fingerprint is kept: the key itself is shown once."""

    id = models.UUIDField(primary_key=True, editable=False)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT)
    hint = models.CharField(max_length=8)  # The first characters, to tell keys apart.
    fingerprint = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)  # Of read, write, money, admin.
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.hint}…"

    @classmethod
    def issue(
        cls, company: Company, *, scopes: tuple[str, ...] = SCOPES, now: datetime
    ) -> tuple[ApiKey, str]:
        """Make a key; returns it with its clear text, which is told here and never again."""
        clear = api_key()
        for scope in scopes:
            check.one_of("scopes", scope, SCOPES)
        key = cls.objects.create(
            id=uuid.uuid4(),
            company=company,
            hint=clear[:6],
            fingerprint=fingerprints(clear)[0],
            scopes=list(scopes),
            created_at=now,
        )
        return key, clear

    @classmethod
    def find(cls, clear: str, *, now: datetime) -> ApiKey | None:
        """Return the live key of this clear text, under any live pepper, or None."""
        return (
            cls.objects.filter(fingerprint__in=fingerprints(clear), revoked_at__isnull=True)
            .exclude(expires_at__lte=now)
            .select_related("company")
            .first()
        )


class Customer(models.Model):
    """Who is charged or paid."""

    trail = models.OneToOneField(
        AuditTrail, primary_key=True, on_delete=models.RESTRICT, db_column="id"
    )
    company = models.ForeignKey(Company, on_delete=models.RESTRICT)
    external_id = models.CharField(max_length=128, null=True)
    name = models.CharField(max_length=128, blank=True)
    email = models.CharField(max_length=254, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    processor_uri = models.CharField(max_length=200, blank=True)
    deleted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                name="customer_external_once", fields=["company", "external_id"]
            ),
        )

    def __str__(self) -> str:
        return self.name or self.guid

    @classmethod
    def create(  # What a customer is made of.
        cls,
        *,
        name: str = "",
        email: str = "",
        external_id: str | None = None,
        time_zone: str = "",
        company: Company | None = None,
        now: datetime | None = None,
    ) -> Customer:
        """Make a customer, with its trail and its first event; raises Invalid."""
        now = now or database_now()
        company = Company.meant(company, now=now)
        customer = cls.drafted(
            name=name,
            email=email,
            external_id=external_id,
            time_zone=time_zone,
            company=company,
            now=now,
        )
        with once("customer_external_once", external_id="is the name of another customer"):
            cls.insert([customer], now=now)
        return customer

    @classmethod
    def drafted(  # What a customer is made of.
        cls,
        *,
        name: str,
        email: str,
        external_id: str | None,
        time_zone: str,
        company: Company,
        now: datetime,
    ) -> Customer:
        """Return a customer that is checked and not yet written; raises Invalid."""
        check.text("name", name, limit=NAME_LIMIT)
        check.text("email", email, limit=254)
        if external_id is not None:
            check.text("external_id", external_id, limit=EXTERNAL_LIMIT)
            if external_id == "":
                external_id = None
        if time_zone:
            check.zone("time_zone", time_zone)
        return cls(
            pk=uuid7(now=now),
            company=company,
            external_id=external_id,
            name=name,
            email=email,
            time_zone=time_zone,
            created_at=now,
            updated_at=now,
        )

    @classmethod
    def insert(cls, customers: list[Customer], *, now: datetime) -> None:
        """Write customers with their trails and first events, in sets."""
        heads = begin([(each.pk, each.company_id, "customer") for each in customers])
        Customer.objects.bulk_create(customers)
        record(
            [each.fact("customer.created", {}, dedupe="customer.created") for each in customers],
            heads=heads,
            now=now,
        )

    def fact(self, kind: str, body: dict[str, Any], *, dedupe: str) -> Fact:
        """Return a fact of the customer's own trail. It names no one: bodies hold references."""
        return Fact(
            trail_id=self.pk,
            company_id=self.company_id,
            kind=kind,
            currency=self.company.currency,
            body=body,
            dedupe=dedupe,
        )

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["customer"], self.pk)


class FundingInstrument(models.Model):
    """A card or bank account, as the processor names it. Never its number."""

    id = models.UUIDField(primary_key=True, editable=False)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT)
    customer = models.ForeignKey(Customer, on_delete=models.RESTRICT)
    uri = models.CharField(max_length=200)
    kind = models.CharField(max_length=16)  # card | bank_account
    label = models.CharField(max_length=64)  # Masked, for people: "Visa xx1111".
    can_debit = models.BooleanField()
    can_credit = models.BooleanField()
    expires = models.CharField(max_length=7, blank=True)
    state = models.CharField(max_length=16, default="active")  # active | errored | removed
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (
            # Within a company an instrument belongs to one customer for good.
            models.UniqueConstraint(name="instrument_once", fields=["company", "uri"]),
            models.CheckConstraint(
                name="instrument_kind_known", condition=Q(kind__in=["card", "bank_account"])
            ),
            models.CheckConstraint(
                name="instrument_state_known",
                condition=Q(state__in=["active", "errored", "removed"]),
            ),
        )

    def __str__(self) -> str:
        return self.label

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["instrument"], self.pk)


class IdempotentRequest(models.Model):
    """A request that names itself: the second one gets the first one's answer."""

    company = models.ForeignKey(Company, on_delete=models.RESTRICT)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    locked_until = models.DateTimeField()
    status = models.IntegerField(null=True)
    body = models.TextField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "idempotent request"
        constraints = (
            models.UniqueConstraint(name="request_key_once", fields=["company", "key"]),
            models.CheckConstraint(
                name="request_locked_after_birth", condition=Q(locked_until__gte=F("created_at"))
            ),
        )

    def __str__(self) -> str:
        return self.key


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
