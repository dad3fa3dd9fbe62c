"""Events, made when they are asked for. Their ids hold what they are about."""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.envelope import templates
from sandbox.happenings import DIRECT_HOLD, NUMBER_OF_TYPE, TYPES, event_name, happened
from sandbox.kinds import kind_of
from sandbox.records import BankAccountVerification, CardHold, Debit, Record
from sandbox.resources.holds import direct_hold
from sandbox.wire import Json

PREFIX = "EV"
TYPE_DIGITS = 2
INSTANTS = ("created", "succeeded", "failed", "voided")
NO_CALLBACKS = {"pending": 0, "retrying": 0, "succeeded": 0, "failed": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a record. The record is as it is now, as the historic server's entities were."""

    record: Record
    type: str

    @classmethod
    def of(cls, record: Record, number: int) -> "Event":
        """An event from the journal, where a type is a number."""
        type_ = TYPES[number]
        if isinstance(record, Debit) and type_ in DIRECT_HOLD:
            return cls(record=direct_hold(record), type=type_)
        return cls(record=record, type=type_)

    @property
    def id(self) -> str:
        """The id: the number of the type, and the id of what it is about."""
        number = NUMBER_OF_TYPE[self.type]
        return f"{PREFIX}{number:0{TYPE_DIGITS}}{self.record.id}"

    @property
    def occurred_at(self) -> str:
        """When it happened, as far as the record still knows."""
        what = self.type.rpartition(".")[2]
        if what in {"created", "deposited"}:
            return self.record.created_at
        known: str | None = getattr(self.record, f"{what}_at", None)
        return known or self.record.updated_at


def find(id_: str, look: Callable[[str], Record | None]) -> Event | None:
    """The event with this id, or None if it never happened or the record may not be seen."""
    number, owner = id_[len(PREFIX) :][:TYPE_DIGITS], id_[len(PREFIX) + TYPE_DIGITS :]
    if not id_.startswith(PREFIX) or not number.isascii() or not number.isdecimal():
        return None
    if int(number) >= len(TYPES):
        return None
    type_ = TYPES[int(number)]
    record = look("WD" + owner[2:] if type_ in DIRECT_HOLD and look(owner) is None else owner)
    if record is None:
        return None
    event = Event.of(record, int(number))
    known = {each.type for each in history(event.record)}
    # What was changed later by something else no longer shows that it was updated before.
    known.add(f"{event_name(event.record)}.updated")
    return event if event.type in known else None


def history(record: Record) -> list[Event]:
    """The events that a record can be seen to have had, oldest first."""
    types = [*_births(record), *_instants(record), *_verdicts(record), *_ends(record)]
    known = [type_ for type_ in dict.fromkeys(types) if type_ in NUMBER_OF_TYPE]
    events = [Event.of(record, NUMBER_OF_TYPE[type_]) for type_ in known]
    return sorted(events, key=lambda event: event.occurred_at)


def _births(record: Record) -> tuple[str, ...]:
    if isinstance(record, CardHold) and record.debit is not None:
        return DIRECT_HOLD
    return happened(record, before=None)


def _instants(record: Record) -> list[str]:
    """What an instant of the record tells of; `updated` if the last change was none of these."""
    name = event_name(record)
    at = {what: getattr(record, f"{what}_at", None) for what in INSTANTS}
    seen = [f"{name}.{what}" for what, instant in at.items() if instant is not None]
    if record.updated_at not in at.values():
        seen.append(f"{name}.updated")
    return seen


def _verdicts(record: Record) -> list[str]:
    if not isinstance(record, BankAccountVerification):
        return []
    word = {"succeeded": "verified"}.get(record.verification_status, record.verification_status)
    return [f"{event_name(record)}.{word}"]


def _ends(record: Record) -> list[str]:
    if not record.deleted:
        return []
    return [f"{event_name(record)}.{what}" for what in ("deleted", "invalidated")]


def show(event: Event) -> dict[str, Json]:
    """The event as it is served."""
    kind = kind_of(event.record)
    entity = kind.show(event.record)
    return {
        "id": event.id,
        "href": f"/events/{event.id}",
        "type": event.type,
        "occurred_at": event.occurred_at,
        "callback_statuses": NO_CALLBACKS,
        "entity": {
            kind.plural: [entity],
            "links": templates(kind, [entity]),
        },
        "links": {},
    }
