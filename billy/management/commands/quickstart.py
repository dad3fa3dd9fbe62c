"""`manage.py quickstart`: web pages, worker and sandbox on this machine, until Ctrl-C.

1. Migrate the database: that of DATABASE_URL, or the embedded one.
2. Start the sandbox on the ledger of last time.
3. Make the shop, or find that of last time: company, API key, admin, a few customers.
4. Start the web server and the worker; beat and a Celery worker where there is a broker.
5. Say where everything is, and wait. The first child that ends by itself ends all the others.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from accounts.clock import database_now
from billy.demo.children import READY_SECONDS, Child, ChildFailed
from billy.demo.desk import DeskError
from billy.demo.shop import ADMIN, Note, prepare
from billy.places import CHECKOUT, VAR
from core.invalid import Invalid
from processors.base import ProcessorError

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

HOST = "127.0.0.1"  # Never more: the sandbox and the printed log-in are for this machine.
WEB_PORT, SANDBOX_PORT = 8000, 8100
BANK_SECONDS = 60  # What a bank takes days for, the sandbox shows after a minute.
LOOK_SECONDS = 0.2
STOP_SECONDS = 8.0
LARGEST_PORT = 65_535


class Command(BaseCommand):
    """Run all of Billy on one machine, to look at it and to try it."""

    help = (
        "Run Billy with its web pages, a worker and the Balanced sandbox on this machine, with a "
        "small shop to look at. No real money moves. Ctrl-C ends all of it; the next start finds "
        "the same shop and the same log-in."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take ports, and where the notes are kept."""
        parser.add_argument(
            "--port", type=_port, help=f"of the web pages (default: {WEB_PORT}, or a free one)"
        )
        parser.add_argument(
            "--sandbox-port", type=_port, help=f"(default: {SANDBOX_PORT}, or a free one)"
        )
        parser.add_argument(
            "--home", type=Path, default=VAR, help="where log-in and ledger are kept (var/)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C; exits 1 where a child ended by itself."""
        stop = threading.Event()
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, lambda *_: stop.set())
        home: Path = options["home"]
        try:
            home.mkdir(parents=True, exist_ok=True)
            with _only_one(home), ExitStack() as children:
                self._run(home, options, children=children, stop=stop)
        except (ChildFailed, DeskError, Invalid) as error:
            raise CommandError(str(error)) from error
        except ProcessorError as error:
            raise CommandError(f"the sandbox did not help: {error.reason}") from error
        self.stdout.write("quickstart stopped")

    def _run(
        self, home: Path, options: dict[str, Any], *, children: ExitStack, stop: threading.Event
    ) -> None:
        path = home / "quickstart.json"
        note = Note.read(path)
        note = replace(
            note,
            web_port=_chosen("--port", options["port"], note.web_port or WEB_PORT),
            sandbox_port=_chosen(
                "--sandbox-port", options["sandbox_port"], note.sandbox_port or SANDBOX_PORT
            ),
        )
        web_url = f"http://{HOST}:{note.web_port}"
        call_command("migrate", verbosity=0, interactive=False)
        running = [self._start(children, "sandbox", _sandbox(home, note.sandbox_port))]
        sandbox_url = running[0].wait_ready().split()[-1]
        note = prepare(note, sandbox_url=sandbox_url, web_url=web_url, now=database_now())
        note.write(path)
        environment = _environment(sandbox_url)
        for name, command in _commands(note.web_port).items():
            running.append(self._start(children, name, command, environment))
        _wait_for(f"{web_url}/readyz", running, stop=stop)
        if not stop.is_set():
            self._show(note, web_url=web_url, sandbox_url=sandbox_url, path=path)
        _watch(running, stop=stop)
        for each in running:  # All at once, so that together they take no longer than one.
            each.ask_to_stop()

    def _start(
        self,
        children: ExitStack,
        name: str,
        command: list[str],
        environment: dict[str, str] | None = None,
    ) -> Child:
        """Start a child whose lines are shown under its name, and which ends with the block."""
        child = Child(name, command, environment=environment, told=self._told(name))
        children.callback(child.stop, seconds=STOP_SECONDS)
        return child

    def _told(self, name: str) -> Any:
        def tell(line: str) -> None:
            if line and "ready" not in line.split():
                self.stderr.write(f"{name:8} {line}", style_func=str)

        return tell

    def _show(self, note: Note, *, web_url: str, sandbox_url: str, path: Path) -> None:
        kept = path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path
        password = note.password or "the one that you gave it"
        for name, words in (
            ("pages", f"{web_url}/admin/"),
            ("log-in", f"{ADMIN}, password {password}"),
            ("API key", note.api_key),
            ("sandbox", f"{sandbox_url}  (bank transfers take a minute)"),
            ("kept in", str(kept)),
        ):
            self.stdout.write(f"  {name:9}{words}")
        self.stdout.write("  Ctrl-C ends all of it.")
        self.stdout.write(f"quickstart ready on {web_url}")
        self.stdout.flush()


def _sandbox(home: Path, port: int) -> list[str]:
    ledger = str(home.resolve() / "quickstart-ledger.jsonl")
    options = ["--port", str(port), "--ledger", ledger, "--ach-delay", str(BANK_SECONDS)]
    return [sys.executable, "-m", "sandbox", *options]


def _commands(port: int) -> dict[str, list[str]]:
    """Return the children that work on the shop, by name."""
    python, module = sys.executable, "-m"
    serving = ["--bind", f"{HOST}:{port}", "--workers", "1", "--threads", "8"]
    serving += ["--graceful-timeout", "3", "--log-level", "warning"]
    commands = {
        "web": [python, module, "gunicorn", "billy.wsgi", *serving],
        "worker": [python, str(CHECKOUT / "manage.py"), "worker"],
    }
    if settings.CELERY_BROKER_URL:
        celery = [python, module, "celery", "-A", "billy"]
        commands["celery"] = [*celery, "worker", "--concurrency", "2", "--loglevel", "WARNING"]
        commands["beat"] = [*celery, "beat", "--loglevel", "WARNING"]
    return commands


def _environment(sandbox_url: str) -> dict[str, str]:
    """Return what the children are told besides our own environment."""
    return {
        "BILLY_PROCESSOR": "balanced",
        "BILLY_BALANCED_URL": sandbox_url,
        "BILLY_OPEN_REGISTRATION": "1",
        "BILLY_NO_BOOTSTRAP": "1",  # This interpreter has what they need.
        "SECURE_SSL_REDIRECT": "0",  # There is no TLS on a loopback address.
        "PYTHONUNBUFFERED": "1",
    }


def _wait_for(url: str, running: list[Child], *, stop: threading.Event) -> None:
    """Return when the address answers; raises ChildFailed if a child ends before."""
    ends = time.monotonic() + READY_SECONDS
    while not (stop.is_set() or _answers(url)):
        _check(running)
        if time.monotonic() > ends:
            raise ChildFailed(f"web: {url} did not answer within {READY_SECONDS:g} seconds")
        stop.wait(LOOK_SECONDS)


def _watch(running: list[Child], *, stop: threading.Event) -> None:
    """Return when asked to stop; raises ChildFailed when a child ends by itself."""
    while not stop.wait(LOOK_SECONDS):
        _check(running)


def _check(running: list[Child]) -> None:
    for child in running:
        if not child.lives:
            raise child.failure("ended by itself, so everything ends")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=READY_SECONDS):  # noqa: S310  # Our own web server.
            return True
    except (urllib.error.URLError, OSError):
        return False


def _chosen(option: str, given: int | None, wanted: int) -> int:
    """Return the given port, or the wanted one, or any free one where that is taken."""
    if given is None:
        return wanted if _is_free(wanted) else _free_port()
    if given and not _is_free(given):
        raise CommandError(f"{option}: port {given} is taken")
    return given or _free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= LARGEST_PORT:
        raise ValueError(text)
    return port


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Hold the home for this process: two sandboxes on one ledger would spoil it."""
    descriptor = os.open(home / "quickstart.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise CommandError(f"quickstart runs already, with its notes in {home}") from None
    try:
        yield
    finally:
        os.close(descriptor)
