#!/usr/bin/env python3
"""Billy's commands. On a machine with nothing but Python 3.11 this builds `.venv` first."""

import os
import sys

# Written so that every older Python, 2.7 too, can read the file as far as this line.
if sys.version_info < (3, 11):  # noqa: UP036  # That is the check.
    sys.exit("Billy needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])  # noqa: UP031

if __name__ == "__main__":
    from billy import bootstrap

    bootstrap.enter(sys.argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")
    if sys.argv[1:2] == ["test"]:
        bootstrap.run_tests(sys.argv[2:])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
