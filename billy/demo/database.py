"""A database of the demo's own, on the server that this checkout uses; dropped at the end."""

from __future__ import annotations

import secrets
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg2
from django.db import connections
from psycopg2 import sql

from billy import embedded
from billy.environment import database_from_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812  # A class, despite its name.

PREFIX = "billy_demo_"
EMBEDDED = "billy.embedded.backend"
UNUSED = "NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = %s)"
LOCK = "pg_try_advisory_lock(hashtextextended(%s, 0))"


class NoDatabase(RuntimeError):
    """No database of our own can be made; the text says why and what to do."""


@contextmanager
def fresh_database() -> Iterator[str]:
    """Make an empty database, point Django at it, and drop it at the end; yields the server's name.

    An advisory lock tells that it is in use, and goes with the process however that ends: the next
    demo drops what one that was killed has left. Raises NoDatabase.
    """
    given = connections["default"].settings_dict
    is_embedded = given["ENGINE"] == EMBEDDED and not given["HOST"]
    where = _access(
        database_from_url(embedded.database_url(name="postgres")) if is_embedded else given
    )
    name = f"{PREFIX}{secrets.token_hex(6)}"
    with closing(_connected(where)) as server:
        _ask(server, f"SELECT {LOCK}", name)
        _clear_away(server, but=name)
        _make(server, name)
        try:
            # Somebody is always connected to it, so that nobody takes it for one left behind.
            with closing(_connected(where | {"dbname": name})), _pointed_at(where, name):
                yield _name_of(
                    server, is_embedded="host" not in connections["default"].settings_dict
                )
        finally:
            _drop(server, name)


def _access(found: dict[str, Any]) -> dict[str, Any]:
    """Return how to connect to a database that is there already: ours is made from it."""
    names = {"NAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user"}
    names["PASSWORD"] = "password"  # noqa: S105  # The name of a parameter.
    return {ours: found[django] for django, ours in names.items() if found.get(django)}


def _connected(where: dict[str, Any]) -> Connection:
    try:
        server: Connection = psycopg2.connect(**where)
    except psycopg2.OperationalError as error:
        raise NoDatabase(f"DATABASE_URL: {str(error).strip()}") from error
    server.autocommit = True
    return server


def _make(server: Connection, name: str) -> None:
    try:
        _do(server, "CREATE DATABASE {}", name)
    except psycopg2.errors.InsufficientPrivilege as error:
        raise NoDatabase(
            "The demo makes a database of its own, and the user of DATABASE_URL may not: unset "
            "DATABASE_URL, or let it (ALTER USER ... CREATEDB)"
        ) from error
    # It lives for seconds: nobody will ask for what a power cut took from it.
    _do(server, "ALTER DATABASE {} SET synchronous_commit = off", name)


@contextmanager
def _pointed_at(where: dict[str, Any], name: str) -> Iterator[None]:
    """Let Django's default connection, in all threads, lead to this database."""
    shared = connections.settings["default"]  # The connections of all threads read this one.
    before = {key: shared[key] for key in ("NAME", "HOST", "PORT", "USER", "PASSWORD")}
    connections.close_all()
    shared.update(
        NAME=name,
        HOST=where.get("host", ""),
        PORT=where.get("port", ""),
        USER=where.get("user", ""),
        PASSWORD=where.get("password", ""),
    )
    try:
        yield
    finally:
        connections.close_all()
        shared.update(before)


def _clear_away(server: Connection, *, but: str) -> None:
    names = _ask(server, "SELECT datname FROM pg_database WHERE datname LIKE %s", f"{PREFIX}%")
    for (name,) in names:
        if name != but and _ask(server, f"SELECT 1 WHERE {LOCK} AND {UNUSED}", name, name):
            with suppress(psycopg2.errors.InsufficientPrivilege):  # Another user's is theirs.
                _drop(server, name)


def _drop(server: Connection, name: str) -> None:
    with suppress(psycopg2.OperationalError):  # A server that went away took it along, or will.
        _do(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _name_of(server: Connection, *, is_embedded: bool) -> str:
    ((version,),) = _ask(server, "SELECT split_part(current_setting('server_version'), ' ', 1)")
    return f"PostgreSQL {version}{', embedded' if is_embedded else ''}"


def _do(server: Connection, statement: str, name: str) -> None:
    with server.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _ask(server: Connection, question: str, *values: str) -> list[tuple[Any, ...]]:
    with server.cursor() as cursor:
        cursor.execute(question, values)
        return cursor.fetchall()
