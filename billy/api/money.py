"""Send what a verb has intended, while the caller waits: after its commit, outside any transaction.

What the processor says is settled before the answer. Where the way there is lost the attempt stays
known, and the sweep finishes it: the answer shows it as being under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts import open as opening
from accounts.clock import database_now
from billy.api.problems import Problem
from core.invalid import Invalid
from schedulers import cycle, limits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from accounts.models import Customer, FundingInstrument
    from invoices.attempts import Held

FIELD = opening.FIELD
KINDS = ("/bank_accounts/", "/cards/")


def send(held: Iterable[Held]) -> None:
    """Carry attempts that are leased to the caller to the processor, and settle them."""
    fresh = [each for each in held if each.fresh]  # Others were asked for before, by somebody else.
    if fresh:
        # What comes of it is later than what was asked for, also in the lists.
        cycle.run(
            fresh, processor=limits.processor(), now=database_now(), limits=limits.from_settings()
        )


def instrument(
    uri: str | None, *, customer: Customer, direction: str, now: datetime
) -> FundingInstrument | None:
    """Return the customer's instrument of this uri, associated if it is new; None for no uri.

    Raises Problem: InvalidURIFormat, or InvalidFundingInstrument for what the processor does not
    know, what is another customer's, or what cannot be charged or paid into.
    """
    if uri is None:
        return None
    if not uri.startswith("/"):
        raise Problem.of(Invalid({FIELD: "must begin with /"}), kind="InvalidURIFormat")
    if not any(kind in uri for kind in KINDS):
        _refuse("must be a card or a bank account, such as /cards/CC…")
    try:
        found = opening.instrument(uri, customer=customer, processor=limits.processor(), now=now)
    except Invalid as invalid:
        told = {FIELD if name == "company" else name: said for name, said in invalid.errors.items()}
        raise Problem.of(type(invalid)(told), kind="InvalidFundingInstrument") from None
    if found.state != "active":
        _refuse("can no longer be used; name another one")
    if not (found.can_credit if direction == "credit" else found.can_debit):
        verb = "paid into" if direction == "credit" else "charged"
        _refuse(f"cannot be {verb}; a bank account must be verified before it is charged")
    return found


def _refuse(words: str) -> None:
    raise Problem.of(Invalid({FIELD: words}), kind="InvalidFundingInstrument")
