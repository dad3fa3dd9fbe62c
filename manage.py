#!/usr/bin/env python3
"""Billy's commands. On a machine with nothing but Python 3.11 this builds `.venv` first."""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  # The very check: older ones must get this far and read the line.
    sys.exit("Billy needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])  # noqa: UP031  # Older parsers.

from billy import bootstrap


def main() -> None:
    """Run one command inside an environment that has what Billy needs."""
    bootstrap.enter(sys.argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")
    if sys.argv[1:2] == ["test"]:
        bootstrap.run_tests(sys.argv[2:])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
