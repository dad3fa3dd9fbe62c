"""A PostgreSQL of this checkout, for machines that were not given one.

The server comes out of a wheel (`wheel.py`), keeps its data under `var/` (`home.py`), is watched by
a small process of its own (`keeper.py`), and is shared by everything that runs from this checkout
(`server.py`). It listens on a Unix socket only. Nothing here knows Django, except `backend/`, which
starts the server when the first connection is opened rather than when the settings are read.
"""

from billy.embedded.errors import EmbeddedUnavailable
from billy.embedded.home import Home
from billy.embedded.server import Server, server_of
from billy.places import VAR

__all__ = ["EmbeddedUnavailable", "Server", "database_url"]


def database_url(*, name: str = "billy", fast: bool = False) -> str:
    """Start or join the server of this checkout and return the URL of one database in it.

    The database is made if it is not there. The server runs for as long as any process that called
    this (or a fork of one) lives, and ends two to four seconds after the last.

    `fast` chooses a second server that gives up durability for speed: only for tests.
    Raises `EmbeddedUnavailable`, whose text says what to do, where no server can be started.
    """
    home = Home(root=VAR / ("postgres-fast" if fast else "postgres"), in_memory=fast)
    server = server_of(home, fast=fast)
    server.join()
    server.create_database(name)
    return server.url(name)
