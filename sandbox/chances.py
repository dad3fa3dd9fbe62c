"""What is left to chance, repeatable from the seed, and what the control door planned."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

RETURN_CODES = ("R01", "R01", "R01", "R02", "R03", "R09", "R10")  # R01 is by far the most frequent.


@dataclass(slots=True, kw_only=True)
class PlannedDecline:
    """The next `times` debits of a card are declined so."""

    times: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declining:
    """A share of all card debits is declined so."""

    fraction: float
    code: str = "card-declined"
    reason: str = "Insufficient funds."


class Dice:
    """Draws lots. `declining` is asked at each debit, since faults can be replaced at any time."""

    def __init__(
        self,
        *,
        seed: str,
        return_fraction: float,
        declining: Callable[[], Declining | None],
        counted: Counter[str],
    ) -> None:
        self.return_fraction = return_fraction
        self.planned: dict[str, PlannedDecline] = {}
        self._declining = declining
        self._counted = counted
        self._declines = Random(f"{seed} declines")  # noqa: S311 - chance, not secrecy.
        self._returns = Random(f"{seed} returns")  # noqa: S311 - chance, not secrecy.

    def card_decline(self, card: str) -> tuple[str, str] | None:
        """How this debit of a card is declined: as planned, else by chance, else not at all."""
        planned = self.planned.get(card)
        if planned is not None:
            planned.times -= 1
            if planned.times <= 0:
                del self.planned[card]
            return planned.code, planned.reason
        declining = self._declining()
        if declining is None or self._declines.random() >= declining.fraction:
            return None
        self._counted["decline"] += 1
        return declining.code, declining.reason

    def returned(self) -> str | None:
        """The return code of a bank movement that will come back."""
        if not self.return_fraction or self._returns.random() >= self.return_fraction:
            return None
        return self._returns.choice(RETURN_CODES)
