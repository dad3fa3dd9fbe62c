"""One way to say that input cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.cards import contains_card_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Names of fields come from outside too, and whoever sends a long one need not read all of it.
LONGEST_FIELD: Final = 120


class Invalid(ValueError):
    """Input that cannot be used. Change what the message names and send it again; nothing happened.

    `errors` maps each field to what is wrong and what is allowed. A message never repeats the
    value that was refused: it may be a card number or a secret.

        raise Invalid(amount="must be a whole number of minor units")
        raise Invalid({"items[0].name": "must not be empty"})
    """

    errors: dict[str, str]

    def __init__(self, errors: Mapping[str, str] | None = None, /, **named: str) -> None:
        """Name each field and what is wrong with it; raises TypeError when nothing is named."""
        given = {**(errors or {}), **named}
        self.errors = {_shown(field): message for field, message in given.items()}
        if not self.errors:
            message = "Invalid needs at least one field and what is wrong with it"
            raise TypeError(message)
        super().__init__(self.errors)  # One argument, so that a copy or a pickle is the same.

    @classmethod
    def combined(cls, problems: Iterable[Invalid]) -> Invalid:
        """Return one error that tells all of them; the first message of a field is kept.

        It is a CardNumber when one of them is.
        """
        errors: dict[str, str] = {}
        kind: type[Invalid] = cls
        for problem in problems:
            kind = CardNumber if isinstance(problem, CardNumber) else kind
            for field, message in problem.errors.items():
                errors.setdefault(field, message)
        return kind(errors)

    def renamed(self, field: str) -> Invalid:
        """Return the same messages under one other field, as a caller's input calls it."""
        return type(self)({field: "; ".join(self.errors.values())})

    def __str__(self) -> str:
        """Return `field: message` for each field, joined by semicolons."""
        return "; ".join(f"{field}: {message}" for field, message in self.errors.items())


class Taken(Invalid):
    """A name that another thing bears already. Choose another one, or look for that thing.

    A door answers it as a conflict, apart from other bad input.
    """


class CardNumber(Invalid):
    """Text that may hold the number of a payment card. Nothing was kept; send none at all.

    A door answers it as something that it will not process, apart from other bad input.
    """


def _shown(field: str) -> str:
    return "(a card number)" if contains_card_number(field) else field[:LONGEST_FIELD]
