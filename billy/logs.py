"""What a log line must not hold: the address that a processor calls is a secret."""

from __future__ import annotations

import logging
import re

CALLBACK = re.compile(r"(/callbacks/)[^/\s\"']+")


class WithoutSecrets(logging.Filter):
    """Cut the key out of every callback's address, wherever a line mentions it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the line; none is held back."""
        message = record.getMessage()
        cut = CALLBACK.sub(r"\1…", message)
        if cut != message:
            record.msg, record.args = cut, ()
        return True
