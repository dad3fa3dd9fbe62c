"""What gunicorn writes, in the same form and with the same care as what Billy writes.

Its access log holds the address of every callback, and a request that cannot be read is told in
the words of whoever sent it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gunicorn.glogging import Logger

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
