"""What each movement of money does to the balances, so that they can be made again from nothing.

Every balance is the sum of the effects of the transactions as they are now. Before a transaction
changes, its effects are taken off; after it, they are put on again.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sandbox.records import Credit, Debit, Record, Refund, Reversal, Settlement, Transaction

if TYPE_CHECKING:
    from collections.abc import Mapping

Effect = tuple[str | None, str, int]  # Whose balance, which, by how much.


def post(record: Record, by_id: "Mapping[str, Record]", *, sign: int) -> None:
    """Put the effects of a record on (`sign` 1) or take them off (-1)."""
    if not isinstance(record, Transaction) or record.status == "failed":
        return
    for owner_id, name, amount in _effects(record):
        owner = by_id.get(owner_id or "")
        if owner is not None:
            setattr(owner, name, getattr(owner, name) + sign * amount)


def _effects(record: Transaction) -> Iterator[Effect]:
    if isinstance(record, Debit):
        return _debit(record)
    if isinstance(record, Credit):
        return _credit(record)
    if isinstance(record, Refund):
        return _refund(record)
    if isinstance(record, Reversal):
        return _reversal(record)
    if isinstance(record, Settlement):
        return _settlement(record)
    return iter(())


def _escrow(record: Transaction) -> tuple[str | None, str]:
    """The pocket that a transaction uses: its order's, else its marketplace's."""
    if record.order is not None:
        return record.order, "amount_escrowed"
    return record.marketplace, "in_escrow"


def _debit(record: Debit) -> Iterator[Effect]:
    if record.status == "succeeded":  # Pending bank debits do not count yet.
        yield (*_escrow(record), record.amount)
        if record.order is not None:
            yield record.order, "amount", record.amount


def _refund(record: Refund) -> Iterator[Effect]:
    yield record.debit, "refunded", record.amount
    yield (*_escrow(record), -record.amount)
    if record.order is not None:
        yield record.order, "amount", -record.amount


def _credit(record: Credit) -> Iterator[Effect]:
    yield (*_escrow(record), -record.amount)  # Pending credits count at once.
    if record.destination.startswith("AT"):
        yield record.destination, "balance", record.amount


def _reversal(record: Reversal) -> Iterator[Effect]:
    yield record.credit, "reversed", record.amount  # A pending one already uses up the credit.
    if record.status == "succeeded":
        yield (*_escrow(record), record.amount)
        if record.destination.startswith("AT"):
            yield record.destination, "balance", -record.amount


def _settlement(record: Settlement) -> Iterator[Effect]:
    pays_out = record.source.startswith("AT")
    account = record.source if pays_out else record.destination
    yield account, "balance", -record.amount if pays_out else record.amount
