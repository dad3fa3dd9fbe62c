"""Read many rows page by page, over a cursor of the server's: what is held is one page.

A statement that streams must run in a transaction, as every check does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROWS_AT_ONCE = 5_000  # Some megabytes at most, and few enough round trips to be fast.


def pages(
    statement: str,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    *,
    step: Callable[[int], None] = lambda _rows: None,
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the statement's rows in pages; `step` is told the size of each once it was used."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield rows
            step(len(rows))
