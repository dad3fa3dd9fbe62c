"""All of Billy on one machine: up, found again, and down, as a user would do it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.auth import authenticate

from accounts.clock import database_now
from accounts.models import ApiKey, Company, Customer
from billy.places import CHECKOUT

QUICKSTART = [sys.executable, "manage.py", "quickstart", "--sandbox-port", "0"]
STOP_SECONDS = 60  # It takes two; so long only on a machine that does ten other things.


@pytest.fixture
def environment(database):
    names = ("CELERY_BROKER_URL", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept | {"DATABASE_URL": database.url, "PYTHONUNBUFFERED": "1"}


@contextmanager
def started(home, environment):
    """Start it and wait until it is ready; yields the process and what it said."""
    command = [*QUICKSTART, "--port", "0", "--home", str(home)]
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        said = []
        try:
            for line in running.stdout:
                said.append(line.rstrip("\n"))
                if line.startswith("quickstart ready on "):
                    break
            yield running, said
        finally:
            running.terminate()


def word_of(said, name):
    """Return what was said under a name."""
    return next(line[11:] for line in said if line[2:11].rstrip() == name)


def note_in(home):
    return json.loads((home / "quickstart.json").read_text())


def children_of(pid):
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return {int(child): command_of(child) for child in listed.split()}


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")


def status_of(url):
    with urllib.request.urlopen(url, timeout=STOP_SECONDS) as answer:  # noqa: S310  # Our own web server.
        return answer.status


@pytest.mark.django_db
def test_pages_log_in_and_key_work_and_everything_ends_when_asked(tmp_path, environment):
    with started(tmp_path, environment) as (running, said):
        url = said[-1].removeprefix("quickstart ready on ")
        statuses = [status_of(f"{url}/{path}") for path in ("livez", "readyz", "admin/login/")]
        user = authenticate(username="admin", password=word_of(said, "log-in").split()[-1])
        key = ApiKey.find(word_of(said, "API key"), now=database_now())
        children = children_of(running.pid)
        running.send_signal(signal.SIGTERM)
        rest, _ = running.communicate(timeout=STOP_SECONDS)

    assert statuses == [200, 200, 200]
    assert user.is_superuser
    assert key.company == Company.objects.get()
    assert stat.S_IMODE((tmp_path / "quickstart.json").stat().st_mode) == 0o600
    assert running.returncode == 0
    assert rest.endswith("quickstart stopped\n")
    assert len(children) == 3
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.django_db
def test_the_next_start_finds_the_same_shop_and_a_dead_child_ends_everything(tmp_path, environment):
    with started(tmp_path, environment) as (running, _):
        first = note_in(tmp_path)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=STOP_SECONDS)
    with started(tmp_path, environment) as (running, said):
        second = note_in(tmp_path)
        children = children_of(running.pid)
        (worker,) = [pid for pid, command in children.items() if "worker" in command]
        os.kill(worker, signal.SIGKILL)
        rest, _ = running.communicate(timeout=STOP_SECONDS)

    same = ("password", "company", "api_key")
    assert [first[name] for name in same] == [second[name] for name in same]
    assert word_of(said, "API key") == first["api_key"]
    assert sorted(Customer.objects.values_list("name", flat=True)) == [
        "Alice",
        "Bob",
        "Carol",
        "Dave",
        "Erin",
    ]
    assert running.returncode == 1
    assert "worker ended by itself, so everything ends (exit status -9)" in rest
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


def run(*options, environment):
    return subprocess.run(
        [*QUICKSTART, *options],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=STOP_SECONDS,
        check=False,
    )


def test_a_port_that_is_taken_is_named(tmp_path, environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        done = run("--port", port, "--home", str(tmp_path), environment=environment)

    assert done.returncode == 1
    assert f"--port: port {port} is taken" in done.stderr


def test_two_never_share_their_notes(tmp_path, environment):
    with (tmp_path / "quickstart.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        done = run("--port", "0", "--home", str(tmp_path), environment=environment)

    assert done.returncode == 1
    assert "quickstart runs already" in done.stderr
