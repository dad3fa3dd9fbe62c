"""Child processes: started, waited for until they say that they are ready, and always ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING

from billy.demo import tied
from billy.places import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

READY_SECONDS = 60.0  # A cold machine reads a good deal of code from disk first.
STOP_SECONDS = 5.0  # After that a child is killed: nobody waits longer for a Ctrl-C.
LAST_LINES = 8  # What is shown of a child that ended by itself.


class ChildFailed(RuntimeError):
    """A child ended, or did not become ready in time; the text ends with what it said last."""


class Child:
    """One child process, in a session of its own: a Ctrl-C at the terminal reaches only us."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Start it; `told` hears each of its lines, on a thread of its own."""
        self.name = name
        self.ready_line = ""
        self._told = told
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._ready = threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", tied.__file__, str(os.getpid()), *command],
            cwd=CHECKOUT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, name=f"{name}-lines", daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        """Return itself: leaving the block ends the process."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process, whatever happened."""
        self.stop()

    @property
    def lives(self) -> bool:
        """Return whether the process still runs."""
        return self.process.poll() is None

    def wait_ready(self, *, seconds: float = READY_SECONDS) -> str:
        """Return the first line that has the word `ready`; raises ChildFailed if none comes."""
        self._ready.wait(seconds)
        if not self.ready_line:
            raise self.failure("did not become ready")
        return self.ready_line

    def failure(self, what: str) -> ChildFailed:
        """Return an error that says what happened to the child, and what it said last."""
        status = self.process.poll()
        ended = f" (exit status {status})" if status is not None else ""
        said = "".join(f"\n    {line}" for line in self._last)
        return ChildFailed(f"{self.name} {what}{ended}{':' if said else ''}{said}")

    def ask_to_stop(self) -> None:
        """Send SIGTERM, without waiting."""
        if self.lives:
            self.process.terminate()

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """End the process: ask it first, and kill it if it does not listen."""
        self.ask_to_stop()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.finish(seconds=seconds)

    def finish(self, *, seconds: float = STOP_SECONDS) -> None:
        """Hear out a process that has ended, and let go of it."""
        self._listener.join(seconds)
        if self.process.stdout is not None and not self._listener.is_alive():
            self.process.stdout.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None  # noqa: S101  # It was opened as a pipe.
        for line in self.process.stdout:
            words = line.rstrip()
            self._last.append(words)
            if not self.ready_line and "ready" in words.split():
                self.ready_line = words
                self._ready.set()
            self._told(words)
        self._ready.set()  # It has ended: nobody need wait any longer.


def sandbox(*options: str, told: Callable[[str], None] = lambda _: None) -> Child:
    """Start the Balanced sandbox; its ready line ends with its address."""
    return Child("sandbox", [sys.executable, "-m", "sandbox", *options], told=told)
