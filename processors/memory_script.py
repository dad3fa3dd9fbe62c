"""What a script for the twin in memory is written in: answers and faults, as values.

A script reads as a story: `Memory(script=[Declined, Lost, Busy])` declines the first order,
executes the second and loses its answer, and puts off the third.
"""

from dataclasses import dataclass, field

from processors.base import (
    Busy,
    KeyConflict,
    NotSent,
    ProcessorError,
    Unknown,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The money moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """It was accepted; `Memory.settle` says later what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """It was executed and refused; `hard` where the same instrument must not be tried again."""

    hard: bool = False
    code: str = "card-declined"
    reason: str = "The card was declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """It was executed, to the result in `after`, and the answer was lost on its way."""

    after: "Result" = field(default_factory=Succeeded)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostBefore:
    """The request was lost on its way, and nobody can know that from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """Nobody answers in time; it is executed when `Memory.arrive` is called."""

    after: "Result" = field(default_factory=Succeeded)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongBody:
    """It was executed, and the answer of success does not match the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The connection was refused, so nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """The processor holds that the key belongs to another request."""


Result = Succeeded | Pending | Declined
Fault = Lost | LostBefore | Late | WrongBody | Refused | Conflict
# One item of a script: an answer or an error, as a value or as a class for its defaults.
Item = Result | Fault | ProcessorError | type[Result] | type[Fault] | type[ProcessorError]

SUCCEEDED = Succeeded()

# What Billy sees of each fault.
SEEN: dict[type[Fault], tuple[type[ProcessorError], str]] = {
    Lost: (Unknown, "the answer was lost"),
    LostBefore: (Unknown, "the answer was lost"),
    Late: (Unknown, "nobody answered in time"),
    WrongBody: (Unknown, "the answer differs from the order in its amount"),
    Refused: (NotSent, "the processor could not be reached"),
    Conflict: (KeyConflict, "the key names another request"),
}


def ready(item: Item) -> Result | Fault | ProcessorError:
    """Turn a class in a script into what it stands for."""
    if not isinstance(item, type):
        return item
    if issubclass(item, Busy):
        return Busy("the processor asks for a pause", retry_after_seconds=1.0)
    if issubclass(item, ProcessorError):
        return item(item.__name__)
    return item()
