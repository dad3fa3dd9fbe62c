"""The pytest plugin of this project, loaded by `-p tests.database` in pytest.ini.

- Names in the header which database the tests use.
- Gives each test that asks for the database one of its own (`tests/isolation.py`).
- Lets no test talk to anything but this machine.
- Has the instant at which all stories begin, `now`.
"""

import ipaddress
import os
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

from billy.embedded import EmbeddedUnavailable
from billy.embedded.wheel import install_tree, major_version
from billy.places import VAR

# Properties are given all the time they need: a slow machine is no defect. CI tries the same
# examples each time, so that what fails there fails for everybody; elsewhere they are new ones.
settings.register_profile("patient", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("patient")

# The databases of tests come and go, and the fence of this checkout need not hear of them.
os.environ.setdefault("BILLY_FENCE_FILE", str(VAR / "fence-of-tests.json"))

LOCAL_NAMES = frozenset({"", "localhost"})
WATCHED = frozenset({"socket.connect", "socket.sendto", "socket.getaddrinfo"})


class OutsideReached(RuntimeError):
    """A test tried to talk to another machine."""


def pytest_configure(config: pytest.Config) -> None:
    """Take the place of pytest-django's database fixtures; fixtures registered later win."""
    if config.pluginmanager.hasplugin("django"):
        config.pluginmanager.import_plugin("tests.isolation")
    # An audit hook sees every socket of the interpreter and cannot be patched away by a test.
    sys.addaudithook(watch_sockets)


def pytest_report_header() -> str:
    """Say which database the tests will use, without starting it."""
    url = os.environ.get("DATABASE_URL")
    if url:
        parts = urlsplit(url)
        where = f"{parts.hostname or 'localhost'}{parts.path}"
        return f"database: PostgreSQL at {where}, from DATABASE_URL"
    try:
        series = major_version(install_tree())
    except EmbeddedUnavailable as error:
        return f"database: none. {error}"
    return f"database: embedded PostgreSQL {series}, without fsync, in var/postgres-fast"


@pytest.fixture
def now() -> datetime:
    """Noon of the first day of 2026, in UTC."""
    return datetime(2026, 1, 1, 12, tzinfo=UTC)


def watch_sockets(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise `OutsideReached` before a connection, a datagram or a look-up leaves this machine."""
    if event not in WATCHED:
        return
    address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
    host = address[0] if isinstance(address, tuple) else address
    if isinstance(address, tuple) or event == "socket.getaddrinfo":
        refuse_unless_local(host)


def refuse_unless_local(host: str | bytes | None) -> None:
    """Pass loopback addresses and names; a Unix socket never gets here."""
    name = host.decode() if isinstance(host, bytes) else host or ""
    if name in LOCAL_NAMES:
        return
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        raise OutsideReached(f"tests may only talk to this machine, not to {name}") from None
    if not (address.is_loopback or address.is_unspecified):
        raise OutsideReached(f"tests may only talk to this machine, not to {name}")
