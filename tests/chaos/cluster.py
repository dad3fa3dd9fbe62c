"""A PostgreSQL of the run's own, from the wheel: to be stopped hard, copied and set back."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import closing

import psycopg2

from billy.embedded.home import Home, prepare
from tests.chaos.children import Child, free_port

SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=150",
    "shared_buffers=128MB",
    "timezone=UTC",
    "log_min_messages=fatal",
    # The machine does not die, only processes do: what the system was given, it keeps. Commits
    # must reach the system before they are answered, so `synchronous_commit` stays on.
    "fsync=off",
    "full_page_writes=off",
    "max_wal_size=2GB",
    "wal_level=minimal",
    "max_wal_senders=0",
)
INITDB = ("--username=billy", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
PLAIN = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class Cluster:
    """One server on a port of its own."""

    def __init__(self, folder):
        home = Home(root=folder / "postgres")
        home.root.mkdir(mode=0o755)
        owner, self.tree = prepare(home)
        self.port = free_port()
        self.data = home.root / "data"
        self.copy = home.root / "copy"
        self.log = folder / "postgres.log"
        self.child = None
        self.last_stop = 0.0
        self._user = (owner.uid, owner.gid) if os.geteuid() == 0 else None
        if self._user:
            os.chown(home.root, *self._user)
        self._run("initdb", "-D", self.data, *INITDB)

    def start(self):
        options = [part for setting in (*SETTINGS, f"port={self.port}") for part in ("-c", setting)]
        self.child = Child(
            "PostgreSQL",
            [self.tree / "bin" / "postgres", "-D", self.data, *options],
            log=self.log,
            environment=PLAIN,
            user=self._user,
            tied=signal.SIGINT,
        )
        self.child.wait_ready(self._lets_in)

    def stop(self, *, hard=False):
        """End it: in its fast mode, or as `-m immediate` does, so that it must recover."""
        self.last_stop = time.monotonic()
        if self.child is not None and self.child.lives:
            self.child.signal_all(signal.SIGCONT)  # Somebody may have stopped the whole run.
            self.child.signal(signal.SIGQUIT if hard else signal.SIGINT)
            self.child.wait(60)
            self.child.kill()

    def take_copy(self):
        """Keep the data as they are now. The server is down for as long as that takes."""
        self.stop(hard=True)
        subprocess.run(["/bin/cp", "-a", self.data, self.copy], check=True)
        self.start()

    def set_back(self):
        """Put the kept copy in the place of the data: every commit since is lost."""
        self.stop(hard=True)
        shutil.rmtree(self.data)
        self.copy.rename(self.data)
        self.start()

    def url(self, database):
        return f"postgres://billy@127.0.0.1:{self.port}/{database}"

    def connect(self, database="postgres"):
        """Return a connection of the harness, in autocommit; it is told from Billy's by name."""
        made = psycopg2.connect(self.url(database), application_name="chaos", connect_timeout=5)
        made.autocommit = True
        return made

    def now(self):
        """Return the server's clock: the one clock of a run."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT now()")
            return cursor.fetchone()[0]

    def make_database(self, name, template="template1"):
        self.tell(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def drop_database(self, name):
        self.tell(f'DROP DATABASE "{name}" WITH (FORCE)')

    def tell(self, statement):
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def _lets_in(self):
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def _run(self, program, *arguments):
        as_user = {}
        if self._user:
            as_user = {"user": self._user[0], "group": self._user[1], "extra_groups": []}
        subprocess.run(
            [self.tree / "bin" / program, *arguments],
            env=PLAIN,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
            **as_user,
        )
