"""The second wall between companies: PostgreSQL itself shows a request only its company's rows.

The first wall is that every query names the company. Behind it, each statement of a request runs as
the role `billy_web`, for whom every table of ours has a policy: the rows of the company that the
setting `billy.tenant` names, and none where it names none. Workers, commands and the admin serve
all companies; they run as the owner of the tables, whom policies do not bind.

Role and setting are local to the transaction of each statement, and travel with it in one message:
that costs no round trip, nothing of them is left on the connection for the next request, and a pool
of connections may stand between.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import connection

from audit.sets import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

logger = logging.getLogger(__name__)

ROLE = "billy_web"
# Within a transaction that failed these alone are allowed; role and setting are there already.
SAVEPOINTS = ("SAVEPOINT", "ROLLBACK TO", "RELEASE")


class Wall:
    """What Django puts around each statement: it is told whose rows it may see."""

    def __init__(self, company: UUID) -> None:
        """Let statements see the rows of this company."""
        self._company = company
        self._words = f"SET LOCAL ROLE {ROLE}; SET LOCAL billy.tenant = '{company}'; "

    def __call__(self, execute: Callable[..., Any], sql: str, *given: Any) -> Any:
        """Run the statement behind the wall; Django gives its parameters and the cursor."""
        if sql.startswith(SAVEPOINTS):
            return execute(sql, *given)
        cursor = given[-1]["cursor"].cursor
        if cursor.name is None:
            return execute(self._words + sql, *given)
        with self._for_the_session(cursor.connection):
            return execute(sql, *given)

    @contextmanager
    def _for_the_session(self, connection: Any) -> Iterator[None]:
        """Set both for the session: what declares a cursor of the server's must come alone.

        Such a cursor outlives its transaction, and then holds the rows that it found.
        """
        with connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {ROLE}; SET billy.tenant = '{self._company}'")
            try:
                yield
            finally:
                cursor.execute("RESET ROLE; RESET billy.tenant")


@contextmanager
def within(company: UUID) -> Iterator[None]:
    """Show this thread's statements the rows of one company only, for as long as this lasts."""
    if not is_there():
        yield
        return
    with connection.execute_wrapper(Wall(company)):
        yield


@cache
def is_there() -> bool:
    """Return whether the database has the role and lets us take it; says so once where not."""
    rows = fetch(
        "SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s", [ROLE]
    )
    found = bool(rows and rows[0][0])
    if not found:
        logger.warning(
            "companies are kept apart by queries alone: the database has no role %s that we may "
            "take; docs/security.md says how to make it",
            ROLE,
        )
    return found
