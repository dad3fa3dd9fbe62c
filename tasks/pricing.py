"""What a task is given, and what it may return.

A context is frozen: it holds no clock and no network, so the same context gives the same price.
Every line keeps its inputs, formula and rounding, so that an invoice can explain itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core import check
from core.foreign import told
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT, Money
from tasks import kinds
from tasks.limit import Raised, TooSlow, within

if TYPE_CHECKING:
    from datetime import datetime

    from core.periods import Period

LINE_LIMIT = 500  # An invoice that nobody can read explains nothing.
DESCRIPTION_LIMIT = 200
INPUT_NAME_LIMIT = 80
INPUT_LIMIT = 500

Quantity = int | Decimal


class PricingFailed(Exception):  # A result of running foreign code, named as one.
    """The task's code raised, took too long, or returned what cannot be billed: park it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who pays or is paid, as far as a price may depend on it."""

    guid: str
    name: str
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: what it is for, what it comes to, and how that was found."""

    description: str
    amount: Money
    inputs: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a price may depend on.

    `period` is the one that this occurrence opens, `elapsed` the one that ended with it: metered
    usage is summed over `elapsed`. `amount` is the fixed amount, None where the price is computed.
    """

    customer: Party
    params: Mapping[str, Any]
    period: Period
    elapsed: Period | None
    occurrence: int
    now: datetime
    currency: str
    amount: int | None
    description: str
    metered: Mapping[str, Decimal] = field(default_factory=dict)

    def usage(self, metric: str) -> Quantity:
        """Return how much of a metric was used in the elapsed period, 0 if none was reported."""
        quantity = self.metered.get(metric, Decimal(0))
        return int(quantity) if quantity == int(quantity) else quantity

    def line(self, description: str, *, unit_amount: Money, quantity: Quantity = 1) -> Line:
        """Return a line of quantity × unit amount, rounded half-even to whole minor units."""
        exact = Decimal(unit_amount.amount) * quantity
        rounded = int(exact.to_integral_value(ROUND_HALF_EVEN))
        return Line(
            description=description,
            amount=Money(rounded, unit_amount.currency),
            inputs={
                "quantity": str(quantity),
                "unit_amount": unit_amount.amount,
                "formula": "quantity * unit_amount",
                "rounding": "none" if exact == rounded else "half-even",
            },
        )

    def fixed_line(self) -> Line:
        """Return the one line of a fixed price."""
        if self.amount is None:
            message = "there is no fixed amount to charge"
            raise PricingFailed(message)
        return Line(description=self.description, amount=Money(self.amount, self.currency))


def price(name: str, context: Context, *, limit_seconds: float) -> tuple[Line, ...]:
    """Run a task's own code on a frozen context; returns its lines.

    Raises PricingFailed with a sentence for people, whatever the code did.
    """
    # An own copy each time: what one pricing changes, if it finds a way, no other one sees.
    own = replace(context, params=_frozen(context.params), metered=_frozen(context.metered))

    def work() -> tuple[Line, ...]:
        # Reading the answer runs foreign code as well.
        answer = kinds.find(name).task().price(own)
        return checked(name, answer, currency=context.currency)

    try:
        return within(limit_seconds, work)
    except TooSlow as slow:
        message = f"task {name}: took longer than {limit_seconds:g} seconds"
        raise PricingFailed(message) from slow
    except Raised as raised:
        if isinstance(raised.error, PricingFailed):
            raise raised.error from None
        message = f"task {name}: {told(raised.error)}"
        raise PricingFailed(message) from raised.error


def checked(name: str, answer: object, *, currency: str) -> tuple[Line, ...]:
    """Return what a task answered as lines; raises PricingFailed for what cannot be billed."""
    lines = tuple(answer) if isinstance(answer, Sequence) else (answer,)
    if not 1 <= len(lines) <= LINE_LIMIT:
        message = f"task {name}: returned {len(lines)} lines; 1 to {LINE_LIMIT} are allowed"
        raise PricingFailed(message)
    sound = tuple(_checked_line(name, line, currency=currency) for line in lines)
    total = sum(line.amount.amount for line in sound)
    if not 0 <= total <= LARGEST_AMOUNT:
        message = f"task {name}: the total {total} is not from 0 to {LARGEST_AMOUNT}"
        raise PricingFailed(message)
    return sound


def _checked_line(name: str, line: object, *, currency: str) -> Line:
    if not isinstance(line, Line) or not isinstance(line.amount, Money):
        message = f"task {name}: returned {type(line).__name__}; a Line is needed"
        raise PricingFailed(message)
    if line.amount.currency != currency:
        message = f"task {name}: priced in {line.amount.currency}; {currency} is needed"
        raise PricingFailed(message)
    try:
        check_words(line)
    except Invalid as invalid:
        message = f"task {name}: a line's {invalid}"
        raise PricingFailed(message) from invalid
    return line


def check_words(line: Line) -> None:
    """Check what a line says besides its amount; raises Invalid."""
    check.text("description", line.description, limit=DESCRIPTION_LIMIT)
    for name, value in line.inputs.items():
        _check_input(name, value)


def _check_input(name: object, value: object) -> None:
    """Refuse what the trail could not hold: its text is canonical JSON."""
    check.text("inputs", name, limit=INPUT_NAME_LIMIT, is_required=True)
    if isinstance(value, str):
        check.text(f"inputs.{name}", value, limit=INPUT_LIMIT)
    else:
        number = check.whole(
            f"inputs.{name}", value, minimum=-LARGEST_AMOUNT, maximum=LARGEST_AMOUNT
        )
        check.text(f"inputs.{name}", str(number), limit=INPUT_LIMIT)  # No card number either.


def _frozen(value: Any) -> Any:  # Any JSON value.
    """Return an own copy that cannot be changed, all the way down: mappings and tuples."""
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(inner) for name, inner in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(inner) for inner in value)
    return value
