"""What the outside sent us, each callback kept once and raw, and what we send to it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import Company
from accounts.secret import SecretField
from core.ids import PREFIXES, guid


class Inbound(models.Model):
    """A callback as it came. It is evidence of nothing: it only says what to ask for."""

    processor = models.CharField(max_length=40)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT, db_index=False)
    event_id = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    body_sha256 = models.CharField(max_length=64)
    raw = models.TextField()
    done_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=16, blank=True)  # ok | ignore | unknown

    class Meta:
        verbose_name = "callback"
        constraints = (
            models.UniqueConstraint(
                name="inbound_once", fields=["processor", "company", "event_id"]
            ),
        )
        indexes = (
            models.Index(
                name="inbound_waiting",
                fields=["received_at"],
                condition=models.Q(done_at__isnull=True),
            ),
            models.Index(
                name="inbound_unknown",
                fields=["company", "id"],
                condition=models.Q(result="unknown"),
            ),
        )

    def __str__(self) -> str:
        return self.event_id


class Endpoint(models.Model):
    """An address of an app that hears of events; `kinds` names some, or none for all of them."""

    id = models.UUIDField(primary_key=True, editable=False)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT)
    external_id = models.CharField(max_length=128, null=True)
    url = models.CharField(max_length=500)
    kinds = models.JSONField(default=list)
    secret = SecretField()
    former_secret = SecretField(blank=True, default="")  # Signs as well until then.
    former_until = models.DateTimeField(null=True)
    state = models.CharField(max_length=8, default="active")  # active | disabled | deleted
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "webhook endpoint"
        constraints = (
            models.UniqueConstraint(
                name="endpoint_external_once", fields=["company", "external_id"]
            ),
            models.CheckConstraint(
                name="endpoint_state_known",
                condition=Q(state__in=["active", "disabled", "deleted"]),
            ),
        )

    def __str__(self) -> str:
        return self.url

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["endpoint"], self.pk)


class Delivery(models.Model):
    """An event on its way to an endpoint, with every attempt to bring it there."""

    id = models.UUIDField(primary_key=True, editable=False)
    company = models.ForeignKey(Company, on_delete=models.RESTRICT, db_index=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.RESTRICT, db_index=False)
    message_id = models.UUIDField()  # Of the outbox: `webhook-id`, the same on every attempt.
    event_id = models.UUIDField()
    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=9, default="waiting")  # waiting | delivered | failed
    tries = models.IntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    attempts = models.JSONField(default=list)  # [{"at", "status", "error"}], oldest first.
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = (
            models.UniqueConstraint(name="delivery_once", fields=["endpoint", "message_id"]),
            models.CheckConstraint(
                name="delivery_state_known",
                condition=Q(state__in=["waiting", "delivered", "failed"]),
            ),
            models.CheckConstraint(
                name="delivery_planned_while_waiting",
                condition=~Q(state="waiting") | Q(next_try_at__isnull=False),
            ),
        )
        indexes = (
            models.Index(name="delivery_due", fields=["next_try_at"], condition=Q(state="waiting")),
            models.Index(name="delivery_by_company", fields=["company", "id"]),
        )

    def __str__(self) -> str:
        return f"{self.kind} to {self.endpoint_id}"

    @property
    def guid(self) -> str:
        """Return the id that people and the API see."""
        return guid(PREFIXES["delivery"], self.pk)
