"""The audit trail, to be read: what happened, to what, and what it meant for the money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from audit.kinds import KINDS
from audit.models import SUBJECTS, AuditEvent, AuditTrail, Checkpoint, CheckpointHead, Mark, Outbox
from audit.read_only import ChoiceFilter, ReadOnly, link, one_of
from audit.shown import badge, json_column, money_column, table
from core.ids import PREFIXES

if TYPE_CHECKING:
    from uuid import UUID

    from audit.shown import Table

FEED, TRANSACTION = PREFIXES["feed"], PREFIXES["transaction"]
# A trail shares its id with its subject, so each of these guids names a trail.
TRAILS = {PREFIXES[name]: "trail_id" for name in SUBJECTS}
RECENT = 25


class FamilyFilter(ChoiceFilter):
    """Keep events of one family: the word before the point in their kind."""

    title = "kind"
    parameter_name = "family"
    field = "kind__startswith"
    values = tuple(dict.fromkeys(kind.partition(".")[0] for kind in KINDS))


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    """One fact, and where it stands in its chain."""

    prefix = PREFIXES["event"]
    guid_fields = TRAILS | {FEED: "feed_id", TRANSACTION: "transaction_id"}
    list_display = ("at", "kind", "says", "effect", "moved_money", "subject", "invoice", "actor")
    list_filter = (
        "at",
        one_of("trail__subject", SUBJECTS, title="subject"),
        FamilyFilter,
    )
    list_select_related = ("trail",)
    search_fields = ("kind__exact", "actor__exact")
    search_help_text = (
        "A kind such as debit.declined, or the id of an event, invoice, transaction, "
        "scheduler, customer or company"
    )
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("kind", "says", "at", "actor", "effect", "moved_money", "details")}),
        ("About", {"fields": ("subject", "invoice", "attempt")}),
        ("Chain", {"fields": ("trail", "seq", "previous", "own_hash", "dedupe")}),
    )
    effect = money_column("amount", label="effect on total")
    moved_money = money_column("moved", label="money moved")
    details = json_column("body", label="details")

    @admin.display(description="meaning")
    def says(self, row: AuditEvent) -> str:
        """Say what the kind means, or what this very line is for."""
        return str(row.body.get("line") or row.body.get("reason") or KINDS.get(row.kind, ""))

    @admin.display(description="about")
    def subject(self, row: AuditEvent) -> str:
        """Link the subject of the trail."""
        return link(PREFIXES[row.trail.subject], row.trail_id)

    @admin.display(description="invoice")
    def invoice(self, row: AuditEvent) -> str:
        """Link the invoice."""
        return link(FEED, row.feed_id)

    @admin.display(description="transaction")
    def attempt(self, row: AuditEvent) -> str:
        """Link the attempt to move money."""
        return link(TRANSACTION, row.transaction_id)

    @admin.display(description="hash before it")
    def previous(self, row: AuditEvent) -> str:
        """Show what it is chained to."""
        return bytes(row.prev).hex() or "none: it is the first"

    @admin.display(description="its own hash")
    def own_hash(self, row: AuditEvent) -> str:
        """Show what the next one is chained to."""
        return bytes(row.hash).hex()


@admin.register(AuditTrail)
class AuditTrailAdmin(ReadOnly):
    """The chain of one subject."""

    guid_fields = dict.fromkeys(TRAILS, "pk")
    list_display = ("about", "subject", "head_seq", "head")
    list_filter = (one_of("subject", SUBJECTS),)
    search_fields = ("subject__exact",)
    search_help_text = "The id of a subscription, customer or company"
    ordering = ("-id",)
    fieldsets = ((None, {"fields": ("about", "subject", "head_seq", "head")}),)

    @admin.display(description="about")
    def about(self, row: AuditTrail) -> str:
        """Link the subject."""
        return link(PREFIXES[row.subject], row.pk)

    @admin.display(description="hash of the last event")
    def head(self, row: AuditTrail) -> str:
        """Show where the chain stands."""
        return bytes(row.head_hash).hex()

    def tables(self, obj: AuditTrail) -> list[Table]:
        """List the newest events of the chain."""
        newest = AuditEvent.objects.filter(trail=obj).select_related("trail").order_by("-seq")
        return [events_table("Newest events", newest[:RECENT])]


@admin.register(Outbox)
class OutboxAdmin(ReadOnly):
    """What is to be told to those who listen."""

    list_display = ("topic", "delivery", "tries", "next_try_at", "done_at")
    list_filter = (("done_at", admin.EmptyFieldListFilter), "next_try_at")
    search_fields = ("topic__startswith", "dedupe__exact")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("topic", "delivery", "tries", "next_try_at", "done_at")}),
        ("Message", {"fields": ("details", "dedupe")}),
    )
    details = json_column("body", label="message")

    @admin.display(description="state", ordering="done_at")
    def delivery(self, row: Outbox) -> str:
        """Say whether it was told."""
        return badge("waiting" if row.done_at is None else "ok")


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnly):
    """What a company's trails had come to, signed."""

    guid_fields = {PREFIXES["company"]: "company_id"}
    list_display = ("at", "company", "number", "heads", "merkle_root")
    list_filter = ("at",)
    search_fields = ("signer__exact",)
    search_help_text = "The id of a company"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("at", "company", "number", "heads")}),
        ("Signature", {"fields": ("merkle_root", "before", "signer", "signed")}),
    )

    @admin.display(description="company")
    def company(self, row: Checkpoint) -> str:
        """Link the company."""
        return link(PREFIXES["company"], row.company_id)

    @admin.display(description="root")
    def merkle_root(self, row: Checkpoint) -> str:
        """Show the Merkle root over the heads."""
        return bytes(row.root).hex()

    @admin.display(description="digest of the one before")
    def before(self, row: Checkpoint) -> str:
        """Show what it is chained to."""
        return bytes(row.previous).hex() or "none: it is the first"

    @admin.display(description="signature")
    def signed(self, row: Checkpoint) -> str:
        """Show the signature."""
        return bytes(row.signature).hex()


@admin.register(CheckpointHead)
class CheckpointHeadAdmin(ReadOnly):
    """A head that a checkpoint covers."""

    guid_fields = dict.fromkeys(TRAILS, "trail_id")
    list_display = ("trail_id", "seq", "checkpoint")
    list_select_related = ("checkpoint",)
    search_fields = ("trail_id__exact",)
    search_help_text = "The id of a subscription, customer or company"
    ordering = ("-id",)
    fieldsets = ((None, {"fields": ("trail_id", "seq", "checkpoint")}),)


@admin.register(Mark)
class MarkAdmin(ReadOnly):
    """A mark of the dispatch fence."""

    list_display = ("at", "number", "system", "timeline", "database", "accepts")
    list_filter = ("accepts", "at")
    search_fields = ("system__exact",)
    search_help_text = "A server's system identifier"
    ordering = ("-number",)
    fieldsets = (
        (None, {"fields": ("at", "number", "token", "instance_id", "accepts")}),
        ("Where the database was", {"fields": ("system", "timeline", "database")}),
    )


def events_table(title: str, events: Any, *, more: str = "") -> Table:
    """Return events as a list on the page of what they are about."""
    page = admin.site.get_model_admin(AuditEvent)
    columns = ("at", "kind", "says", "effect", "moved_money", "actor")
    return table(title, events, page=page, columns=columns, more=more)


def events_of_subject(pk: UUID) -> Table:
    """Return the newest events of a trail's subject."""
    newest = AuditEvent.objects.filter(trail=pk).select_related("trail").order_by("-seq")
    return events_table("Newest events", newest[:RECENT])
