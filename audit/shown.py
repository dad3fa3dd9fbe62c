"""How single facts look in the admin: money, states, JSON, tables. Pure: no request, no query."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field
from django.contrib.admin.utils import lookup_field as looked_up
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from core.money import Money

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    Shown = Callable[[Any, Any], str | None]

EMPTY = "-"

# How a state sounds to a merchant. What is not named here is quiet.
TONES = {
    "good": ("active", "settled", "succeeded", "ok", "live", "open for calls", "offered"),
    "wait": ("trialing", "open", "draft", "queued", "intent", "pending", "waiting", "past_due"),
    "bad": (
        *("held", "parked", "errored", "uncollected", "declined", "rejected", "returned"),
        *("unknown", "frozen"),
    ),
}
_TONE_OF = {state: tone for tone, states in TONES.items() for state in states}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A list below the fields of a page; `more` is the address of the whole list, if any."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: str = ""


def money(amount: int | None, currency: str) -> str:
    """Return whole minor units as people read them, such as $1.00; a dash for None."""
    if amount is None:
        return EMPTY
    return format_html('<span class="billy-money">{}</span>', Money(amount, currency).display())


def instant(at: datetime) -> str:
    """Return an instant in the installation's zone, written as every other one on the page."""
    return str(localize(localtime(at)))


def badge(state: str) -> str:
    """Return a state as a coloured word."""
    tone = _TONE_OF.get(state, "quiet")
    return format_html(
        '<span class="billy-badge billy-{}">{}</span>', tone, state.replace("_", " ")
    )


def as_json(value: object) -> str:
    """Return JSON as indented text; a dash for nothing."""
    if not value:
        return EMPTY
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    return format_html('<pre class="billy-json">{}</pre>', text)


def link_to(address: str, text: str) -> str:
    """Return a link."""
    return format_html('<a href="{}">{}</a>', address, text)


def money_column(field: str, *, label: str = "") -> Shown:
    """Return a column that shows a field of minor units in the row's `currency`, if it has one."""

    @admin.display(description=label or field.replace("_", " "), ordering=field)
    def shown(_page: Any, row: Any) -> str | None:
        amount = getattr(row, field)
        return None if amount is None else money(amount, row.currency)

    return shown


def badge_column(field: str, *, label: str = "") -> Shown:
    """Return a column that shows a field as a badge."""

    @admin.display(description=label or field.replace("_", " "), ordering=field)
    def shown(_page: Any, row: Any) -> str:
        return badge(getattr(row, field))

    return shown


def json_column(field: str, *, label: str = "") -> Shown:
    """Return a column that shows a field of JSON."""

    @admin.display(description=label or field.replace("_", " "))
    def shown(_page: Any, row: Any) -> str:
        return as_json(getattr(row, field))

    return shown


def table(
    title: str,
    rows: Iterable[Any],
    *,
    page: admin.ModelAdmin[Any],
    columns: Sequence[str],
    more: str = "",
) -> Table:
    """Return rows under the same columns, with the same labels, as the list on their own page."""
    return Table(
        title=title,
        headings=tuple(
            SafeString(str(label_for_field(name, page.model, page))).capitalize()
            for name in columns
        ),
        rows=tuple(tuple(_cell(name, row, page) for name in columns) for row in rows),
        more=more,
    )


def _cell(name: str, row: Any, page: admin.ModelAdmin[Any]) -> str:
    field, attribute, value = looked_up(name, row, page)
    if field is not None:
        return display_for_field(value, field, EMPTY)
    return display_for_value(value, EMPTY, boolean=getattr(attribute, "boolean", False))
