"""A connection that counts what it is asked: statements, and transactions that were committed.

BEGIN and COMMIT are no statements here: a committed transaction is counted as such. A statement
outside a transaction, which is how a question is put, counts as a statement only.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2.extensions
from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Iterator


class Count:
    """The counts of this process, over all of its connections."""

    statements = 0
    commits = 0

    @classmethod
    def taken(cls) -> tuple[int, int]:
        """Return (statements, commits) so far."""
        return cls.statements, cls.commits


class CountedCursor(psycopg2.extensions.cursor):
    """A cursor that counts its statements."""

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002  # psycopg2's own name.
        """Count, then do as a cursor does."""
        Count.statements += 1
        super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        """Count each row: that is how psycopg2 sends them."""
        rows = list(vars_list)
        Count.statements += len(rows)
        super().executemany(query, rows)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        """Count one statement, however many rows come with it."""
        Count.statements += 1
        super().copy_expert(sql, file, size)


class CountedConnection(psycopg2.extensions.connection):
    """A connection that counts its commits, and whose cursors count."""

    def cursor(self, *arguments: Any, **named: Any) -> Any:
        """Return a cursor that counts."""
        named.setdefault("cursor_factory", CountedCursor)
        return super().cursor(*arguments, **named)

    def commit(self) -> None:
        """Count a commit that ends a transaction; one without is none."""
        if self.get_transaction_status() == psycopg2.extensions.TRANSACTION_STATUS_INTRANS:
            Count.commits += 1
        super().commit()


@contextmanager
def counting() -> Iterator[None]:
    """Let every connection that Django opens within this block count."""
    options = connections.settings["default"]["OPTIONS"]
    connections.close_all()
    options["connection_factory"] = CountedConnection
    try:
        yield
    finally:
        connections.close_all()
        del options["connection_factory"]
