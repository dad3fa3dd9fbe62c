"""Exports: events, feeds and transactions of a range, as JSON lines or CSV, streamed.

Events come trail by trail in the order of their chain, with every column that the hash covers under
the names that docs/audit.md uses: whoever has the lines of a trail can check them without Billy.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.http import StreamingHttpResponse

from accounts import wall
from audit.models import AuditEvent
from billy.api.door import Door, Operation
from billy.api.events import TrailGuid
from billy.api.feeds import FeedShape, completed, feeds
from billy.api.inputs import OneOf
from billy.api.lists import query, within
from billy.api.plans import RANGES
from billy.api.shapes import Shape
from billy.api.touched import feeds_within
from billy.api.transactions import TransactionShape, transactions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROWS_AT_ONCE = 500  # What is held in memory.
FORMATS = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=UTF-8"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
RISKY = ("=", "+", "-", "@", "\t", "\r")  # What a spreadsheet would take for a formula.


class _Line:
    """A file to write one line to at a time."""

    def write(self, text: str) -> str:
        """Return what would be written."""
        return text


def as_jsonl(items: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield one JSON object a line."""
    for item in items:
        yield json.dumps(item, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"


def as_csv(items: Iterable[dict[str, Any]], names: Sequence[str]) -> Iterator[str]:
    """Yield a head and one row a line; what is no plain value is JSON within its cell."""
    writer = csv.writer(_Line())
    yield str(writer.writerow(names))
    for item in items:
        yield str(writer.writerow([_cell(item[name]) for name in names]))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(RISKY):
        return f"'{value}"
    return str(value)


EVENT_NAMES = (
    *("actor", "amount", "at", "body", "company", "currency", "dedupe", "feed", "hash", "kind"),
    *("moved", "prev", "seq", "trail", "transaction"),
)


def told_event(event: AuditEvent) -> dict[str, Any]:
    """Return an event as docs/audit.md checks it: every column that is hashed, and both hashes."""
    return {
        "actor": event.actor,
        "amount": event.amount,
        "at": (event.at - EPOCH) // MICROSECOND,
        "body": event.body,
        "company": str(event.company_id),
        "currency": event.currency,
        "dedupe": event.dedupe,
        "feed": None if event.feed_id is None else str(event.feed_id),
        "hash": bytes(event.hash).hex(),
        "kind": event.kind,
        "moved": event.moved,
        "prev": bytes(event.prev).hex(),
        "seq": event.seq,
        "trail": str(event.trail_id),
        "transaction": None if event.transaction_id is None else str(event.transaction_id),
    }


def names_of(shape: type[Shape]) -> list[str]:
    """Return the columns of a shape."""
    return sorted(name for name, _ in shape.getters)


def exporting(
    what: str, *, ranges: Sequence[str] = RANGES, order: str = "oldest first", **more: Any
) -> Operation:
    """Return the operation of an export; what is never changed has no range of changes."""
    return Operation(
        summary=f"Export {what}",
        query=query(
            f"Export{what.capitalize()}Query",
            is_list=False,
            ranges=ranges,
            format=OneOf(tuple(FORMATS), default="jsonl"),
            **more,
        ),
        media=("application/x-ndjson", "text/csv"),
        about=f"JSON lines, or CSV with `format=csv`; {order}, streamed.",
    )


ONE_TRAIL = TrailGuid(about="Of one trail only.")


class Export(Door):
    """A stream of rows."""

    what: ClassVar[str] = ""
    names: ClassVar[Sequence[str]] = ()  # Of the columns.

    def get(self, _: Any) -> StreamingHttpResponse:
        """Stream what the query asks for."""
        kind = self.asked["format"]
        lines = as_csv(self.items(), self.names) if kind == "csv" else as_jsonl(self.items())
        answer = StreamingHttpResponse(self._behind_the_wall(lines), content_type=FORMATS[kind])
        answer.headers["Content-Disposition"] = f'attachment; filename="{self.what}.{kind}"'
        return answer

    def _behind_the_wall(self, lines: Iterator[str]) -> Iterator[str]:
        """Yield the lines: they are read after the request was answered, so once more behind it."""
        with wall.within(self.company.pk):
            yield from lines

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield what is told of each row, oldest first."""
        yield from ()


class ExportEvents(Export):
    """`GET /v1/exports/events`."""

    tag = "exports"
    what = "events"
    names = EVENT_NAMES
    operations = {
        "get": exporting(
            "events", ranges=("created_at",), order="trail by trail", trail_guid=ONE_TRAIL
        )
    }

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield events, trail by trail."""
        rows = AuditEvent.objects.filter(company_id=self.company.pk)
        if self.asked["trail_guid"]:
            rows = rows.filter(trail=self.asked["trail_guid"])
        rows = within(rows, self.asked, at="at").order_by("trail_id", "seq")
        for event in rows.iterator(ROWS_AT_ONCE):
            yield told_event(event)


class ExportFeeds(Export):
    """`GET /v1/exports/feeds`."""

    tag = "exports"
    what = "feeds"
    names = names_of(FeedShape)
    operations = {"get": exporting("feeds")}

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield feeds with their lines."""
        rows = feeds_within(feeds(self.company), self.asked).order_by("created_at", "pk")
        for some in batched(rows.iterator(ROWS_AT_ONCE)):
            completed(some)
            for feed in some:
                yield FeedShape.of(feed)


class ExportTransactions(Export):
    """`GET /v1/exports/transactions`."""

    tag = "exports"
    what = "transactions"
    names = names_of(TransactionShape)
    operations = {"get": exporting("transactions")}

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield attempts."""
        rows = within(transactions(self.company), self.asked).order_by("created_at", "pk")
        for each in rows.iterator(ROWS_AT_ONCE):
            yield TransactionShape.of(each)


def batched(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield the rows in lists of a few hundred."""
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == ROWS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some
