"""What one request does, so that all of it happens or nothing."""

from dataclasses import dataclass
from typing import TypeVar

from sandbox.happenings import phase
from sandbox.ids import Ids
from sandbox.kinds import BY_RECORD
from sandbox.records import Record
from sandbox.store import Store
from sandbox.wire import Json

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How a record was before this work changed it."""

    phase: str
    values: dict[str, Json]


class Work:
    """Collects new and changed records. Ends in `keep` or in `undo`.

    A changed record is off its lists and its effects are off the books until the end, so a verb
    reads balances first and changes afterwards.
    """

    def __init__(self, *, store: Store, ids: Ids, marketplace: str | None, at: str) -> None:
        self.store = store
        self.ids = ids
        self.marketplace = marketplace
        self.at = at
        self.made: dict[str, Record] = {}
        self.changed: dict[str, Before] = {}
        self._next = store.sequence + 1

    def make(self, record: type[R], **values: Json) -> R:
        """A new record, with id and instants."""
        sequence = self._next
        self._next += 1
        values.setdefault("marketplace", self.marketplace)
        made = record(
            id=values.pop("id", None) or self.ids.id(BY_RECORD[record].prefix, sequence),
            sequence=sequence,
            created_at=self.at,
            updated_at=self.at,
            **values,
        )
        self.made[made.id] = made
        return made

    def change(self, record: Record, **values: Json) -> None:
        """Set fields of a record, and that it was updated now."""
        if record.id not in self.made and record.id not in self.changed:
            self.changed[record.id] = Before(phase=phase(record), values={})
            self.store.lift(record)
        self._set(record, values | {"updated_at": self.at})

    def touch(self, record: Record) -> None:
        """Have a record written though nothing of it changed."""
        if record.id not in self.made and record.id not in self.changed:
            self.changed[record.id] = Before(phase=phase(record), values={})
            self.store.lift(record)

    def records(self) -> list[Record]:
        """Everything that is to be written, in order."""
        return [*(self.store.by_id[id_] for id_ in self.changed), *self.made.values()]

    def keep(self) -> list[tuple[Record, tuple[str, ...]]]:
        """Put everything in place; returns each record with the types of its events."""
        kept = []
        for id_, before in self.changed.items():
            record = self.store.by_id[id_]
            self.store.place(record)
            quiet = not before.values and before.phase == phase(record)
            kept.append((record, () if quiet else self.store.note(record, before=before.phase)))
        for record in self.made.values():
            self.store.place(record)
            kept.append((record, self.store.note(record, before=None)))
        return kept

    def undo(self) -> None:
        """Leave everything as it was."""
        for id_, before in self.changed.items():
            record = self.store.by_id[id_]
            for name, value in before.values.items():
                setattr(record, name, value)
            self.store.place(record)

    def _set(self, record: Record, values: dict[str, Json]) -> None:
        before = self.changed.get(record.id)
        for name, value in values.items():
            if before is not None:
                before.values.setdefault(name, getattr(record, name))
            setattr(record, name, value)
