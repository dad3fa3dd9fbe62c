"""`manage.py worker`: the loop of the Celery worker, without a broker."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from billy.passes import for_ever
from billy.ready import migrate_if_empty


class Command(BaseCommand):
    """Run what is due, for ever; any number of these may run at once."""

    help = "Run what is due until stopped; needs no broker. Any number may run at once."

    def handle(self, *_: Any, **__: Any) -> None:
        """Loop until SIGTERM or Ctrl-C: calls that are out are finished, the others put back."""
        stop = threading.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: stop.set())
        migrate_if_empty()
        self.stdout.write("worker ready")
        self.stdout.flush()
        for_ever(stop=stop, told=self.stderr.write)
        self.stdout.write("worker stopped")
