"""`manage.py sandbox`: the Balanced that runs here, in the foreground. See `docs/sandbox.md`."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Hand over to `python -m sandbox`: it shares no code with us, and needs no database."""

    help = "Run the Balanced sandbox in the foreground; `sandbox --help` lists its options."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Become the sandbox, with the options as they were given."""
        os.execv(sys.executable, [sys.executable, "-m", "sandbox", *argv[2:]])  # noqa: S606  # Ours.

    def handle(self, *args: Any, **_: Any) -> None:
        """Become the sandbox when called from code."""
        self.run_from_argv(["manage.py", "sandbox", *args])
