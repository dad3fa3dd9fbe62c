"""Show the things that a row points to, whole: one statement for all rows of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from accounts.models import Company
    from billy.api.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A thing that can be shown whole under `name`: which rows, by which id, in which shape."""

    name: str
    attribute: str  # Of the row: the id of the thing, or None.
    rows: Callable[[], QuerySet[Any]]
    shape: type[Shape]

    def put(self, rows: list[Any], items: list[dict[str, Any]], *, company: Company) -> None:
        """Put the things into what is told of the rows; null where there is none."""
        wanted = {getattr(row, self.attribute) for row in rows} - {None}
        found = self.rows().filter(company=company.pk, pk__in=wanted) if wanted else ()
        shown = {each.pk: self.shape.of(each) for each in found}
        for row, item in zip(rows, items, strict=True):
            item[self.name] = shown.get(getattr(row, self.attribute))
