"""Money: whole minor units with a currency. Every division names its rounding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

from core.currencies import EXPONENTS, SYMBOLS
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The largest whole number that every JSON reader keeps exact.
LARGEST_AMOUNT: Final = 2**53 - 1

MOST_PARTS: Final = 10_000  # More parts than an invoice can hold lines are a mistake.

# A longer Decimal would become an integer of that many digits before it could be refused.
_LONGEST_EXPONENT: Final = 60

# What `display` writes, with or without the grouping. Digits are ASCII only.
_WRITTEN: Final = re.compile(
    r"(?P<sign>-?)(?P<whole>[0-9]{1,16}|[0-9]{1,3}(?:,[0-9]{3}){1,5})(?:\.(?P<part>[0-9]{1,4}))?",
)

Exact: TypeAlias = int | Fraction | Decimal


class CurrencyMismatch(ValueError):
    """Two currencies met in one sum or comparison. Convert neither: keep them apart."""


@dataclass(frozen=True, slots=True)
class Money:
    """`amount` whole minor units (cents) of the ISO 4217 `currency`; may be negative.

    `Money(100, "USD")` is one dollar. Raises Invalid when the amount is anything but an int of at
    most 2**53 - 1 either way, or the currency is unknown; so does any arithmetic that leaves it.
    """

    amount: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse floats, booleans, amounts out of bounds and unknown currencies."""
        if type(self.amount) is not int:
            raise Invalid(amount="must be a whole number of minor units")
        if not -LARGEST_AMOUNT <= self.amount <= LARGEST_AMOUNT:
            raise Invalid(amount=f"must be from -{LARGEST_AMOUNT} to {LARGEST_AMOUNT}")
        if type(self.currency) is not str or self.currency not in EXPONENTS:
            raise Invalid(currency="must be an ISO 4217 code in capitals, such as USD")

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Return nothing, of this currency."""
        return cls(0, currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], *, currency: str) -> Money:
        """Return the sum, zero for none; raises CurrencyMismatch."""
        return sum(amounts, start=cls(0, currency))

    @classmethod
    def parse(cls, text: str, currency: str, *, field: str = "amount") -> Money:
        """Read major units as people write them: `29.85`, `1,200`, `-$5.00`, `12.345 KWD`.

        Blanks around it are passed over; the currency's own sign or code may stand with it.
        More decimals than the currency has are refused, not rounded. Raises Invalid.
        """
        exponent = Money(0, currency).exponent
        match = _WRITTEN.fullmatch(_bare(text, currency)) if isinstance(text, str) else None
        part = (match["part"] or "") if match else ""
        if match is None or len(part) > exponent:
            allowed = f"an amount of {currency} with at most {exponent} decimals, such as "
            raise Invalid({field: f"must be {allowed}{cls(12 * 10**exponent, currency).plain()}"})
        number = int(match["whole"].replace(",", "") + part.ljust(exponent, "0"))
        try:
            return cls(-number if match["sign"] else number, currency)
        except Invalid as problem:
            raise problem.renamed(field) from None

    @property
    def exponent(self) -> int:
        """How many decimals the currency has: 2 for USD, 0 for JPY, 3 for KWD."""
        return EXPONENTS[self.currency]

    def plain(self) -> str:
        """Return the amount in major units without sign of currency or grouping: `-16055.09`."""
        return self._written(grouping="")

    def display(self) -> str:
        """Return the amount as people read it: `$16,055.09`, `-€5.00`, `12.345 KWD`."""
        written = self._written(grouping=",")
        symbol = SYMBOLS.get(self.currency)
        if symbol is None:
            return f"{written} {self.currency}"
        sign = "-" if self.amount < 0 else ""
        return sign + symbol + written.removeprefix("-")

    def multiply_half_even(self, factor: Exact) -> Money:
        """Return the product, exact until one rounding; a half goes to the even neighbour."""
        return Money(round(self.amount * _exact(factor)), self.currency)

    def multiply_half_up(self, factor: Exact) -> Money:
        """Return the product, exact until one rounding; a half goes away from zero."""
        product = self.amount * _exact(factor)
        magnitude = (2 * abs(product.numerator) + product.denominator) // (2 * product.denominator)
        return Money(-magnitude if product < 0 else magnitude, self.currency)

    def share_basis_points(self, basis_points: int) -> Money:
        """Return so many hundredths of a percent of it, half-even; raises Invalid for no int."""
        if type(basis_points) is not int:
            raise Invalid(basis_points="must be a whole number; 10000 are the whole")
        return self.multiply_half_even(Fraction(basis_points, 10_000))

    def split(self, parts: int) -> list[Money]:
        """Return that many amounts which add up to this one and differ by one unit at most.

        The odd units go to the last parts: 100 in three is 33, 33, 34. Raises Invalid.
        """
        if type(parts) is not int or not 1 <= parts <= MOST_PARTS:
            raise Invalid(parts=f"must be a whole number from 1 to {MOST_PARTS}")
        return self.split_by_weights([1] * parts)

    def split_by_weights(self, weights: Sequence[int]) -> list[Money]:
        """Return one amount for each weight, in proportion, adding up to this one.

        Largest remainder: each gets its share rounded towards zero, and the units left over go
        to the largest fractions, the last first where they are equal. A weight of zero gets
        nothing. Raises Invalid unless all weights are ints from 0 and one is above.
        """
        if not weights or any(type(weight) is not int or weight < 0 for weight in weights):
            raise Invalid(weights="must be whole numbers from 0")
        total = sum(weights)
        if total == 0:
            raise Invalid(weights="must not all be zero")
        shares = [divmod(abs(self.amount) * weight, total) for weight in weights]
        units = [share for share, _ in shares]
        left_over = abs(self.amount) - sum(units)
        by_remainder = sorted(range(len(units)), key=lambda index: (shares[index][1], index))
        for index in by_remainder[len(units) - left_over :]:
            units[index] += 1
        sign = -1 if self.amount < 0 else 1
        return [Money(sign * unit, self.currency) for unit in units]

    def __add__(self, other: Money) -> Money:
        """Return the sum; raises CurrencyMismatch."""
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        """Return the difference; raises CurrencyMismatch."""
        return Money(self.amount - self._same(other), self.currency)

    def __neg__(self) -> Money:
        """Return the same amount the other way."""
        return Money(-self.amount, self.currency)

    def __abs__(self) -> Money:
        """Return the amount without its sign."""
        return Money(abs(self.amount), self.currency)

    def __mul__(self, times: int) -> Money:
        """Return it so many times; raises TypeError for all but ints, which need no rounding."""
        if type(times) is not int:
            message = "money is multiplied by an int; a fraction must name its rounding"
            raise TypeError(message)
        return Money(self.amount * times, self.currency)

    __rmul__ = __mul__

    def __bool__(self) -> bool:
        """Say whether it is not zero."""
        return self.amount != 0

    def __lt__(self, other: Money) -> bool:
        """Compare within one currency; raises CurrencyMismatch."""
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        """Compare within one currency; raises CurrencyMismatch."""
        return self.amount <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        """Compare within one currency; raises CurrencyMismatch."""
        return self.amount > self._same(other)

    def __ge__(self, other: Money) -> bool:
        """Compare within one currency; raises CurrencyMismatch."""
        return self.amount >= self._same(other)

    def __str__(self) -> str:
        """Return what `display` does."""
        return self.display()

    def _same(self, other: Money) -> int:
        if not isinstance(other, Money):
            message = "money goes together with money only"
            raise TypeError(message)
        if other.currency != self.currency:
            message = f"{self.currency} and {other.currency} do not go together"
            raise CurrencyMismatch(message)
        return other.amount

    def _written(self, *, grouping: str) -> str:
        whole, part = divmod(abs(self.amount), 10**self.exponent)
        sign = "-" if self.amount < 0 else ""
        decimals = f".{part:0{self.exponent}}" if self.exponent else ""
        return f"{sign}{whole:{grouping}}{decimals}"


def _bare(text: str, currency: str) -> str:
    """Return the number in `text`, without the currency's own sign or code."""
    text = text.strip(" \t").removesuffix(currency).rstrip(" ")
    symbol = SYMBOLS.get(currency, currency)
    negative = text.startswith("-")
    bare = text.removeprefix("-").removeprefix(symbol)
    return "-" + bare if negative else bare


def _exact(factor: Exact) -> Fraction:
    if isinstance(factor, Decimal):
        if not factor.is_finite() or abs(factor.adjusted()) > _LONGEST_EXPONENT:
            raise Invalid(factor="must be a finite number of ordinary size")
    elif isinstance(factor, bool) or not isinstance(factor, int | Fraction):
        raise Invalid(factor="must be a whole number, a fraction or a decimal")
    return Fraction(factor)
