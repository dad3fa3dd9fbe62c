"""Lists: filters, sorting, paging."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from sandbox.clock import instant, stamp
from sandbox.envelope import templates
from sandbox.errors import invalid
from sandbox.kinds import Kind
from sandbox.records import Record
from sandbox.store import NOTHING, Records, Shelf, Store
from sandbox.wire import Json

DEFAULT_LIMIT = 10
MAXIMUM_LIMIT = 100  # The historic maximum is not known.
MAXIMUM_OFFSET = 2**53

FILTERS = {
    "amount",
    "created_at",
    "email",
    "expires_at",
    "is_valid",
    "is_void",
    "status",
    "transaction_number",
    "type",
    "url",
}
SORTS = {"amount", "created_at", "email", "expires_at", "type", "updated_at"}
INSTANTS = {"created_at", "expires_at", "updated_at", "occurred_at"}
VISIBLE = ("status[!=]", "failed")  # What lists show unless they are asked for a status.
ALL_STATUSES = frozenset({"pending", "succeeded", "failed"})

Pairs = Sequence[tuple[str, str]]
Test = Callable[[Json], bool]
Filter = Callable[[Record], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list. `query` holds the filters, which the links to other pages repeat."""

    plural: str
    items: list[Json]
    links: dict[str, str]
    total: int
    limit: int
    offset: int
    path: str
    query: Pairs

    @property
    def last_offset(self) -> int:
        """Where the last page starts."""
        return max(self.total - 1, 0) // self.limit * self.limit

    @property
    def next_offset(self) -> int | None:
        """Where the next page starts, None after the last."""
        following = self.offset + self.limit
        return following if following < self.total else None

    @property
    def previous_offset(self) -> int | None:
        """Where the page before starts, None before the first."""
        return max(self.offset - self.limit, 0) if self.offset > 0 else None

    def href(self, offset: int | None) -> str | None:
        """The address of the page that starts there, None for None."""
        if offset is None:
            return None
        pairs = [*self.query, ("limit", str(self.limit)), ("offset", str(offset))]
        return f"{self.path}?{urlencode(pairs)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a list is asked for, read from the address."""

    path: str
    filters: Pairs
    sorts: Pairs
    limit: int
    offset: int

    @property
    def pairs(self) -> Pairs:
        """Filters and sorts, as they stand in an address."""
        return [*self.filters, *(("sort", f"{name},{way}") for name, way in self.sorts)]

    def page(self, kind: Kind, found: "Found") -> Page:
        """The page of what was found."""
        items = [kind.show(record) for record in found.slice(self.offset, self.limit)]
        return Page(
            plural=kind.plural,
            items=items,
            links=templates(kind, items),
            total=len(found.records),
            limit=self.limit,
            offset=self.offset,
            path=self.path,
            query=self.pairs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Records that match. `newest_last` ones are read from the end, without copying the list."""

    records: Records
    newest_last: bool = True

    def slice(self, offset: int, limit: int) -> Records:
        """The records of one page."""
        if not self.newest_last:
            return self.records[offset : offset + limit]
        end = max(len(self.records) - offset, 0)
        return self.records[max(end - limit, 0) : end][::-1]


def read_query(path: str, pairs: Pairs) -> Query:
    """Read the address of a list. Raises Refusal for numbers that are none."""
    filters, sorts = [], []
    numbers = {"limit": DEFAULT_LIMIT, "offset": 0}
    for name, value in map(_whole, pairs):
        if name in numbers:
            numbers[name] = _number(name, value)
        elif name == "sort":
            field, _, way = value.partition(",")
            if field in SORTS:
                sorts.append((field, "desc" if way == "desc" else "asc"))
        else:
            filters.append((name, value))
    return Query(
        path=path,
        filters=filters,
        sorts=sorts,
        limit=min(max(numbers["limit"], 1), MAXIMUM_LIMIT),
        offset=min(numbers["offset"], MAXIMUM_OFFSET),
    )


def search(store: Store, kind: Kind, query: Query, *, marketplace: str) -> Found:
    """All of a kind in a marketplace that match, newest first unless sorted.

    Failed transactions only show if a status is asked for. An equal meta value or status is looked
    up, everything else is tried record by record.
    """
    shelf = store.shelf(kind, marketplace)
    filters = list(query.filters)
    if not any(name.partition("[")[0] == "status" for name, _ in filters):
        filters.append(VISIBLE)
    for pair in filters:
        name, value = pair
        if name.startswith("meta."):
            filters.remove(pair)
            return _sift(shelf.with_meta(name[len("meta.") :], value), filters, query.sorts)
    for pair in filters:
        base = _by_status(shelf, *pair)
        if base is not None:
            filters.remove(pair)
            return _sift(base, filters, query.sorts)
    return _sift(shelf.every, filters, query.sorts)


def search_within(records: Records, query: Query) -> Found:
    """Those of a short list that match, failed ones only if a status is asked for."""
    filters = list(query.filters)
    if not any(name.partition("[")[0] == "status" for name, _ in filters):
        filters.append(VISIBLE)
    return _sift(records, filters, query.sorts)


def value_test(name: str, operator: str, value: str) -> Test:
    """The test of one value: `=` by default, or one of the operators in brackets."""
    if name in INSTANTS:
        value = _instants(name, value)
    return _OPERATORS[operator](value)


def split_filter(name: str) -> tuple[str, str]:
    """The field and the operator of `field[operator]`; an unknown operator is refused."""
    field, _, rest = name.partition("[")
    operator = rest.removesuffix("]") or "="
    if operator not in _OPERATORS:
        raise invalid(name, f"unknown operator {operator!r}")
    return field, operator


def _by_status(shelf: Shelf, name: str, value: str) -> Records | None:
    """The list that a filter of status already has, so that nobody need go through all."""
    if (name, value) == VISIBLE:
        return shelf.visible
    if name == "status":
        return shelf.by_status.get(value, NOTHING)
    if name == "status[in]":
        wanted = {each.strip() for each in value.split(",")}
        if wanted >= ALL_STATUSES:
            return shelf.every
        if wanted == ALL_STATUSES - {"failed"}:
            return shelf.visible
    return None


def _sift(records: Records, filters: Pairs, sorts: Pairs) -> Found:
    tests = [test for pair in filters if (test := _filter(*pair)) is not None]
    if tests:
        records = [record for record in records if all(test(record) for test in tests)]
    if not sorts:
        return Found(records=records)
    ordered = records[::-1]
    for name, way in reversed(sorts):
        ordered.sort(key=_sort_key(name), reverse=way == "desc")
    return Found(records=ordered, newest_last=False)


def _filter(name: str, value: str) -> Filter | None:
    if name.startswith("meta."):
        key = name[len("meta.") :]
        return lambda record: record.meta.get(key) == value
    field, operator = split_filter(name)
    if field == "meta" and operator in {"contains", "!contains"}:
        return lambda record: (value in record.meta) is (operator == "contains")
    if field not in FILTERS:
        return None  # Unknown words in an address were passed over.
    test = value_test(field, operator, value)
    if field == "status":  # A record without a status is never hidden.
        return lambda record: test(getattr(record, "status", ""))
    return lambda record: hasattr(record, field) and test(getattr(record, field))


def _compare(compare: Callable[[Json, Json], bool]) -> Callable[[str], Test]:
    def make(value: str) -> Test:
        def test(own: Json) -> bool:
            if isinstance(own, bool):
                return compare(own, value.lower() == "true")
            if isinstance(own, int):
                return value.lstrip("-").isdecimal() and compare(own, int(value))
            return isinstance(own, str) and compare(own, value)

        return test

    return make


def _among(value: str) -> Test:
    tests = [_OPERATORS["="](each.strip()) for each in value.split(",")]
    return lambda own: any(test(own) for test in tests)


def _negate(make: Callable[[str], Test]) -> Callable[[str], Test]:
    def negated(value: str) -> Test:
        test = make(value)
        return lambda own: not test(own)

    return negated


def _text(compare: Callable[[str, str], bool]) -> Callable[[str], Test]:
    return lambda value: lambda own: own is not None and compare(str(own), value)


def _like(own: str, pattern: str) -> bool:
    return pattern.strip("%").lower() in own.lower()


_EQUAL = _compare(lambda own, value: bool(own == value))
_OPERATORS: dict[str, Callable[[str], Test]] = {
    "=": _EQUAL,
    "!=": _negate(_EQUAL),
    ">": _compare(lambda own, value: bool(own > value)),
    ">=": _compare(lambda own, value: bool(own >= value)),
    "<": _compare(lambda own, value: bool(own < value)),
    "<=": _compare(lambda own, value: bool(own <= value)),
    "in": _among,
    "!in": _negate(_among),
    "contains": _text(lambda own, value: value in own),
    "!contains": _negate(_text(lambda own, value: value in own)),
    "startswith": _text(str.startswith),
    "endswith": _text(str.endswith),
    "ilike": _text(_like),
    "!ilike": _negate(_text(_like)),
}


def _sort_key(name: str) -> Callable[[Record], tuple[bool, Json]]:
    """Sorts by one field; those that have none come first."""

    def key(record: Record) -> tuple[bool, Json]:
        value = getattr(record, name, None)
        return value is not None, value if value is not None else 0

    return key


def _instants(name: str, value: str) -> str:
    try:
        return ",".join(stamp(instant(each)) for each in value.split(","))
    except ValueError:
        raise invalid(name, f"{value!r} is no instant") from None


def _whole(pair: tuple[str, str]) -> tuple[str, str]:
    """A pair whose operator has a `=` of its own, such as `amount[>=]=5`, put together again."""
    name, value = pair
    if "[" not in name or name.endswith("]"):
        return pair
    operator, _, rest = value.partition("]=")
    return f"{name}={operator}]", rest


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdecimal() or len(value) > len(str(MAXIMUM_OFFSET)):
        raise invalid(name, f"{value!r} is no whole number")
    return int(value)
