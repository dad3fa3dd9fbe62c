"""Gunicorn as Billy wants it: what it answers and writes repeats nothing that was sent.

Its own page for a request that cannot be read shows the line that it stumbled over, and its access
log holds the address of every callback.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from gunicorn.glogging import Logger
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import ThreadWorker

from billy.logs import Json, Line

if TYPE_CHECKING:
    from gunicorn.config import Config


class ServerLog(Logger):  # type: ignore[misc]  # It ships no types.
    """Gunicorn's own logger, whose lines are ours."""

    def setup(self, cfg: Config) -> None:
        """Open the logs as configured, and let no handler write a line of its own making."""
        super().setup(cfg)
        # Read here, because the master process has no settings of Django's.
        form = Json() if os.environ.get("LOG_FORMAT") == "json" else Line()
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(form)


class Worker(ThreadWorker):  # type: ignore[misc]  # The same.
    """Gunicorn's worker with threads, which tells of a bad request by its kind alone."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer and log an error, without the words of whoever caused it."""
        quiet = hushed(exc) if isinstance(exc, ParseException) else exc
        super().handle_error(req, client, addr, quiet)


def hushed(error: ParseException) -> ParseException:
    """Let an error say what kind it is and no more; returns it."""
    kind = type(error)
    words = f"this request cannot be read ({kind.__name__})"
    error.__class__ = type(kind.__name__, (kind,), {"__str__": lambda _: words})
    return error
