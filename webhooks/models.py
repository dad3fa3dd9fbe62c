"""What the outside sent us: processors' callbacks, each kept once and raw."""

from __future__ import annotations

from django.db import models

from accounts.models import Company


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
