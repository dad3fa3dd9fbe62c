"""Everything that the sandbox remembers, in memory, with the indexes that lists need."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from operator import attrgetter

from sandbox import books
from sandbox.happenings import NUMBER_OF_TYPE, happened
from sandbox.kinds import BY_NAME, Kind, kind_of
from sandbox.records import ApiKey, Callback, Dispute, Record, Transaction

Records = list[Record]  # Always in the order of their making.
BY_SEQUENCE = attrgetter("sequence")
NOTHING: Records = []


class Shelf:
    """All records of one kind in one marketplace.

    `every` holds what lists may show, `visible` the same without failed transactions. The index of
    a meta key is made when it is first asked for, so that nobody pays for one that is not used.
    """

    __slots__ = ("by_meta", "by_status", "every", "visible")

    def __init__(self) -> None:
        self.every: Records = []
        self.visible: Records = []
        self.by_status: dict[str, Records] = {}
        self.by_meta: dict[str, dict[str, Records]] = {}

    def insert(self, record: Record) -> None:
        """Enter a record into every list and index."""
        for records in self._places(record):
            _insert(records, record)

    def remove(self, record: Record) -> None:
        """Take a record out of every list and index."""
        for records in self._places(record):
            _remove(records, record)

    def with_meta(self, key: str, value: str) -> Records:
        """The records whose meta has this value, failed ones included."""
        if key not in self.by_meta:
            index: dict[str, Records] = {}
            for record in self.every:
                if key in record.meta:
                    index.setdefault(record.meta[key], []).append(record)
            self.by_meta[key] = index
        return self.by_meta[key].get(value, NOTHING)

    def _places(self, record: Record) -> Iterator[Records]:
        yield self.every
        if isinstance(record, Transaction | Dispute):
            yield self.by_status.setdefault(record.status, [])
            if record.status != "failed":
                yield self.visible
        else:
            yield self.visible
        for key, index in self.by_meta.items():
            if key in record.meta:
                yield index.setdefault(record.meta[key], [])


class Journal:
    """The events of one marketplace in the order in which they happened, as small as can be."""

    __slots__ = ("records", "types")

    def __init__(self) -> None:
        self.records: Records = []
        self.types = bytearray()

    def add(self, record: Record, type_: str) -> None:
        """Enter an event."""
        self.records.append(record)
        self.types.append(NUMBER_OF_TYPE[type_])


class Store:
    """Records by id and in their lists. `sequence` is that of the youngest record."""

    def __init__(self) -> None:
        self.by_id: dict[str, Record] = {}
        self.by_secret: dict[str, ApiKey] = {}
        self.callbacks: dict[str, list[Callback]] = {}
        self.sequence = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._lists: dict[tuple[str, str], Records] = {}
        self._journals: dict[str, Journal] = {}

    def place(self, record: Record) -> None:
        """Enter a record into everything that leads to it."""
        kind = kind_of(record)
        self.by_id[record.id] = record
        self.sequence = max(self.sequence, record.sequence)
        self.counts[kind.name, getattr(record, "status", "")] += 1
        if isinstance(record, Transaction):
            books.post(record, self.by_id, sign=1)
        elif isinstance(record, ApiKey | Callback):
            self._register(record)
        if record.is_listed:
            if record.marketplace is not None:
                self.shelf(kind, record.marketplace).insert(record)
            for records in self._scoped(kind, record):
                _insert(records, record)

    def lift(self, record: Record) -> None:
        """Undo `place`, before the record changes. It stays known by its id."""
        kind = kind_of(record)
        self.counts[kind.name, getattr(record, "status", "")] -= 1
        if isinstance(record, Transaction):
            books.post(record, self.by_id, sign=-1)
        if record.is_listed:
            if record.marketplace is not None:
                self.shelf(kind, record.marketplace).remove(record)
            for records in self._scoped(kind, record):
                _remove(records, record)

    def note(self, record: Record, *, before: str | None) -> tuple[str, ...]:
        """Enter what happened to a placed record into the journal; returns the types of events."""
        types = happened(record, before=before)
        if types and record.marketplace is not None:
            journal = self.journal(record.marketplace)
            for type_ in types:
                journal.add(record, type_)
        return types

    def shelf(self, kind: Kind, marketplace: str) -> Shelf:
        """All of a kind in a marketplace."""
        shelf = self._shelves.get((kind.name, marketplace))
        if shelf is None:
            shelf = self._shelves[kind.name, marketplace] = Shelf()
        return shelf

    def of(self, kind: Kind, owner: str) -> Records:
        """The records of a kind that belong to the record with this id, failed ones included."""
        return self._lists.get((kind.name, owner), NOTHING)

    def journal(self, marketplace: str) -> Journal:
        """The events of a marketplace."""
        journal = self._journals.get(marketplace)
        if journal is None:
            journal = self._journals[marketplace] = Journal()
        return journal

    def tallies(self) -> dict[str, dict[str, int]]:
        """How many records there are, by kind and status."""
        tallies: dict[str, dict[str, int]] = {name: {} for name in BY_NAME}
        for (name, status), count in self.counts.items():
            if count:
                tallies[name][status or "all"] = count
        return tallies

    def _scoped(self, kind: Kind, record: Record) -> Iterator[Records]:
        for scope in kind.scopes:
            owner = getattr(record, scope)
            if owner is not None:
                yield self._lists.setdefault((kind.name, owner), [])

    def _register(self, record: ApiKey | Callback) -> None:
        if isinstance(record, ApiKey):
            self.by_secret[record.secret] = record
            if record.deleted:
                del self.by_secret[record.secret]
        elif record.marketplace is not None:
            listed = self.callbacks.setdefault(record.marketplace, [])
            listed[:] = [each for each in listed if each is not record]
            if not record.deleted:
                listed.append(record)


def _insert(records: Records, record: Record) -> None:
    if not records or records[-1].sequence < record.sequence:
        records.append(record)
    else:
        insort(records, record, key=BY_SEQUENCE)


def _remove(records: Records, record: Record) -> None:
    del records[bisect_left(records, record.sequence, key=BY_SEQUENCE)]
