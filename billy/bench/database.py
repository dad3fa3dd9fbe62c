"""Databases of the benchmark's own, on the server that this checkout uses; dropped afterwards.

The embedded server is the ordinary one, which forces every commit to the disk, and not the fast one
of the tests.
"""

from __future__ import annotations

import secrets
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2
from django.db import connections
from psycopg2 import sql

from billy import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812  # A class, despite its name.

PREFIX = "billy_bench_"
COPIES_FILES_SINCE = 150_000  # PostgreSQL 15 can copy a template by its files again.
LOCK = "pg_try_advisory_lock(hashtextextended(%s, 0))"


class NoDatabase(RuntimeError):
    """No database can be made; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where databases are made, over one connection; all names begin with that of this run."""

    url: str
    run: str
    connection: Connection

    def make(self, name: str, *, template: str = "") -> str:
        """Make a database, empty or as a copy of another one of ours; returns its url.

        A copy is made from files, after a checkpoint: its first changes find all pages untouched.
        """
        copied = sql.Composed([])
        if template:
            by_files = self.connection.server_version >= COPIES_FILES_SINCE
            copied = sql.SQL(" TEMPLATE {}{}").format(
                sql.Identifier(self.named(template)),
                sql.SQL(" STRATEGY FILE_COPY" if by_files else ""),
            )
        self._do(sql.SQL("CREATE DATABASE {}{}").format(self._identifier(name), copied))
        return self.url_of(name)

    def drop(self, name: str) -> None:
        """Remove a database, with whatever is still connected to it."""
        self._do(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(self._identifier(name)))

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """Make a copy for one run and drop it afterwards; yields its url."""
        name = f"copy_{secrets.token_hex(4)}"
        url = self.make(name, template=template)
        try:
            yield url
        finally:
            self.drop(name)

    def named(self, name: str) -> str:
        """Return the full name of one of our databases."""
        return f"{self.run}_{name}"

    def url_of(self, name: str) -> str:
        """Return the url of one of our databases."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"/{quote(self.named(name))}"))

    def says(self, question: str) -> Any:
        """Ask for one value."""
        with self.connection.cursor() as cursor:
            cursor.execute(question)
            ((value,),) = cursor.fetchall()
            return value

    def clear_away(self) -> None:
        """Drop all databases of this run, and those of runs that were killed."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{PREFIX}%"])
            for (name,) in cursor.fetchall():
                run = name[: len(self.run)]
                cursor.execute(f"SELECT {LOCK}", [run])  # Its own lock it is given again.
                ((free,),) = cursor.fetchall()
                if free:
                    with suppress(psycopg2.errors.InsufficientPrivilege):
                        self._do(
                            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                                sql.Identifier(name)
                            )
                        )

    def _identifier(self, name: str) -> sql.Identifier:
        return sql.Identifier(self.named(name))

    def _do(self, statement: sql.Composable) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)


@contextmanager
def server() -> Iterator[Server]:
    """Connect to the server of DATABASE_URL, or else the embedded one; clears away afterwards.

    An advisory lock tells that a run is alive, and goes with the process however that ends: the
    next run drops what one that was killed has left. Raises NoDatabase.
    """
    url = _url()
    try:
        connection = psycopg2.connect(url)
    except psycopg2.OperationalError as error:
        raise NoDatabase(f"DATABASE_URL: {str(error).strip()}") from error
    connection.autocommit = True
    with closing(connection):
        found = Server(url=url, run=f"{PREFIX}{secrets.token_hex(4)}", connection=connection)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {LOCK}, rolcreatedb OR rolsuper FROM pg_roles"
                " WHERE rolname = current_user",
                [found.run],
            )
            if not cursor.fetchall()[0][1]:
                raise NoDatabase(
                    "The benchmark makes databases of its own, and the user of DATABASE_URL may "
                    "not: unset DATABASE_URL, or let it (ALTER USER ... CREATEDB)"
                )
        try:
            found.clear_away()
            yield found
        finally:
            found.clear_away()


def _url() -> str:
    """Return the url of a database that is there already: ours are made over it."""
    given = connections["default"].settings_dict
    if given["ENGINE"] == "billy.embedded.backend" and not given["HOST"]:
        return embedded.database_url(name="postgres")
    who = quote(given["USER"] or "", safe="")
    if given["PASSWORD"]:
        who += f":{quote(given['PASSWORD'], safe='')}"
    where = quote(given["HOST"] or "", safe="")
    port = f":{given['PORT']}" if given["PORT"] else ""
    return f"postgres://{who}{'@' if who else ''}{where}{port}/{quote(given['NAME'], safe='')}"
