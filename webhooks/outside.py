"""Send to an address that a tenant chose, and reach nothing of ours by it.

The name is resolved once. Every address that it has must be a public one, and the connection goes
to the very address that was looked at, so a name that changes its mind changes nothing. There are
no redirects, no proxies of the environment, two ports, and one limit of time for all of it.
"""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from core import check
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from ipaddress import IPv4Address

    Resolve = Callable[[str, int], list[tuple[Any, ...]]]

URL_LIMIT = 500
PORTS = (443, 8443)
CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
LATE = f"it did not answer within {TOTAL_SECONDS:g} s"
# A name with letters in its last part: no number, in whatever base, can pass for one.
HOST = re.compile(r"(?!-)([a-z0-9-]{1,63}\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# All of IPv6 that was ever given out: old site-local addresses, NAT64 and others are outside of it.
GIVEN_OUT = ip_network("2000::/3")
# Public by number, and yet a way into private networks, or for nobody: 6to4 and Teredo carry IPv4
# inside; a relay of 6to4; services of a provider's own network; what documentation shows.
CARRIERS = tuple(
    ip_network(each)
    for each in ("2002::/16", "2001::/32", "192.88.99.0/24", "192.0.0.0/24", "3fff::/20")
)


class Unreachable(Exception):  # What the delivery log is told.
    """Nothing was delivered, and why: for the delivery log, without an address of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a receiver answered: its status, and when it asks to be tried again, in seconds."""

    status: int
    retry_after_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The way out. `is_local` lets developers reach their own machine over plain HTTP."""

    is_local: bool = False
    resolve: Resolve | None = None
    total_seconds: float = TOTAL_SECONDS

    def checked(self, field: str, url: object) -> str:
        """Return an address that may be sent to, as far as can be told unasked; raises Invalid."""
        text = check.text(field, url, limit=URL_LIMIT, is_required=True)
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise Invalid({field: "must be an address such as https://example.com/hooks"}) from None
        if self.is_local and parts.scheme == "http" and parts.hostname in LOCAL:
            return text
        if parts.scheme != "https" or parts.username is not None or parts.password is not None:
            raise Invalid({field: "must begin with https:// and name no user"})
        if not HOST.fullmatch(parts.hostname or "") or not text.isascii():
            raise Invalid({field: "must name its host in ASCII, such as hooks.example.com"})
        if (443 if port is None else port) not in PORTS or parts.fragment:
            raise Invalid({field: "must use port 443 or 8443, and have no fragment"})
        return text

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a body; returns what was answered, raises Unreachable where nobody did."""
        try:
            self.checked("url", url)
        except Invalid as invalid:
            raise Unreachable(str(invalid)) from None
        pool = self._pool(url)
        timer = threading.Timer(self.total_seconds, pool.cut)
        timer.daemon = True
        timer.start()
        try:
            return pool.sent(url, body=body, headers=headers)
        finally:
            timer.cancel()
            pool.close()

    def _pool(self, url: str) -> _Pool:
        return _Pool(url, self.addresses)

    def addresses(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """Return what a name resolves to; raises Unreachable unless all of it may be reached."""
        try:
            found = (self.resolve or _resolved)(host, port)
        except (OSError, UnicodeError):
            raise Unreachable("its name cannot be resolved") from None
        if not found or any(not self._may_reach(each[4][0]) for each in found):
            raise Unreachable("its address is not a public one")
        return found

    def _may_reach(self, text: str) -> bool:
        address = ip_address(text.partition("%")[0])
        return is_public(address) or (self.is_local and address.is_loopback)


LOCAL = ("localhost", "127.0.0.1", "::1")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address is one of the public network, and no way around into another."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in GIVEN_OUT:
            return False
    if any(address in carrier for carrier in CARRIERS):
        return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special


def _resolved(host: str, port: int) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class _Pool:
    """One connection, to an address that was looked at."""

    def __init__(self, url: str, addresses: Callable[[str, int], list[tuple[Any, ...]]]) -> None:
        self._sockets: list[socket.socket] = []
        self._cut = False
        parts = urlsplit(url)
        connects = self._connecting(addresses)
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=TOTAL_SECONDS)
        said: dict[str, Any] = {"timeout": timeout, "retries": False, "maxsize": 1}
        host = str(parts.hostname)
        if parts.scheme == "https":
            self._pool: HTTPConnectionPool = HTTPSConnectionPool(host, parts.port or 443, **said)
            self._pool.ConnectionCls = type("_Https", (HTTPSConnection,), {"_new_conn": connects})
        else:
            self._pool = HTTPConnectionPool(host, parts.port or 80, **said)
            self._pool.ConnectionCls = type("_Http", (HTTPConnection,), {"_new_conn": connects})

    def sent(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send, and read no more than the head of the answer."""
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            answer = self._pool.urlopen(
                "POST",
                target,
                body=body,
                headers=dict(headers),
                redirect=False,
                preload_content=False,
            )
        except Unreachable:
            raise
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Unreachable(LATE if self._cut else _why(error)) from None
        if self._cut:  # What was read then is only a part of the head.
            raise Unreachable(LATE)
        after = answer.headers.get("Retry-After", "")
        return Reply(
            status=answer.status,
            retry_after_seconds=int(after) if re.fullmatch(r"[0-9]{1,6}", after) else 0,
        )

    def cut(self) -> None:
        """End it, wherever it is."""
        self._cut = True
        for each in self._sockets:
            with_shutdown(each)

    def close(self) -> None:
        """Let go of the connection."""
        for each in self._sockets:
            with_shutdown(each)
        self._pool.close()

    def _connecting(self, addresses: Callable[[str, int], list[tuple[Any, ...]]]) -> Any:
        opened = self._sockets

        def new_conn(connection: Any) -> socket.socket:
            family, kind, protocol, _, place = addresses(connection.host, connection.port)[0]
            made = socket.socket(family, kind, protocol)
            opened.append(made)
            made.settimeout(CONNECT_SECONDS)
            try:
                made.connect(place)
            except OSError as error:
                raise Unreachable(f"cannot be connected to: {error.strerror or 'no'}") from None
            return made

        return new_conn


def with_shutdown(made: socket.socket) -> None:
    """Close a socket so that whoever waits on it wakes up."""
    try:
        made.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
    finally:
        made.close()


def _why(error: Exception) -> str:
    return f"the connection failed: {type(error).__name__}"
