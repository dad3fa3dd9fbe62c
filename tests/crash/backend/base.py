"""Connections whose every effect on the server is a boundary, found at psycopg2's own edge.

What Django, the engine or anybody else sends goes through a cursor or a connection of psycopg2, so
nothing has to be listed and nothing goes stale. What sets a connection up (its time zone) is not
counted: it changes nothing that another process could see.

A connection that a process let go of, or took down with it, is emptied of all that it held and
given to the next process: to the others that is the same as one that was cut, and a new one would
cost more than the run that it serves.
"""

import re
from collections import defaultdict
from functools import cache

from psycopg2 import Error, extensions

from billy.embedded.backend import base
from tests.crash import boundaries

TABLE = re.compile(r'(?:FROM|INTO|UPDATE|JOIN)\s+"?billy_[a-z]+_([a-z]+)"?', re.IGNORECASE)
AUTOCOMMIT = extensions.connection.autocommit
SPARE: dict[tuple[str, ...], list["Connection"]] = defaultdict(list)
"""Connections that nobody holds, by the database that they lead to."""


@cache
def name_of(statement):
    """Name a statement for people: its verb and its first table."""
    text = statement.decode() if isinstance(statement, bytes) else str(statement)
    verb = text.lstrip(" (").partition(" ")[0].upper()
    found = TABLE.search(text)
    return f"{verb} {found[1]}" if found else verb


class Cursor(extensions.cursor):
    """A cursor whose statements are boundaries."""

    def execute(self, query, variables=None):
        return self._crossed(name_of(query), super().execute, query, variables)

    def executemany(self, query, variables):
        return self._crossed(f"{name_of(query)} (many)", super().executemany, query, variables)

    def callproc(self, name, parameters=()):
        return self._crossed(f"CALL {name}", super().callproc, name, parameters)

    def copy_expert(self, statement, file, *size):
        return self._crossed(name_of(statement), super().copy_expert, statement, file, *size)

    def copy_from(self, file, table, *options, **named):
        return self._crossed(f"COPY {table}", super().copy_from, file, table, *options, **named)

    def copy_to(self, file, table, *options, **named):
        return self._crossed(f"COPY {table}", super().copy_to, file, table, *options, **named)

    def _crossed(self, name, effect, *arguments, **named):
        process = self.connection.process
        if process is None:
            return effect(*arguments, **named)
        return process.cross(name, lambda: effect(*arguments, **named))


class Connection(extensions.connection):
    """A connection whose statements, commits and rollbacks are boundaries of its process."""

    process = None
    place = None

    def cursor(self, *arguments, **options):
        return super().cursor(*arguments, **({"cursor_factory": Cursor} | options))

    @property
    def autocommit(self):
        return AUTOCOMMIT.__get__(self)

    @autocommit.setter
    def autocommit(self, value):
        if self.process is not None:
            self.process.go_on()  # Nothing is sent, but a dead process does not get this far.
        AUTOCOMMIT.__set__(self, value)

    def commit(self):
        self._ended("COMMIT", super().commit)

    def rollback(self):
        self._ended("ROLLBACK", super().rollback)

    def close(self):
        self.process = None
        if self.cut() and self.place is not None:
            SPARE[self.place].append(self)
        else:
            super().close()

    def cut(self):
        """Let the server forget all that it keeps for this connection; returns whether it did."""
        try:
            super().rollback()
            AUTOCOMMIT.__set__(self, True)
            with super().cursor(cursor_factory=extensions.cursor) as cursor:
                cursor.execute("DISCARD ALL")
        except Error:
            return False
        return True

    def hang_up(self):
        """End it for good."""
        super().close()

    def _ended(self, name, effect):
        process = self.process
        if process is None:
            effect()
        elif self.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE:
            process.go_on()  # Nothing is sent.
            effect()
        else:
            process.cross(name, effect)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's connection over one of ours; it belongs to the process that opened it."""

    factory = Connection

    def get_connection_params(self):
        return super().get_connection_params() | {"connection_factory": self.factory}

    def get_new_connection(self, conn_params):
        place = tuple(str(conn_params.get(name)) for name in ("host", "port", "dbname", "user"))
        if spare := SPARE[place]:
            return spare.pop()
        made = super().get_new_connection(conn_params)
        made.place = place
        return made

    def connect(self):
        process = boundaries.current()
        if process is not None:
            process.go_on()
        super().connect()
        if process is not None:
            process.connections.append(self.connection)
            self.connection.process = process


def hang_up():
    """End the connections that nobody holds, so that their database can be dropped."""
    while SPARE:
        for each in SPARE.popitem()[1]:
            each.hang_up()
