"""The audit trail: one chain of facts per subject.

This room knows no other room: it holds their ids, and no foreign keys to them.
"""

from __future__ import annotations

from django.db import models

SUBJECTS = ("scheduler", "customer", "company")
GENESIS = b""  # What the first event of a trail is chained to.


class AuditTrail(models.Model):
    """The chain of all events of one subject: a scheduler, a customer, a company.

    It shares its primary key with its subject, and holds the head of the chain, so that the row
    that is locked to write an event is also the row that says where the chain stands.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    company_id = models.UUIDField()
    subject = models.CharField(max_length=16)  # One of SUBJECTS.
    began_at = models.DateTimeField()
    head_seq = models.BigIntegerField(default=0)
    head_hash = models.BinaryField(default=GENESIS)

    class Meta:
        verbose_name = "audit trail"
        constraints = (
            models.CheckConstraint(name="trail_seq_counts_up", condition=models.Q(head_seq__gte=0)),
        )
        indexes = (
            # For lists of schedulers, newest first. A cycle moves its scheduler, which writes all
            # indexes there, but only the head of its trail, which writes none here.
            models.Index(
                name="trail_newest_scheduler",
                fields=["company_id", "began_at", "id"],
                condition=models.Q(subject="scheduler"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.subject} {self.pk}"


class AuditEvent(models.Model):
    """One fact, written once: the database refuses to change or remove it.

    `amount` is its effect on the total of its feed, 0 for money moves; `moved` is the money that
    moved, from the merchant's side: what came in is positive, what went out negative.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    company_id = models.UUIDField()
    trail = models.ForeignKey(AuditTrail, on_delete=models.RESTRICT, db_index=False)
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=40)
    feed_id = models.UUIDField(null=True)
    transaction_id = models.UUIDField(null=True)
    amount = models.BigIntegerField(default=0)
    moved = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3)
    body = models.JSONField(default=dict)
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()
    dedupe = models.CharField(max_length=120)
    prev = models.BinaryField()
    hash = models.BinaryField()

    class Meta:
        verbose_name = "audit event"
        constraints = (
            models.UniqueConstraint(name="event_seq_once", fields=["trail", "seq"]),
            # A fact is recorded once, whoever writes it.
            models.UniqueConstraint(name="event_fact_once", fields=["trail", "dedupe"]),
        )
        indexes = (
            models.Index(
                name="event_by_feed",
                fields=["feed_id"],
                condition=models.Q(feed_id__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} #{self.seq}"


class Outbox(models.Model):
    """A message that must leave after its fact is committed: at least once, in order of trying."""

    id = models.UUIDField(primary_key=True, editable=False)
    company_id = models.UUIDField()
    topic = models.CharField(max_length=40)
    body = models.JSONField()
    dedupe = models.CharField(max_length=160, unique=True)
    next_try_at = models.DateTimeField()
    tries = models.IntegerField(default=0)
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "outbox message"
        verbose_name_plural = "outbox"
        indexes = (
            models.Index(
                name="outbox_waiting",
                fields=["next_try_at"],
                condition=models.Q(done_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"{self.topic} {self.dedupe}"


class Checkpoint(models.Model):
    """What a company's trails had come to, signed with a key that is not in the database.

    `root` is the Merkle root over the heads that moved since the checkpoint before, which
    `previous` names by its digest: so the last one speaks for every trail.
    """

    company_id = models.UUIDField()
    number = models.BigIntegerField()  # 1, 2, 3, … within the company.
    at = models.DateTimeField()
    previous = models.BinaryField()
    heads = models.BigIntegerField()  # How many heads moved.
    root = models.BinaryField()
    signer = models.CharField(max_length=64)  # The public key, Ed25519, in hexadecimal.
    signature = models.BinaryField()

    class Meta:
        constraints = (
            models.UniqueConstraint(name="checkpoint_number_once", fields=["company_id", "number"]),
        )

    def __str__(self) -> str:
        return f"checkpoint {self.number}"


class CheckpointHead(models.Model):
    """A head that a checkpoint covers: the trail, and how many events it had."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.RESTRICT, db_index=False)
    trail_id = models.UUIDField()
    seq = models.BigIntegerField()

    class Meta:
        constraints = (
            # How many events a trail has only grows, so each count is covered once.
            models.UniqueConstraint(name="checkpoint_head_once", fields=["trail_id", "seq"]),
            models.UniqueConstraint(
                name="checkpoint_trail_once", fields=["checkpoint", "trail_id"]
            ),
        )

    def __str__(self) -> str:
        return f"{self.trail_id} {self.seq}"


class Mark(models.Model):
    """A mark of the dispatch fence: taken every minute, and kept outside the database as well.

    `number` only grows. `system`, `timeline` and `database` say on which server the database was
    then, as far as that may be read. `accepts` is set where a person opened dispatch again: marks
    kept outside that are older than this one are answered for.
    """

    number = models.BigIntegerField(primary_key=True)
    token = models.UUIDField()
    instance_id = models.UUIDField()
    system = models.CharField(max_length=40, blank=True)
    timeline = models.CharField(max_length=16, blank=True)
    database = models.CharField(max_length=16, blank=True)
    accepts = models.BooleanField(default=False)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"mark {self.number}"
