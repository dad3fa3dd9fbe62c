"""Children are waited for, listened to, and always ended."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from billy.demo import tied
from billy.demo.children import Child, ChildFailed


def child(code, **options):
    return Child("child", [sys.executable, "-c", code], **options)


READY = "print('child ready on 7', flush=True)\n"
WAIT = "import signal; signal.pause()"


def test_a_child_is_waited_for_and_ended():
    with child(READY + WAIT) as running:
        line = running.wait_ready()
        lived = running.lives

    assert (line, lived, running.lives) == ("child ready on 7", True, False)


def test_a_child_that_does_not_listen_is_killed():
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    running = child(deaf + READY + WAIT)
    running.wait_ready()

    running.stop(seconds=0.2)

    assert running.process.returncode == -signal.SIGKILL


def test_a_child_that_ends_early_says_what_it_said_last():
    with child("import sys; sys.exit('no such goat')") as running:
        running.process.wait()

        with pytest.raises(ChildFailed, match=r"\(exit status 1\):\n.*no such"):
            running.wait_ready()


def test_every_line_of_a_child_is_told():
    lines = []
    with child(READY + "print('more', flush=True)", told=lines.append) as running:
        running.process.wait()

    assert lines == ["child ready on 7", "more"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_child_ends_when_its_parent_is_killed():
    parent = f"""
import os, subprocess, sys
command = [sys.executable, "-c", {READY + WAIT!r}]
subprocess.Popen([sys.executable, {tied.__file__!r}, str(os.getpid()), *command])
{WAIT}
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    ) as killed:
        killed.stdout.readline()
        killed.kill()

        rest = killed.stdout.read()  # Ends when the last holder of the pipe, the child, is gone.

    assert rest == ""
