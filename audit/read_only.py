"""How facts look in the admin: read, linked and searched, and never edited.

Each room's admin.py says what its pages show; what they share is here, in the lowest room that
knows Django. A page announces the prefix of the guids that it shows (`prefix`) and by which other
guids its list can be searched (`guid_fields`). Links across rooms come from that, so no room
names one above itself.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest
from django.urls import reverse

from audit.shown import Table, link_to
from core.ids import guid, parse_guid
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse

    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

PREFIX_DIGITS = 2


class ChoiceFilter(admin.SimpleListFilter):
    """Keep rows whose field has a chosen value. The values are given: no table is read for them."""

    title = parameter_name = field = ""
    values: Collection[str] = ()

    def lookups(self, *_: object) -> list[tuple[str, str]]:
        """Return the values, in words."""
        return [(value, value.replace("_", " ")) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what has the chosen value."""
        del request
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


def one_of(field: str, values: Collection[str], *, title: str = "") -> type[ChoiceFilter]:
    """Return a filter of a field by a closed list of values."""
    named = {
        "title": title or field.replace("_", " "),
        "parameter_name": field,
        "field": field,
        "values": tuple(values),
    }
    return type("OneOf", (ChoiceFilter,), named)


class Rows(ChangeList):
    """A list whose rows lead to pages that are named by guid, as people copy them."""

    def url_for_result(self, result: Model) -> str:
        """Return the address of a row's page."""
        page = self.model_admin
        assert isinstance(page, ReadOnly)  # noqa: S101  # Only its pages make such lists.
        return page.address(result.pk)


class ReadOnly(_ModelAdmin):
    """A page of facts. Nobody adds, changes or deletes here, superusers neither.

    Who may look is decided by the permission to view. A list costs the same number of queries
    however long it is: its columns read nothing beyond `list_select_related`.
    """

    prefix = ""
    """Of the guids of what is shown here; empty for things that have none."""
    guid_fields: Mapping[str, str] = {}
    """By the prefix of a guid: which field holds its UUID. Such a guid searches this list."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    change_form_template = "admin/read_only.html"

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: facts come from verbs."""
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: a wrong fact is answered by another fact."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: facts stay."""
        del request, obj
        return False

    @admin.display(description="id", ordering="pk")
    def guid(self, row: Any) -> str:
        """Return the id that people and the API see."""
        return guid(self.prefix, row.pk)

    def tables(self, obj: Any) -> list[Table]:
        """Return the lists that stand below the fields of one thing; rooms say which."""
        del obj
        return []

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Return every field that is shown."""
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the kind of list that leads to guids."""
        del request, kwargs
        return Rows

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return what a page's address names, by guid or by primary key; None for nothing."""
        with suppress(Invalid):
            object_id = str(parse_guid(object_id, self.prefix)) if self.prefix else object_id
        # Nothing names no field; Django itself would look for one of that name.
        return super().get_object(request, object_id, from_field or None)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by guid or UUID where the term is one, else by the words of `search_fields`."""
        found = self.identity(search_term.strip())
        if found is None:
            return super().get_search_results(request, queryset, search_term)
        field, identity = found
        return queryset.filter(**{field: identity}), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list. Raises BadRequest for text and numbers that no database takes."""
        if any("\0" in text for texts in request.GET.lists() for text in (texts[0], *texts[1])):
            raise BadRequest
        try:
            return super().changelist_view(request, extra_context)
        except OverflowError:  # Django's own navigation by date computes with any year.
            raise BadRequest from None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one thing, the lists that belong to it, and where else it is spoken of."""
        context = dict(extra_context or {})
        if request.method == "GET" and self.has_view_permission(request):
            obj = self.get_object(request, object_id)
            if obj is not None:
                context |= {"tables": self.tables(obj), "see_also": self.see_also(request, obj)}
        return super().change_view(request, object_id, form_url, context)

    def identity(self, term: str) -> tuple[str, UUID] | None:
        """Return the field and UUID that a search for a guid or UUID is about, else None."""
        fields = dict(self.guid_fields) | ({self.prefix: "pk"} if self.prefix else {})
        field = fields.get(term[:PREFIX_DIGITS])
        try:
            if field is not None:
                return field, parse_guid(term, term[:PREFIX_DIGITS])
            return ("pk", UUID(term)) if self.prefix else None
        except ValueError:  # Invalid is one, too.
            return None

    def see_also(self, request: HttpRequest, obj: Any) -> list[tuple[str, str]]:
        """Return name and address of every list that can be searched by this thing's guid."""
        if not self.prefix:
            return []
        term = guid(self.prefix, obj.pk)
        return [
            (str(page.opts.verbose_name_plural).capitalize(), page.search_address(term))
            for page in pages(self.admin_site)
            if self.prefix in page.guid_fields and page.has_view_permission(request)
        ]

    def address(self, pk: UUID | int | str) -> str:
        """Return the address of one thing's page."""
        name = guid(self.prefix, pk) if self.prefix and isinstance(pk, UUID) else quote(pk)
        return reverse(self._view("change"), args=(name,))

    def search_address(self, term: str) -> str:
        """Return the address of the list, searched for a term."""
        return f"{reverse(self._view('changelist'))}?{urlencode({'q': term})}"

    def _view(self, name: str) -> str:
        site = self.admin_site.name
        return f"{site}:{self.opts.app_label}_{self.opts.model_name}_{name}"


def pages(site: admin.AdminSite = admin.site) -> list[ReadOnly]:
    """Return all pages of facts, in the order in which they were registered."""
    every = site._registry.values()  # noqa: SLF001  # There is no other way to ask a site for all.
    return [page for page in every if isinstance(page, ReadOnly)]


def linked(name: str, *, text: str = "") -> str:
    """Return a guid as a link to its page, or as text where no page shows its kind."""
    for page in pages():
        if page.prefix and page.prefix == name[:PREFIX_DIGITS]:
            return link_to(page.address(parse_guid(name, page.prefix)), text or name)
    return text or name


def link(prefix: str, pk: UUID | None, *, text: str = "") -> str:
    """Return the thing of this UUID as a link to its page; a dash for None."""
    return "-" if pk is None else linked(guid(prefix, pk), text=text)


def searched(model: type[Model], term: str) -> str:
    """Return the address of a model's list, searched for a term; empty where it has no page."""
    page = admin.site.get_model_admin(model)
    return page.search_address(term) if isinstance(page, ReadOnly) else ""
