"""What a process of the test build tells the harness, and what the harness tells it, by files.

A line is one write to a file opened for appending, so lines of many processes never mix and a
killed process loses none. An armed point is a file: whoever removes it first is the one to die.
"""

import os
import secrets
import signal
import time
from pathlib import Path

FOLDER = Path(os.environ.get("BILLY_CHAOS_FOLDER", "."))
ARMED = FOLDER / "armed"
IMMUNE = bool(os.environ.get("BILLY_CHAOS_IMMUNE"))  # The harness's own programs do not die.
# So that it is not always the first call after the arming that dies; a scene cannot wait for it.
ONE_IN = int(os.environ.get("BILLY_CHAOS_ONE_IN", "3"))

_file = -1


def note(*words):
    """Append one line: the kind of note, this process, the machine's monotonic clock, the rest."""
    global _file  # noqa: PLW0603  # One descriptor for the process and its forks.
    if _file < 0:
        _file = os.open(FOLDER / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    kind, *rest = words
    line = " ".join(map(str, (kind, os.getpid(), f"{time.monotonic():.3f}", *rest)))
    os.write(_file, line.encode() + b"\n")


def is_on(name):
    """Say whether the harness has switched something on."""
    return (ARMED / name).exists()


def reach(point):
    """Come by a named point: die here if the point is armed and nobody else was first."""
    armed = ARMED / point
    if IMMUNE or not armed.exists() or secrets.randbelow(ONE_IN):
        return
    try:
        armed.unlink()
    except FileNotFoundError:
        return
    note("hit", point)
    os.kill(os.getpid(), signal.SIGKILL)
