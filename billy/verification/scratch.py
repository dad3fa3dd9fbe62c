"""Databases that are made, used and dropped again, on the server that this checkout uses."""

from __future__ import annotations

import secrets
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from django.core.management import call_command
from django.db import connections
from psycopg2 import sql

from billy import embedded
from billy.environment import database_from_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812  # A class, despite its name.

PREFIX: Final = "billy_scratch_"
EMBEDDED: Final = "billy.embedded.backend"
LOCK: Final = "pg_try_advisory_lock(hashtextextended(%s, 0))"
NAMES: Final = ("NAME", "HOST", "PORT", "USER", "PASSWORD")


class NoScratch(RuntimeError):
    """No database of our own can be made; the text says why."""


class Scratch:
    """Makes databases on one server, over a connection that lives as long as they do."""

    def __init__(self, server: Connection, where: dict[str, Any]) -> None:
        """Take a lock that goes with this process, and drop what killed ones have left."""
        self.where = where
        self.run = f"{PREFIX}{secrets.token_hex(6)}"
        self._server = server
        self._made: list[str] = []
        self._ask(f"SELECT {LOCK}", self.run)
        self._clear_away()

    def make(self, label: str, *, template: str = "template1") -> str:
        """Make a database, empty or a copy of another one that nobody is connected to."""
        name = f"{self.run}_{label}"
        try:
            self._do("CREATE DATABASE {} TEMPLATE {}", name, template)
        except psycopg2.errors.InsufficientPrivilege as error:
            raise NoScratch("the database's user may not make a database (CREATEDB)") from error
        self._made.append(name)
        return name

    def drop(self, name: str) -> None:
        """Remove a database, with whatever is still connected to it."""
        self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._made.remove(name)

    def drop_all(self) -> None:
        """Remove every database that was made here."""
        for name in list(self._made):
            self.drop(name)

    @contextmanager
    def pointed_at(self, name: str) -> Iterator[None]:
        """Let Django's default connection, in all threads, lead to a database."""
        shared = connections.settings["default"]  # The connections of all threads read this one.
        before = {key: shared[key] for key in NAMES}
        connections.close_all()
        shared.update({key: self.where.get(key, "") for key in NAMES} | {"NAME": name})
        try:
            yield
        finally:
            connections.close_all()
            shared.update(before)

    def _clear_away(self) -> None:
        for (name,) in self._ask(
            "SELECT datname FROM pg_database WHERE datname ~ %s", f"^{PREFIX}"
        ):
            owner = name.rpartition("_")[0]
            if owner != self.run and self._ask(f"SELECT 1 WHERE {LOCK}", owner):
                self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _do(self, statement: str, *names: str) -> None:
        with self._server.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _ask(self, question: str, *values: str) -> list[tuple[Any, ...]]:
        with self._server.cursor() as cursor:
            cursor.execute(question, values)
            return cursor.fetchall()


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Connect to the server and drop in the end what was made. Raises NoScratch."""
    where = _where()
    access = {ours: where[key] for key, ours in PARAMETERS.items() if where.get(key)}
    try:
        server = psycopg2.connect(**access)
    except psycopg2.OperationalError as error:
        raise NoScratch(str(error).strip()) from error
    server.autocommit = True
    with closing(server):
        made = Scratch(server, where)
        try:
            yield made
        finally:
            made.drop_all()


@contextmanager
def migrated() -> Iterator[Scratch]:
    """Point Django at a fresh database with all migrations applied. Raises NoScratch."""
    with scratch() as made, made.pointed_at(made.make("fresh")):
        call_command("migrate", verbosity=0, interactive=False)
        yield made


def _where() -> dict[str, Any]:
    """Return how to connect; never to the database itself that this process is pointed at."""
    given = dict(connections["default"].settings_dict)
    if given["ENGINE"] == EMBEDDED and not given["HOST"]:
        given = database_from_url(embedded.database_url(name="postgres"))
    return given


PARAMETERS: Final = {
    "NAME": "dbname",
    "HOST": "host",
    "PORT": "port",
    "USER": "user",
    "PASSWORD": "password",
}
