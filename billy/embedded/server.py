"""Start or join the embedded server of this checkout, and make databases in it.

A process that uses the server holds a shared lock for its life; forks share it with their parent.
The lock is taken before anything else, so the server that is then found cannot be ended by its
keeper any more, and the server that is then started cannot be started twice.
"""

import contextlib
import fcntl
import functools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg2
from psycopg2 import errors, sql

from billy.embedded import keeper
from billy.embedded.errors import EmbeddedUnavailable
from billy.embedded.home import Home, Owner, prepare
from core.locked import locked

PORT = 5432  # Names the socket's file; nothing listens on the network.
JOIN_SECONDS = 90.0  # Longer than a keeper takes to end one server and to start the next.
ROLE = "billy"

INITDB: Final = (
    "--username=billy",
    "--auth=trust",  # Whoever may enter the socket's folder (mode 700) is the owner.
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # Sorts alike on every machine, whatever its C library.
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
)
SETTINGS: Final = (
    "listen_addresses=",
    f"port={PORT}",
    "unix_socket_permissions=0700",
    "max_connections=100",
    "shared_buffers=128MB",
    "wal_compression=on",  # A page that is logged whole, after a checkpoint, shrinks to a third.
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=warning",
    "log_line_prefix=%m [%p] ",
    "password_encryption=scram-sha-256",
)
FAST_SETTINGS: Final = (
    # A test's database is never needed after a crash.
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "autovacuum=off",
    "max_wal_size=256MB",  # It may be in memory.
    "min_wal_size=32MB",
    "wal_level=minimal",
    "max_wal_senders=0",
)


class Server:
    """One embedded server, seen from a process that uses it."""

    def __init__(self, home: Home, *, fast: bool = False) -> None:
        """Name the server's home; nothing is started before `join`. `fast` gives up durability."""
        self.home = home
        self.fast = fast
        self._guard = threading.RLock()
        self._membership: int | None = None
        self._known: set[str] = set()

    def join(self) -> None:
        """Hold the server for the life of this process, starting it where it does not run.

        Cheap when it runs. Raises `EmbeddedUnavailable`.
        """
        with self._guard:
            self._become_a_user()
            if not self._answers():
                self._known.clear()
                with locked(self.home.starting):
                    self._start()

    def create_database(self, name: str) -> None:
        """Make a database unless it is there. Asks the server once per name and process."""
        with self._guard:
            if name in self._known:
                return
            connection = self._connect()
            try:
                connection.autocommit = True
                with (
                    connection.cursor() as cursor,
                    contextlib.suppress(errors.DuplicateDatabase, errors.UniqueViolation),
                ):
                    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
                    if cursor.fetchone() is None:
                        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            finally:
                connection.close()
            self._known.add(name)

    def url(self, name: str) -> str:
        """Return the URL of a database, with the socket's folder as its host."""
        host = quote(str(self._socket_folder()), safe="")
        return f"postgres://{ROLE}@{host}/{quote(name, safe='')}"

    def _connect(self) -> "psycopg2.extensions.connection":
        """Connect to the server's own database, waiting while it recovers from a crash."""
        deadline = time.monotonic() + JOIN_SECONDS
        while True:
            try:
                return psycopg2.connect(self.url("postgres"))
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedUnavailable(
                        f"The embedded PostgreSQL lets nobody in ({error}); see {self.home.log}"
                    ) from error
            time.sleep(0.02)

    def _become_a_user(self) -> None:
        if self._membership is not None:
            return
        try:
            self.home.root.mkdir(parents=True, exist_ok=True)
            membership = os.open(self.home.users, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EmbeddedUnavailable(
                f"The embedded PostgreSQL cannot write under {self.home.root} ({error.strerror}): "
                "set DATABASE_URL, or make the folder yours"
            ) from error
        # Waits only while a keeper is ending the server, which it does holding this lock.
        fcntl.flock(membership, fcntl.LOCK_SH)
        self._membership = membership

    def _start(self) -> None:
        """Wait for the running keeper's server, or start a keeper. Called under the start lock."""
        deadline = time.monotonic() + JOIN_SECONDS
        while not self._answers():
            if _is_free(self.home.keeping):
                self._start_keeper(*prepare(self.home))
            elif time.monotonic() > deadline:
                raise EmbeddedUnavailable(
                    f"The embedded PostgreSQL does not answer; see {self.home.log}"
                )
            else:
                time.sleep(0.02)

    def _start_keeper(self, owner: Owner, tree: Path) -> None:
        specification = json.dumps(self._specification(owner, tree))
        started = subprocess.run(
            [sys.executable, "-I", "-S", keeper.__file__, specification],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if started.returncode != 0:
            reason = started.stderr.strip() or f"see {self.home.log}"
            raise EmbeddedUnavailable(f"The embedded PostgreSQL did not start: {reason}")

    def _specification(self, owner: Owner, tree: Path) -> dict[str, object]:
        settings = (*SETTINGS, f"unix_socket_directories={self._socket_folder()}")
        return {
            "uid": owner.uid,
            "gid": owner.gid,
            "tree": str(tree),
            "data": str(self.home.data()),
            "log": str(self.home.log),
            "socket": str(self._socket_folder()),
            "users": str(self.home.users),
            "keeping": str(self.home.keeping),
            "serving": str(self.home.serving),
            "initdb": (*INITDB, "--no-sync") if self.fast else INITDB,
            "settings": (*settings, *FAST_SETTINGS) if self.fast else settings,
        }

    def _socket_folder(self) -> Path:
        folder = self.home.socket()
        if folder is None:
            raise EmbeddedUnavailable("The embedded PostgreSQL was never started: call join first")
        return folder

    def _answers(self) -> bool:
        folder = self.home.socket()
        if folder is None or _is_free(self.home.keeping):
            return False  # Without a keeper, what still listens there is about to end.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(folder / f".s.PGSQL.{PORT}"))
            except OSError:
                return False
        return True


@functools.cache
def server_of(home: Home, *, fast: bool) -> Server:
    """Return this process's one view of a server: the lock it holds must not be dropped."""
    return Server(home, fast=fast)


def _is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Shared, so that two who ask at once do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
