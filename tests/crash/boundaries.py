"""Boundaries: every place where a process meets the world, numbered, and where it may die.

A boundary is a SQL statement, a COMMIT, a ROLLBACK, something sent over HTTP, something received,
or a message published. The edges find them by themselves (`backend`, `edge`, `bell`), whatever the
engine does: nothing here knows its code.

A process that died is dead: whatever it still tries, in any of its threads, raises `Crash` and has
no effect. Its database connections are cut like those of a process that was killed.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connections

BEFORE = "before"
AFTER = "after"
SIDES = (BEFORE, AFTER)


class Crash(BaseException):
    """The process died here. No `except Exception` outlives it, as none outlives a kill -9."""


@dataclass(frozen=True, slots=True)
class Point:
    """A boundary of a run, by its place from 1 on, and the side of its effect to die on."""

    number: int
    side: str
    name: str = ""

    def __str__(self):
        return f"{self.number}{self.side}"


class Watch:
    """Numbers the boundaries of one run, and says which of them is the last of a process."""

    def __init__(self, crashes=()):
        self.sides = {point.number: point.side for point in crashes}
        self.names = []
        self.struck = []
        self._lock = threading.Lock()

    def arrive(self, name):
        """Count a boundary; returns the side on which to die, or nothing."""
        with self._lock:
            self.names.append(name)
            number = len(self.names)
            side = self.sides.get(number)
            if side:
                self.struck.append(Point(number, side, name))
            return side


class Process:
    """A process of the product, played by this one: a worker, or one that serves a person."""

    def __init__(self, machine):
        self.machine = machine
        self.alive = True
        self.connections = []
        self._wrapper = None

    def cross(self, name, effect):
        """Cross a boundary: count it, let its effect happen, or die before or after it."""
        side = self.enter(name)
        try:
            result = effect()
        finally:
            self.leave(side)
        return result

    def enter(self, name):
        """Count a boundary and die before its effect, or return the side to die on."""
        self.go_on()
        side = self.machine.watch.arrive(name)
        if side == BEFORE:
            self.die()
        return side

    def leave(self, side):
        """Die after an effect, whatever came of it: nobody learned it."""
        if side == AFTER:
            self.die()
        self.go_on()

    def go_on(self):
        """Raise Crash where the process has died meanwhile, in this thread or another."""
        if not self.alive:
            raise Crash

    def die(self):
        """End at once, without a word to anybody: the database lets go of all that it held."""
        self.alive = False
        for each in self.connections:
            if each.process is self:  # Else it serves another by now.
                each.cut()
        raise Crash

    @contextmanager
    def running(self, *, aside=False):
        """Be this process, in this thread; `aside` while another one goes on in the others."""
        before, here = connections["default"], self.machine.replaced(self, aside=aside)
        if self._wrapper is None:
            self._wrapper = connections.create_connection("default")
        connections["default"] = self._wrapper
        try:
            yield
        finally:
            connections["default"] = before
            self.machine.put_back(here, aside=aside)

    def close(self):
        """Let go of the connections, in the thread that ran it."""
        if self._wrapper is not None:
            self._wrapper.close()
            self._wrapper = None
            self.connections.clear()


class Machine:
    """Which process this thread is playing. A thread that a process started belongs to it."""

    def __init__(self):
        self.watch = Watch()
        self._main = None
        self._here = threading.local()

    def current(self):
        """Return the process that acts now, or None where the test itself does."""
        return getattr(self._here, "process", None) or self._main

    def replaced(self, process, *, aside):
        """Let another process act; returns the one that acted."""
        if aside:
            before, self._here.process = getattr(self._here, "process", None), process
        else:
            before, self._main = self._main, process
        return before

    def put_back(self, process, *, aside):
        """Let the one act that did before."""
        self.replaced(process, aside=aside)


MACHINE = Machine()


def current():
    """Return the process that acts in this thread, or None where the test itself does."""
    return MACHINE.current()
