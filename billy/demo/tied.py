"""Become another command that the kernel ends should the process that asked for it die.

Started as a plain script: `python -I -S tied.py PARENT COMMAND...`. Only Linux knows the wish;
elsewhere the command simply runs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Make the wish, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(1)  # The parent died before the wish was made.
    os.execv(command[0], command)  # noqa: S606  # No shell is wanted.


if __name__ == "__main__":
    main()
