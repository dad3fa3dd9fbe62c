"""Making the state again from the ledger, so that a killed sandbox comes back as it was."""

from dataclasses import MISSING, dataclass, fields, replace
from sys import intern

from sandbox.clock import Clock, instant
from sandbox.happenings import phase
from sandbox.keys import Keys, Ticket
from sandbox.kinds import BY_NAME, Kind
from sandbox.ledger import Ledger
from sandbox.records import NO_META, Record
from sandbox.store import Store
from sandbox.wire import Json, encode

OWN_TYPE = "sandbox"  # Lines about the sandbox itself: its seed, its clock.


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a ledger says of the sandbox itself; None where it says nothing."""

    seed: str | None = None
    now: str | None = None


def own_line(**values: Json) -> str:
    """A line about the sandbox itself, with the keys that every line has."""
    empty = dict.fromkeys(("id", "status", "amount", "currency", "key", "at", "marketplace"))
    return encode({"type": OWN_TYPE, **empty, "meta": {}, "object": values})


def restore(ledger: Ledger, *, store: Store, keys: Keys) -> Found:
    """Read every line into the store and the keys. Raises LedgerError for a damaged file."""
    own: dict[str, str | None] = {}
    for place, line in ledger.lines():
        if line["type"] == OWN_TYPE:
            own |= line["object"]
            continue
        record = _apply(store, line)
        answer = line.get("answer")
        if answer is not None:
            ticket = Ticket.restored(answer)
            if record.key == ticket.key:
                ticket = replace(ticket, key=record.key)  # One text for both.
            keys.remember(ticket, place, at=answer["at"])
    return Found(seed=own.get("seed"), now=own.get("now"))


def set_clock(clock: Clock, now: str | None) -> None:
    """Let the clock stand where it stood, or follow the machine."""
    if now is None:
        clock.release()
    else:
        clock.set(instant(now))


def _apply(store: Store, line: dict[str, Json]) -> Record:
    kind = BY_NAME[line["type"]]
    values = _shared(_values(kind, line), store)
    record = store.by_id.get(line["id"])
    if record is None:
        record = kind.record(**values)
        store.place(record)
        store.note(record, before=None)
        return record
    before = phase(record)
    store.lift(record)
    for name, value in values.items():
        setattr(record, name, value)
    store.place(record)
    store.note(record, before=before)
    return record


def _values(kind: Kind, line: dict[str, Json]) -> dict[str, Json]:
    shown = line["object"]
    found = _EMPTY[kind.name] | shown | shown["links"] | line["private"]
    values = {name: value for name, value in found.items() if name in kind.settable}
    for name in ("marketplace", "sequence", "key"):
        values[name] = line[name]
    meta = line["meta"]
    values["meta"] = {intern(key): value for key, value in meta.items()} if meta else NO_META
    return values


def _shared(values: dict[str, Json], store: Store) -> dict[str, Json]:
    """The same values, but equal texts are one text: half of the memory of a big ledger."""
    own = {value: value for value in values["meta"].values()}
    own[values["created_at"]] = values["created_at"]
    for name, value in values.items():
        if type(value) is str:
            known = store.by_id.get(value)
            values[name] = own.get(value, value) if known is None else known.id
    return values


def _empty(kind: Kind) -> dict[str, Json]:
    """The private fields with their defaults, which the ledger leaves out."""
    defaults = {each.name: each.default for each in fields(kind.record)}
    return {
        name: defaults[name] for name in kind.private if defaults.get(name, MISSING) is not MISSING
    }


_EMPTY = {name: _empty(kind) for name, kind in BY_NAME.items()}
