"""The people: who runs a book (Company), who pays or is paid (Customer), and with what.

The tenants themselves are in `tenants.py`.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime  # Django reads the annotations of managers.
from typing import Any

from django.db import models
from django.db.models import F, Q

from accounts.clock import database_now
from accounts.secret import SecretField, fingerprints
from accounts.tenants import (
    EXTERNAL_LIMIT,
    LARGEST_ALARM,
    LONGEST_HOLD_HOURS,
    NAME_LIMIT,
    Company,
    Installation,
)
from audit.chain import Fact
from audit.models import AuditTrail
from audit.record import begin, record
from audit.sets import once
from core import check
from core.ids import PREFIXES, api_key, guid, uuid7
from core.invalid import Invalid

__all__ = [
    "EXTERNAL_LIMIT",
    "LARGEST_ALARM",
    "LONGEST_HOLD_HOURS",
    "NAME_LIMIT",
    "SCOPES",
    "ApiKey",
    "Company",
    "Customer",
    "FundingInstrument",
    "IdempotentRequest",
    "Installation",
]

SCOPES = ("read", "write", "money", "admin")


class ApiKey(models.Model):
    """A key to the API. Only its fingerprint is kept: the key itself is shown once."""

    id = models.UUIDField(primary_key=True, editable=False)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT)
    external_id = models.CharField(max_length=128, null=True)
    hint = models.CharField(max_length=8)  # The first characters, to tell keys apart.
    fingerprint = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)  # Of read, write, money, admin.
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)  # To the minute; no change of the key.
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints = (
            models.UniqueConstraint(name="key_external_once", fields=["company", "external_id"]),
        )

    def __str__(self) -> str:
        return f"{self.hint}…"

    @property
    def actor(self) -> str:
        """Return how events name whoever asked with it."""
        return f"api {self.guid}"

    @classmethod
    def issue(
        cls,
        company: Company,
        *,
        scopes: tuple[str, ...] = SCOPES,
        expires_at: datetime | None = None,
        external_id: str | None = None,
        now: datetime,
    ) -> tuple[ApiKey, str]:
        """Make a key; returns it with its clear text, which is told here and never again.

        Raises Invalid for a scope that is none, and for an end that is not ahead of `now`.
        """
        clear = api_key()
        for scope in scopes:
            check.one_of("scopes", scope, SCOPES)
        if expires_at is not None and expires_at <= now:
            raise Invalid(expires_at="must be ahead")
        key = cls.objects.create(
            id=uuid.uuid4(),
            company=company,
            hint=clear[:6],
            fingerprint=fingerprints(clear)[0],
            scopes=list(scopes),
            external_id=external_id or None,
            expires_at=expires_at,
            created_at=now,
            updated_at=now,
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

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["key"], self.pk)


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
    def insert(cls, customers: list[Customer], *, now: datetime, actor: str = "billy") -> None:
        """Write customers with their trails and first events, in sets."""
        heads = begin([(each.pk, each.company_id, "customer") for each in customers], now=now)
        Customer.objects.bulk_create(customers)
        facts = [each.fact("customer.created", {}, dedupe="customer.created") for each in customers]
        record(
            [replace(fact, actor=actor) for fact in facts],
            heads=heads,
            now=now,
            listeners={each.company_id for each in customers if each.company.listens},
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
    external_id = models.CharField(max_length=128, null=True)
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
            models.UniqueConstraint(
                name="instrument_external_once", fields=["company", "external_id"]
            ),
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
    """A request that names itself: the second one gets the first one's answer.

    A stranger's, who registers a company, has none yet: its key is a fingerprint of all that only
    this stranger knows.
    """

    company = models.ForeignKey(Company, null=True, on_delete=models.RESTRICT)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    locked_until = models.DateTimeField()
    status = models.IntegerField(null=True)
    body = SecretField(blank=True, default="")  # It may hold a key that is told once.
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "idempotent request"
        constraints = (
            models.UniqueConstraint(name="request_key_once", fields=["company", "key"]),
            models.UniqueConstraint(
                name="request_of_stranger_once",
                fields=["key"],
                condition=Q(company__isnull=True),
            ),
            models.CheckConstraint(
                name="request_locked_after_birth", condition=Q(locked_until__gte=F("created_at"))
            ),
        )

    def __str__(self) -> str:
        return self.key
