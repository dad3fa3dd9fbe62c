"""A device that stops a worker at a boundary: before or after a statement, a commit or a call.

It stands between Django and the driver, and before the processor. What it does there is die (a
`Crash`, which no handler of ours catches; nothing that is done after it has an effect), lose the
connection to the database, or stand still while somebody else works.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg2
from django.db import connection

KINDS = ("statement", "commit", "call")


class Crash(BaseException):
    """The process is gone."""


@dataclass(kw_only=True)
class Break:
    """Where it happens, and what."""

    kind: str
    number: int
    after: bool = False
    how: str = "dies"
    meanwhile: object = None
    fired: bool = False
    dead: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        when = "after" if self.after else "before"
        return f"{self.how} {when} {self.kind} {self.number}"

    @contextmanager
    def on(self, processor):
        """Watch this thread's connection and the processor."""
        connection.close()
        connection.ensure_connection()
        connection.connection = Watched(connection.connection, self)
        processor.device = self
        try:
            with connection.execute_wrapper(self._statement):
                yield
        finally:
            processor.device = None
            connection.close()

    def boundary(self, kind, effect):
        """Do what is done at a boundary, unless the worker is dead, or dies of it."""
        if self.dead:
            raise Crash
        self.counts[kind] += 1
        here = not self.fired and (kind, self.counts[kind]) == (self.kind, self.number)
        if here and not self.after:
            self._fire()
        result = effect()
        if here and self.after:
            self._fire()
        return result

    def _fire(self):
        self.fired = True
        if self.how == "waits":
            self.meanwhile()
        elif self.how == "loses its connection" and self.kind != "call":
            connection.connection.close()
            raise psycopg2.OperationalError("server closed the connection unexpectedly")
        else:
            self.dead = True
            raise Crash

    def _statement(self, execute, sql, params, many, context):
        with connection.wrap_database_errors:
            return self.boundary("statement", lambda: execute(sql, params, many, context))


class Watched:
    """The driver's connection, whose commits are boundaries."""

    def __init__(self, real, device):
        object.__setattr__(self, "_real", real)
        object.__setattr__(self, "_device", device)

    def __getattr__(self, name):
        return getattr(self._real, name)

    def __setattr__(self, name, value):
        setattr(self._real, name, value)

    def commit(self):
        try:
            self._device.boundary("commit", self._real.commit)
        except Crash:
            self._real.rollback()  # As the server does when the process is gone.
            raise
