"""Processes of a run: each in a session of its own, and none of them outlives the run."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from billy.places import CHECKOUT

PR_SET_PDEATHSIG = 1
READY_SECONDS = 90  # A busy machine; what is not ready by then never will be.
LOOK_SECONDS = 0.02


class NotReady(RuntimeError):
    """A process did not become ready; the text ends with where its words are."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(is_true, *, what, seconds=READY_SECONDS):
    """Ask again and again until it is true; raises NotReady."""
    ends = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > ends:
            raise NotReady(f"{what} is not ready after {seconds} seconds")
        time.sleep(LOOK_SECONDS)


def dying_with_us(number):
    """Give what a child calls before it becomes its program: it ends should this process die.

    The kernel ties the child to the thread that made it, so only the main thread starts any.
    """
    us = os.getpid()
    set_option = ctypes.CDLL(None).prctl

    def before():
        set_option(PR_SET_PDEATHSIG, number)
        if os.getppid() != us:
            os._exit(1)

    return before


class Child:
    """One process with its log; `pid` is also the number of its session and group."""

    def __init__(self, name, command, *, log, environment, user=None, tied=signal.SIGKILL):
        self.name = name
        self.log = Path(log)
        self.started_at = time.monotonic()
        as_user = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                cwd=CHECKOUT if user is None else "/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=dying_with_us(tied),  # noqa: PLW1509  # Only the main thread starts any.
                **as_user,
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def lives(self):
        """Say whether it lives. The dead are not reaped here: their number must stay theirs."""
        if self.process.returncode is not None:
            return False
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self, seconds):
        """Wait for its end for so long; returns whether it has ended."""
        ends = time.monotonic() + seconds
        while self.lives and time.monotonic() < ends:
            time.sleep(LOOK_SECONDS)
        return not self.lives

    def signal(self, number):
        """Send a signal to the process alone."""
        if self.lives:
            os.kill(self.pid, number)

    def signal_all(self, number):
        """Send a signal to it and to all of its children.

        Once it is reaped its number may be anybody's, and nobody is sent anything.
        """
        if self.process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def kill(self):
        """End it with all of its children, who get no chance to tidy up; returns its status."""
        self.signal_all(signal.SIGKILL)
        return self.process.wait(READY_SECONDS)

    def children(self):
        """Return the pids of its children that live."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        with suppress(OSError):
            return [int(word) for word in found.read_text().split()]
        return []

    def working_children(self):
        """Return those that are not dead and merely not yet buried."""
        return [each for each in self.children() if state_of(each) != "Z"]

    def wait_ready(self, is_true):
        """Wait until it is true; raises NotReady, at once where the process ends before."""

        def ready():
            if not self.lives:
                raise NotReady(f"{self.name} ended with {self.kill()}; see {self.log}")
            return is_true()

        wait_until(ready, what=self.name)


def state_of(pid):
    """Return the kernel's letter for a process: Z for one that is dead, buried or not."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "Z"
