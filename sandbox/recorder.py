"""Writing down what was done, before anybody is told of it."""

from typing import Protocol

from sandbox import answers
from sandbox.answers import Outcome
from sandbox.keys import Keys, Ticket
from sandbox.kinds import kind_of
from sandbox.ledger import Ledger, Place, write_line
from sandbox.records import Record
from sandbox.wire import Answer, Json
from sandbox.work import Work

META_KEY = "billy.key"


class Listener(Protocol):
    """Somebody who is told of everything that is kept."""

    def heard(self, record: Record, types: tuple[str, ...]) -> None:
        """A record is new or has changed; `types` are those of its events."""


class Recorder:
    """Ends works: into the ledger, into the lists, to the listeners."""

    def __init__(self, *, ledger: Ledger, keys: Keys) -> None:
        self.ledger = ledger
        self.keys = keys
        self._listeners: list[Listener] = []

    def listen(self, *listeners: Listener) -> None:
        """Have listeners told of everything that is kept from now on."""
        self._listeners.extend(listeners)

    def commit(self, work: Work) -> None:
        """Keep what was done apart from any request. Raises OSError, and then it is not kept."""
        records = work.records()
        self._append(records, [_show(record) for record in records], answer=None)
        self._keep(work)

    def answer(self, work: Work, outcome: Outcome, ticket: Ticket | None) -> Answer:
        """Keep what a request did, under its key if it has one, and make its answer.

        The resource that is answered is written last, together with what a replay needs.
        Raises OSError, and then nothing is kept.
        """
        record = outcome.record
        if record is not None and ticket is not None:
            work.touch(record)
            if record.id in work.made:
                record.key = ticket.key
        records = work.records()
        if not records:
            return answers.write(outcome, None if record is None else _show(record))
        if record is not None and len(records) > 1 and record in records:
            records.remove(record)
            records.append(record)
        shown = [_show(each) for each in records]
        stored = None
        if ticket is not None:
            stored = ticket.stored() | {"at": work.at} | outcome.stored()
        place = self._append(records, shown, answer=stored)
        if ticket is not None:
            self.keys.remember(ticket, place, at=work.at)
        self._keep(work)
        return answers.write(outcome, shown[-1])

    def replay(self, place: Place) -> Answer:
        """The answer that lies at a place of the ledger, as it was given."""
        return answers.replay(self.ledger.read(place))

    def _append(
        self, records: list[Record], shown: list[Json], *, answer: dict[str, Json] | None
    ) -> Place:
        last = len(records) - 1
        lines = []
        for number, record in enumerate(records):
            if record.key is None and META_KEY in record.meta:
                record.key = record.meta[META_KEY]
            own_answer = answer if number == last else None
            line = write_line(record, shown[number], answer=own_answer, more=number < last)
            lines.append(line)
        return self.ledger.append(lines)[-1]

    def _keep(self, work: Work) -> None:
        for record, types in work.keep():
            for listener in self._listeners:
                listener.heard(record, types)


def _show(record: Record) -> Json:
    return kind_of(record).show(record)
