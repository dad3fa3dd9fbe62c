"""The embedded server: shared, started once, and gone when nobody uses it, however they end."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from billy.embedded import EmbeddedUnavailable, Server
from billy.embedded.home import Home, Owner, may_enter
from billy.embedded.wheel import install_tree
from billy.places import CHECKOUT, VAR

ANSWER_SECONDS = 60


@pytest.fixture
def home():
    """A home under `var/`: the folders of pytest itself are closed to the user of the server."""
    made = Home(root=VAR / f"scratch-{uuid.uuid4().hex[:8]}")
    yield made
    ask_to_end(made)
    wait_until_gone(made)
    shutil.rmtree(made.data().parent, ignore_errors=True)
    shutil.rmtree(made.root, ignore_errors=True)


@pytest.fixture
def processes():
    with ExitStack() as stack:
        yield stack


class User:
    """One process that uses the server of a home."""

    def __init__(self, home, *, processes, mode="fast"):
        self.process = processes.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "billy.tests.embedded_user", str(home.root), mode],
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        processes.callback(self.process.kill)
        self.url = self.process.stdout.readline().strip()

    def die(self):
        self.process.kill()
        self.process.wait(ANSWER_SECONDS)


def ask_to_end(home):
    """Spare the tests the two seconds for which a keeper waits for the next user."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        os.kill(keeper_of(home), signal.SIGTERM)


def wait_until_gone(home):
    """Block until the keeper and every process of the server have let go of their locks."""
    for path in (home.keeping, home.serving):
        if path.exists():
            with hold(path):
                pass


@contextmanager
def hold(path):
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def ask(url, question):
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0] if cursor.description else None


def postmaster(home):
    return int((home.data() / "postmaster.pid").read_text().splitlines()[0])


def keeper_of(home):
    return int(home.keeping.read_text())


def test_it_listens_on_a_private_socket_only_and_speaks_utc_and_unicode(home, processes):
    user = User(home, processes=processes)

    found = [
        ask(user.url, f"SELECT current_setting('{name}')")
        for name in ("listen_addresses", "timezone", "server_encoding", "data_checksums")
    ]

    assert found == ["", "UTC", "UTF8", "on"]
    assert home.socket().stat().st_mode & 0o777 == 0o700


def test_a_server_that_is_not_for_tests_is_durable(home, processes):
    user = User(home, processes=processes, mode="durable")

    found = [
        ask(user.url, f"SELECT current_setting('{name}')")
        for name in ("fsync", "full_page_writes", "synchronous_commit")
    ]

    assert found == ["on", "on", "on"]


def test_processes_that_start_at_once_share_one_server(home, processes):
    with ThreadPoolExecutor(4) as pool:
        users = list(pool.map(lambda _: User(home, processes=processes), range(4)))

    assert len({user.url for user in users}) == 1
    assert len({ask(user.url, "SELECT pg_postmaster_start_time()") for user in users}) == 1


def test_the_server_ends_cleanly_when_its_last_user_was_killed(home, processes):
    user = User(home, processes=processes)
    socket = home.socket()

    user.die()
    wait_until_gone(home)

    assert not (home.data() / "postmaster.pid").exists()
    assert not socket.exists()


def test_the_server_stays_while_any_user_lives(home, processes):
    first = User(home, processes=processes)
    second = User(home, processes=processes)
    started = postmaster(home)

    first.die()

    assert postmaster(home) == started
    assert ask(second.url, "SELECT 1") == 1


def test_a_fork_holds_the_server_after_its_parent_has_ended(home):
    script = (
        "import os, sys; from pathlib import Path; from billy.embedded import Server;"
        "from billy.embedded.home import Home; s = Server(Home(root=Path(sys.argv[1])), fast=True);"
        "s.join(); pid = os.fork();"
        "pid and os._exit(0);"
        "sys.stdin.read(1); s.create_database('late'); print(s.url('late'))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home.root)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        parent.wait(ANSWER_SECONDS)
        answer, _ = parent.communicate("x", timeout=ANSWER_SECONDS)

    assert answer.strip().endswith("/late")


def test_what_was_committed_is_there_after_the_keeper_was_killed(home, processes):
    first = User(home, processes=processes, mode="durable")
    ask(first.url, "CREATE TABLE kept AS SELECT 7 AS number")
    survivor = postmaster(home)

    os.kill(keeper_of(home), signal.SIGKILL)
    second = User(home, processes=processes, mode="durable")

    assert postmaster(home) != survivor
    assert ask(second.url, "SELECT number FROM kept") == 7
    assert first.url == second.url


def test_what_was_committed_is_there_after_the_server_was_killed(home, processes):
    first = User(home, processes=processes, mode="durable")
    ask(first.url, "CREATE TABLE kept AS SELECT 7 AS number")

    os.kill(postmaster(home), signal.SIGKILL)
    second = User(home, processes=processes, mode="durable")

    assert ask(second.url, "SELECT number FROM kept") == 7
    assert first.url == second.url


def test_what_was_committed_is_there_after_all_were_killed(home, processes):
    first = User(home, processes=processes, mode="durable")
    ask(first.url, "CREATE TABLE kept AS SELECT 7 AS number")

    for victim in (keeper_of(home), postmaster(home), first.process.pid):
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    second = User(home, processes=processes, mode="durable")

    assert ask(second.url, "SELECT number FROM kept") == 7


def test_a_lost_socket_folder_is_replaced(home, processes):
    User(home, processes=processes)

    shutil.rmtree(home.socket())
    second = User(home, processes=processes)

    assert ask(second.url, "SELECT 1") == 1


def test_an_interrupted_initdb_does_not_count(home, processes):
    (home.root / "data.unfinished").mkdir(parents=True)
    (home.root / "data.unfinished" / "PG_VERSION").write_text("18\n")

    user = User(home, processes=processes)

    assert ask(user.url, "SELECT 1") == 1


def test_data_of_another_series_is_left_alone_and_named(home):
    home.data().mkdir(parents=True)
    (home.data() / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(EmbeddedUnavailable, match=r"written by PostgreSQL 9\.6"):
        Server(home, fast=True).join()


def test_a_machine_without_the_wheel_is_told_to_name_a_database():
    with pytest.raises(EmbeddedUnavailable, match="DATABASE_URL"):
        install_tree("a_package_that_is_not_there")


def test_the_wheel_is_found_without_importing_it():
    script = (
        "import sys; from billy.embedded.wheel import PACKAGE, install_tree; install_tree();"
        "print(PACKAGE in sys.modules)"
    )

    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize(("mode", "enters"), [(0o755, True), (0o700, False), (0o711, True)])
def test_a_closed_folder_above_shuts_the_servers_user_out(mode, enters):
    stranger = Owner(uid=os.getuid() + 4321, gid=os.getgid() + 4321)
    closed = Path(tempfile.mkdtemp())
    (closed / "inside").mkdir()

    closed.chmod(mode)
    found = may_enter(closed / "inside", stranger)
    shutil.rmtree(closed)

    assert (enters and may_enter(closed.parent, stranger)) is found
