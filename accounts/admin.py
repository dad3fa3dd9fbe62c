"""The people, to be read: companies, customers and their instruments. Secrets are not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Case, CharField, Q, Value, When
from django.db.models.functions import Now

from accounts.models import (
    ApiKey,
    Company,
    Customer,
    FundingInstrument,
    IdempotentRequest,
    Installation,
)
from audit.admin import events_of_subject
from audit.read_only import ChoiceFilter, ReadOnly, link, one_of
from audit.shown import badge, badge_column, money_column, table
from core.ids import PREFIXES

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from audit.shown import Table

COMPANY, CUSTOMER = PREFIXES["company"], PREFIXES["customer"]
MOST_COMPANIES = 200  # Of a list to choose from; the others are found by their id.


class CompanyFilter(admin.SimpleListFilter):
    """Keep one company's rows; not offered where there is only one. Reads names, no secrets."""

    title = "company"
    parameter_name = "company"

    def lookups(self, *_: object) -> list[tuple[str, str]]:
        """Return the first companies by name."""
        names = Company.objects.order_by("name").values_list("pk", "name")[:MOST_COMPANIES]
        return [(str(pk), name) for pk, name in names]

    def has_output(self) -> bool:
        """Say whether there is anything to choose."""
        return len(self.lookup_choices) > 1

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep what belongs to the chosen company."""
        del request
        chosen = self.value()
        known = chosen in {value for value, _ in self.lookup_choices}
        return queryset.filter(company_id=chosen) if known else queryset


class CurrencyFilter(ChoiceFilter):
    """Keep one currency's rows; not offered where all companies have the same."""

    title = parameter_name = field = "currency"

    def lookups(self, *_: object) -> list[tuple[str, str]]:
        """Return the currencies of the companies: far fewer rows than those to be filtered."""
        codes = Company.objects.order_by("currency").values_list("currency", flat=True).distinct()
        return [(code, code) for code in codes]

    def has_output(self) -> bool:
        """Say whether there is anything to choose."""
        return len(self.lookup_choices) > 1


@admin.register(Company)
class CompanyAdmin(ReadOnly):
    """A tenant. Its keys are neither read nor shown."""

    prefix = COMPANY
    list_display = ("name", "guid", "external_id", "currency", "time_zone", "calls", "created_at")
    list_filter = ("created_at",)
    search_fields = ("name", "external_id__exact")
    search_help_text = "Name, external id, or id"
    ordering = ("-trail_id",)
    fieldsets = (
        (None, {"fields": ("name", "guid", "external_id", "currency", "time_zone")}),
        (
            "Processor",
            {"fields": ("calls", "processor_url", "processor_account", "calls_paused_until")},
        ),
        (
            "Limits",
            {"fields": ("most_paid", "most_paid_out", "payout_hold_hours", "payments_alarm")},
        ),
        ("More", {"fields": ("listens", "created_at", "updated_at")}),
    )
    calls = badge_column("call_state", label="processor")
    most_paid = money_column("amount_limit", label="most of one payment")
    most_paid_out = money_column("payout_cap", label="most of a day's payouts")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Say by the database whether there is a key, so that it need not be decrypted."""
        state = Case(
            When(processor_key="", then=Value("no processor key")),
            When(calls_paused_until__gt=Now(), then=Value("paused")),
            default=Value("open for calls"),
            output_field=CharField(),
        )
        rows: QuerySet[Any] = super().get_queryset(request).annotate(call_state=state)
        return rows.defer("processor_key", "callback_key")

    def tables(self, obj: Company) -> list[Table]:
        """List what happened to the company."""
        return [events_of_subject(obj.pk)]


@admin.register(Customer)
class CustomerAdmin(ReadOnly):
    """Who is charged or paid."""

    prefix = CUSTOMER
    guid_fields = {COMPANY: "company_id"}
    list_display = ("name_or_id", "guid", "email", "external_id", "state", "created_at")
    list_filter = (CompanyFilter, ("deleted_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("name", "email", "external_id__exact")
    search_help_text = "Name, e-mail address, external id, or id"
    ordering = ("-trail_id",)
    fieldsets = (
        (None, {"fields": ("name", "guid", "email", "external_id", "state", "time_zone")}),
        ("More", {"fields": ("owner", "processor_uri", "created_at", "updated_at", "deleted_at")}),
    )

    @admin.display(description="name", ordering="name")
    def name_or_id(self, row: Customer) -> str:
        """Name the customer."""
        return str(row)

    @admin.display(description="state", ordering="deleted_at")
    def state(self, row: Customer) -> str:
        """Say whether the customer was deleted."""
        return badge("deleted" if row.deleted_at else "active")

    @admin.display(description="company")
    def owner(self, row: Customer) -> str:
        """Link the company."""
        return link(COMPANY, row.company_id)

    def tables(self, obj: Customer) -> list[Table]:
        """List the customer's instruments and events."""
        page = self.admin_site.get_model_admin(FundingInstrument)
        rows = FundingInstrument.objects.filter(customer=obj).order_by("-id")
        columns = ("linked", "kind", "expires", "state_badge", "created_at")
        return [
            table("Cards and bank accounts", rows, page=page, columns=columns),
            events_of_subject(obj.pk),
        ]


@admin.register(FundingInstrument)
class FundingInstrumentAdmin(ReadOnly):
    """A card or bank account, under the processor's name for it."""

    prefix = PREFIXES["instrument"]
    guid_fields = {COMPANY: "company_id", CUSTOMER: "customer_id"}
    list_display = ("label", "owner", "kind", "can_debit", "can_credit", "state_badge", "expires")
    list_filter = (
        CompanyFilter,
        one_of("state", ("active", "errored", "removed")),
        one_of("kind", ("card", "bank_account")),
        "created_at",
    )
    list_select_related = ("customer",)
    search_fields = ("uri__exact", "customer__name", "customer__external_id__exact")
    search_help_text = "Customer's name, the processor's uri, or id"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("label", "guid", "owner", "kind", "expires", "state_badge", "reason")}),
        ("Processor", {"fields": ("uri", "can_debit", "can_credit")}),
        ("More", {"fields": ("external_id", "created_at", "updated_at")}),
    )
    state_badge = badge_column("state")

    @admin.display(description="customer", ordering="customer__name")
    def owner(self, row: FundingInstrument) -> str:
        """Link the customer."""
        return link(CUSTOMER, row.customer_id, text=str(row.customer))

    @admin.display(description="label")
    def linked(self, row: FundingInstrument) -> str:
        """Link its own page, for lists on others."""
        return link(self.prefix, row.pk, text=row.label)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    """A key to the API: its first characters, never the key nor its fingerprint."""

    guid_fields = {COMPANY: "company_id"}
    list_display = ("__str__", "owner", "scopes_told", "state_badge", "last_used_at", "created_at")
    list_filter = (CompanyFilter, ("revoked_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("hint__startswith",)
    search_help_text = "The first characters of the key, or a company's id"
    ordering = ("-created_at", "-id")
    fieldsets = (
        (None, {"fields": ("hint", "owner", "scopes_told", "state_badge")}),
        ("When", {"fields": ("created_at", "last_used_at", "expires_at", "revoked_at")}),
    )
    state_badge = badge_column("key_state", label="state")

    @admin.display(description="company")
    def owner(self, row: ApiKey) -> str:
        """Link the company."""
        return link(COMPANY, row.company_id)

    @admin.display(description="may")
    def scopes_told(self, row: ApiKey) -> str:
        """Say what the key may do."""
        return ", ".join(row.scopes)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Say by the database's clock whether a key still opens."""
        state = Case(
            When(revoked_at__isnull=False, then=Value("revoked")),
            When(Q(expires_at__lte=Now()), then=Value("expired")),
            default=Value("live"),
            output_field=CharField(),
        )
        rows: QuerySet[Any] = super().get_queryset(request).annotate(key_state=state)
        return rows.defer("fingerprint")


@admin.register(IdempotentRequest)
class IdempotentRequestAdmin(ReadOnly):
    """A request that named itself. Its stored answer is not shown: it may hold a key."""

    guid_fields = {COMPANY: "company_id"}
    list_display = ("key", "owner", "status", "created_at", "locked_until")
    list_filter = (CompanyFilter, "created_at")
    search_fields = ("key__exact",)
    search_help_text = "The Idempotency-Key, or a company's id"
    ordering = ("-id",)
    fieldsets = ((None, {"fields": ("key", "owner", "status", "created_at", "locked_until")}),)

    @admin.display(description="company")
    def owner(self, row: IdempotentRequest) -> str:
        """Link the company."""
        return link(COMPANY, row.company_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out what is not shown."""
        return super().get_queryset(request).defer("fingerprint", "body")


@admin.register(Installation)
class InstallationAdmin(ReadOnly):
    """This installation, of which there is one."""

    list_display = ("__str__", "state_badge", "default", "created_at")
    fieldsets = (
        (None, {"fields": ("instance_id", "state_badge", "reason", "default", "created_at")}),
    )
    state_badge = badge_column("dispatch", label="payments")

    @admin.display(description="default company")
    def default(self, row: Installation) -> str:
        """Link the company that calls without one are for."""
        return link(COMPANY, row.default_company_id)
