"""The real client on a real wire: what leaves and enters its sockets are boundaries.

Balanced's client talks to the sandbox, a process of its own. A request is cut in two here, its head
and its body, so a process may die with half of it sent; and it may die while the sandbox is at
work, whose ledger then says what became of it.
"""

from __future__ import annotations

from collections import defaultdict, deque

from billy.tests.processes import Teller
from processors.balanced import EVERY_STATUS, Balanced
from processors.balanced_objects import receipt_of
from processors.base import Kind
from processors.lines import Line, Lines
from tests.crash import boundaries

END_OF_HEAD = b"\r\n\r\n"


class WatchedLine(Line):
    """The client's own connection, whose writes and answers are boundaries."""

    def send(self, data):
        cut = data.index(END_OF_HEAD) + len(END_OF_HEAD)
        self._crossed("HTTP send: head", super().send, data[:cut])
        if data[cut:]:
            self._crossed("HTTP send: body", super().send, data[cut:])

    def receive(self):
        return self._crossed("HTTP receive", super().receive)

    def _crossed(self, name, effect, *arguments):
        process = boundaries.current()
        if process is None:
            return effect(*arguments)
        return process.cross(name, lambda: effect(*arguments))


class Wire(Balanced):
    """Balanced at a sandbox, as a stage wants it: with a new account, cards and a ledger."""

    def __init__(self, url):
        super().__init__(connect_timeout_seconds=5.0, read_timeout_seconds=30.0)
        self._wire.lines = Lines(
            connect_timeout_seconds=5.0, read_timeout_seconds=30.0, made=WatchedLine
        )
        self.account = self.open_account(url=url)
        self.answers = defaultdict(deque)
        self.meanwhile = deque()
        self._teller = Teller(url, self.account.secret)

    def uri(self, kind):
        """Return a new instrument."""
        return self._teller.card() if kind == "card" else self._teller.bank_account()

    def begin(self):
        """A new run has new cards, and they have no debits."""

    def ledger(self, instruments):
        """Return what the sandbox says of these instruments' debits."""
        return [
            receipt_of(item, kind=Kind.DEBIT)
            for each in instruments
            for item in self._listed(
                account=self.account,
                path=f"{each.uri}/debits",
                filters={"status[in]": EVERY_STATUS},
            )
        ]

    def deliver(self):
        """What is on this wire arrives by itself."""

    def hang_up(self):
        """Let no process find the connections of one that died."""
        self._wire.lines.hang_up()

    def clear(self):
        """Nothing is arranged here."""

    def close(self):
        """Hang up."""
        self.hang_up()
        self._teller.close()
