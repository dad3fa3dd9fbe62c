"""The kinds of task, and the book in which they are found by name.

A task says *what*: charge a price, or deposit an amount. It does not know that it is scheduled,
audited or sent anywhere: it prices a frozen context and returns lines.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from core import check
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.pricing import Context, Line

FIXED_DEBIT = "fixed-debit"
FIXED_PAYOUT = "fixed-payout"
NAME_LIMIT = 80  # What a scheduler has room for.
# These two are priced in sets, inside the database transaction; all others run merchants' code.
FIXED = frozenset({FIXED_DEBIT, FIXED_PAYOUT})


_book: dict[str, Entry] = {}


class DebitTask:
    """Charge the customer a computed price; write `price` in a subclass."""

    direction: ClassVar[str] = "debit"

    def price(self, context: Context) -> Line | Sequence[Line]:
        """Return the line or lines of this occurrence, in the context's currency."""
        raise TypeError(f"{type(self).__name__} must say its price for {context.description!r}")


class PayoutTask(DebitTask):
    """Deposit a computed amount into the customer's bank account; write `price` in a subclass."""

    direction: ClassVar[str] = "credit"


class FixedDebitTask(DebitTask):
    """Charge the plan's amount, or the scheduler's own in its place."""

    def price(self, context: Context) -> Line | Sequence[Line]:
        """Return one line of the fixed amount."""
        return context.fixed_line()


class FixedPayoutTask(PayoutTask):
    """Deposit the payout's amount (payroll), or the scheduler's own in its place."""

    def price(self, context: Context) -> Line | Sequence[Line]:
        """Return one line of the fixed amount."""
        return context.fixed_line()


T = TypeVar("T", bound="type[DebitTask]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A kind of task in the book: its name, its version and its class."""

    name: str
    version: int
    task: type[DebitTask]

    @property
    def direction(self) -> str:
        """Return which way its money goes: debit or credit."""
        return self.task.direction


def task(name: str, *, version: int = 1) -> Callable[[T], T]:
    """Enter a class into the book under a name; schedulers carry the name, not the class.

    Raises Invalid when the class is no task, or the name belongs to another class.
    """

    def enter(kind: T) -> T:
        if not (inspect.isclass(kind) and issubclass(kind, DebitTask)):
            raise Invalid(task=f"{kind!r} must be a subclass of DebitTask or PayoutTask")
        check.text("task", name, limit=NAME_LIMIT, is_required=True)
        known = _book.get(name)
        if known is not None and _path(known.task) != _path(kind):
            raise Invalid(task=f"the name {name!r} is taken by {_path(known.task)}")
        _book[name] = Entry(name=name, version=version, task=kind)
        return kind

    return enter


def _path(kind: type[DebitTask]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def find(name: str) -> Entry:
    """Return the kind of this name; raises Invalid that lists the ones there are."""
    if name not in _book:
        raise Invalid(task=f"is not known; there are {', '.join(sorted(_book))}")
    return _book[name]


task(FIXED_DEBIT)(FixedDebitTask)
task(FIXED_PAYOUT)(FixedPayoutTask)
