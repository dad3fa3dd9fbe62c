"""Each test that uses the database gets a fresh copy of a migrated one.

A copy costs about 50 ms and buys three things: code under test may open real, durable transactions;
several threads and connections may work at once; and no row, sequence or trigger that was changed
outlives its test. Wrapping each test in a transaction that is rolled back gives none of them.

The migrated template is kept between runs under a name made of the digest of the source, so
migrations run once per change of the code and not once per run and process. Advisory locks tell
whose databases are still in use: they go with the connection, however the process ends.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2
import pytest
from psycopg2 import sql

from billy import embedded
from billy.places import CHECKOUT

TEMPLATE = "billy_template_"
UNFINISHED = "_unfinished"
COPY = "billy_test_"
FILE_COPY_SINCE = 150_000  # PostgreSQL 15; before, there was no other way.
# Not part of what the migrations make.
PASSED_OVER = frozenset({"tests", "var", "sandbox", "docs", "node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database of one test: `url` is what a child process would be given as DATABASE_URL."""

    name: str
    url: str


class Workshop:
    """Makes databases on one server, over a connection that lives as long as the tests do."""

    def __init__(self, url: str) -> None:
        """Connect, and clear away what tests that were killed have left."""
        self.url = url
        self.run = f"{COPY}{uuid.uuid4().hex[:12]}"
        self._numbers = count(1)
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        self._ask("SELECT pg_advisory_lock(hashtextextended(%s, 0))", self.run)

    def template(self, migrate: Any) -> str:
        """Return the name of the migrated template, held for this session; `migrate` fills it."""
        name = f"{TEMPLATE}{digest_of_source()[:16]}"
        # Held before the look: nobody can clear it away between that and its use.
        self._ask("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", name)
        with self._only_one(name):
            if not self._ask("SELECT 1 FROM pg_database WHERE datname = %s", name):
                unfinished = f"{name}{UNFINISHED}"
                self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)", unfinished)
                self._do("CREATE DATABASE {}", unfinished)
                migrate(self.describe(unfinished))
                self._do("ALTER DATABASE {} RENAME TO {}", unfinished, name)
        self._clear_away(name)
        return name

    def copy(self, template: str) -> Database:
        """Make the database of one test."""
        name = f"{self.run}_{next(self._numbers)}"
        self._copy(name, template)
        return self.describe(name)

    def replace(self, database: Database, other: Database) -> None:
        """Put a copy of another one in the place of a database, as a restore does."""
        self.drop(database)
        self._copy(database.name, other.name)

    def drop(self, database: Database) -> None:
        """Remove a test's database, with whatever is still connected to it."""
        self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name)

    def describe(self, name: str) -> Database:
        """Return a database of this server."""
        parts = urlsplit(self.url)
        return Database(name=name, url=urlunsplit(parts._replace(path=f"/{quote(name)}")))

    def close(self) -> None:
        """Let go of the locks."""
        self._connection.close()

    def _clear_away(self, current: str) -> None:
        """Drop templates of other source and copies of runs that are over."""
        pattern = f"^({TEMPLATE}|{COPY})"
        for (name,) in self._ask("SELECT datname FROM pg_database WHERE datname ~ %s", pattern):
            owner = owner_of(name)
            if owner in {current, self.run}:
                continue
            if self._ask("SELECT 1 WHERE pg_try_advisory_lock(hashtextextended(%s, 0))", owner):
                self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
                self._ask("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", owner)

    @contextmanager
    def _only_one(self, name: str) -> Iterator[None]:
        building = f"{name}{UNFINISHED}"
        self._ask("SELECT pg_advisory_lock(hashtextextended(%s, 0))", building)
        try:
            yield
        finally:
            self._ask("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", building)

    def _copy(self, name: str, template: str) -> None:
        """Copy a database file by file: page by page through the log takes ten times as long."""
        newer = self._connection.server_version >= FILE_COPY_SINCE
        by_files = " STRATEGY FILE_COPY" if newer else ""
        self._do("CREATE DATABASE {} TEMPLATE {}" + by_files, name, template)

    def _do(self, statement: str, *names: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _ask(self, question: str, *values: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(question, values)
            return cursor.fetchall()


def owner_of(name: str) -> str:
    """Return the name of the lock that is held as long as a database of ours is in use."""
    return name.rpartition("_")[0] if name.startswith(COPY) else name


def digest_of_source() -> str:
    """Return the SHA-256 of all source that could change what the migrations make."""
    digest = hashlib.sha256()
    for path in source_files(CHECKOUT):
        digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
        digest.update(path.read_bytes())
    digest.update(os.environ.get("BILLY_APPS", "").encode())
    digest.update((CHECKOUT / "requirements.txt").read_bytes())
    return digest.hexdigest()


def source_files(top: Path) -> list[Path]:
    """Return the Python and SQL files below a folder, sorted, without tests and hidden folders."""
    found: list[Path] = []
    for folder, inner, files in os.walk(top):
        inner[:] = [each for each in inner if each not in PASSED_OVER and not each.startswith(".")]
        found += [Path(folder, each) for each in files if each.endswith((".py", ".sql"))]
    return sorted(found)


@contextmanager
def connected_to(database: Database) -> Iterator[None]:
    """Point Django's default connection, in all threads, and DATABASE_URL at a database."""
    from django.db import connections

    from billy.environment import database_from_url

    names = ("NAME", "HOST", "PORT", "USER", "PASSWORD")
    shared = connections.settings["default"]  # The connections of all threads read this one.
    before = {name: shared[name] for name in names}
    variable = os.environ.get("DATABASE_URL")
    found = database_from_url(database.url)
    connections.close_all()
    shared.update({name: found[name] for name in names})
    os.environ["DATABASE_URL"] = database.url
    try:
        yield
    finally:
        connections.close_all()
        shared.update(before)
        del os.environ["DATABASE_URL"]
        if variable is not None:
            os.environ["DATABASE_URL"] = variable


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """The server: that of DATABASE_URL, or else the embedded one without fsync."""
    made = Workshop(os.environ.get("DATABASE_URL") or embedded.database_url(fast=True))
    yield made
    made.close()


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker, workshop: Workshop) -> str:
    """Name the migrated template. Takes the place of pytest-django's one test database."""
    from django.core.management import call_command

    def migrate(database: Database) -> None:
        with connected_to(database):
            call_command("migrate", verbosity=0, interactive=False)

    with django_db_blocker.unblock():
        return workshop.template(migrate)


@pytest.fixture
def database(django_db_setup, django_db_blocker, workshop) -> Iterator[Database]:
    """A fresh database of this test's own, which Django's default connection points to."""
    made = workshop.copy(django_db_setup)
    try:
        with django_db_blocker.unblock(), connected_to(made):
            yield made
    finally:
        workshop.drop(made)


@pytest.fixture
def _django_db_helper(database) -> None:
    """What the `django_db` mark and the fixtures `db` and `transactional_db` come down to."""
