"""Lists: the original's `offset` and `limit`, and cursors that stay right while things are added.

A cursor is the place of the last thing shown: where it stands in the order, and its id. It is used
as a bound within the company's own rows, so one that was made up shows nothing that a page would
not: every text of a cursor's form is a place, and others are refused.
"""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from string import ascii_lowercase, ascii_uppercase, digits
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.db.models import Q

from billy.api.inputs import Given, Input, Instant, Many, OneOf, Text, Whole
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import QuerySet

MOST = 100  # Things on a page.
USUAL = 20
LARGEST_OFFSET = 10**9
LARGEST_LIMIT = 10**12 - 1  # As long as no card number is.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EARLIEST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
PLACE = struct.Struct(">cq16s")
DIGITS = ascii_uppercase + ascii_lowercase + digits + "-_"  # Base 64 as RFC 4648, 5 has it.
LENGTH = 34  # Characters of a cursor.
BOUNDS = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Newest first: by an instant and then by the id, or by the id alone, which tells the instant.

    `mark` tells the cursors of one order from those of another.
    """

    mark: bytes
    field: str = ""
    is_number: bool = False  # Else an instant.

    @property
    def names(self) -> tuple[str, ...]:
        """Return what the rows are sorted by."""
        return (f"-{self.field}", "-pk") if self.field else ("-pk",)

    @property
    def pattern(self) -> str:
        """Return the form of a cursor, as a regular expression: it begins with the mark."""
        first, rest = divmod(self.mark[0], 4)
        second = DIGITS[16 * rest :][:16].replace("-", r"\-")
        return f"^{DIGITS[first]}[{second}][A-Za-z0-9_-]{{{LENGTH - 2}}}$"

    def after(self, token: str) -> Q:
        """Return the rows behind a place; raises Invalid for what is no cursor of this order."""
        at, identity = self._read(token)
        behind = Q(pk__lt=identity)
        if not self.field:
            return behind
        earlier = Q(**{f"{self.field}__lt": at})
        # The first part is for the index, which reads no alternatives.
        same = Q(**{self.field: at}) & behind
        return Q(**{f"{self.field}__lte": at}) & (earlier | same)

    def cursor(self, row: Any) -> str:
        """Return the place of a row."""
        at = attrgetter(self.field.replace("__", "."))(row) if self.field else 0
        if isinstance(at, datetime):
            at = (at - EPOCH) // MICROSECOND
        packed = PLACE.pack(self.mark, at, row.pk.bytes)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def _read(self, token: str) -> tuple[datetime | int, UUID]:
        if re.fullmatch(self.pattern[1:-1], token) is None:
            raise Invalid(after="must be the `next` of a page of this list")
        _, number, raw = PLACE.unpack(base64.urlsafe_b64decode(token + "=="))
        at = number if self.is_number else instant_of(number)
        return at, UUID(bytes=raw)


def instant_of(microseconds: int) -> datetime:
    """Return the instant so long after 1970, or the one that is nearest to it."""
    return EPOCH + MICROSECOND * min(max(microseconds, EARLIEST), LATEST)


BY_ID = Order(mark=b"i")
BY_CREATION = Order(mark=b"c", field="created_at")
# A scheduler begins with its trail, whose index no cycle writes.
BY_TRAIL = Order(mark=b"c", field="trail__began_at")
BY_SEQ = Order(mark=b"s", field="seq", is_number=True)
BY_DUE = Order(mark=b"d", field="due_at")


def query(
    name: str,
    *,
    expands: Sequence[str] = (),
    ranges: Sequence[str] = (),
    is_list: bool = True,
    is_lenient: bool = False,
    **filters: Given,
) -> type[Input]:
    """Return the input of a query: pages, ranges of instants, what to expand, and filters."""
    fields: dict[str, Given] = {}
    if is_list:
        fields["limit"] = Whole(
            0,
            LARGEST_LIMIT,
            about=f"How many, {USUAL} unless it says otherwise; at most {MOST} are shown.",
        )
        fields["offset"] = Whole(0, LARGEST_OFFSET, about="How many to pass over.")
        fields["after"] = Text(64, about="The `next` of the page before this one.")
    for field in ranges:
        for bound in BOUNDS:
            about = f"Only where `{field}` is {WORDS[bound]}."
            fields[f"{field}[{bound}]"] = Instant(is_bound=True, about=about)
    if expands:
        each = OneOf(expands)
        about = "Show these things whole, with commas."
        fields["expand"] = Many(each, len(expands), lasting=True, about=about)
    fields |= filters
    made: Any = type(name, (Input,), {**fields, "__doc__": f"The query of {name}."})
    made.is_lenient, made.empty_is_refused = is_lenient, not is_lenient
    return cast("type[Input]", made)


WORDS = {"gt": "later", "gte": "this or later", "lt": "earlier", "lte": "this or earlier"}


def within(rows: QuerySet[Any], given: Mapping[str, Any], *, at: str = "") -> QuerySet[Any]:
    """Keep the rows in the ranges that a query gives; `at` is the column of `created_at`."""
    for name, value in given.items():
        field, bracket, bound = name.partition("[")
        if bracket and value is not None:
            column = at or field if field == "created_at" else field
            rows = rows.filter(**{f"{column}__{bound[:-1]}": value})
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows of a list, and where to go on: `next` is None on the last page."""

    rows: list[Any]
    offset: int
    limit: int
    next: str | None

    def envelope(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what is answered."""
        return {"items": items, "offset": self.offset, "limit": self.limit, "next": self.next}


def page(rows: QuerySet[Any], given: Mapping[str, Any], *, order: Order) -> Page:
    """Return one page of the rows; raises Invalid."""
    asked = given.get("limit")
    limit = USUAL if asked is None else min(asked, MOST)
    offset = given.get("offset") or 0
    after = given.get("after")
    if after:
        rows = rows.filter(order.after(after))
    found = list(rows.order_by(*order.names)[offset : offset + limit + 1])
    shown = found[:limit]
    more = len(found) > limit and bool(shown)
    return Page(
        rows=shown,
        offset=offset,
        limit=limit,
        next=order.cursor(shown[-1]) if more else None,
    )
