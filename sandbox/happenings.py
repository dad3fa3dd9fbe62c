"""Which events a change of a record makes. Events are not stored: they follow from the records."""

from sandbox.kinds import kind_of
from sandbox.records import (
    BankAccountVerification,
    CardHold,
    Customer,
    Debit,
    Dispute,
    Record,
    Settlement,
    Transaction,
)

# The order is for ever: an event's id holds the place of its type in this list.
TYPES = (
    *(
        f"{name}.{what}"
        for name in ("debit", "credit", "refund", "reversal")
        for what in ("created", "updated", "succeeded", "failed")
    ),
    *(f"hold.{what}" for what in ("created", "updated", "captured", "voided")),
    *(
        f"{name}.{what}"
        for name in ("card", "bank_account")
        for what in ("created", "updated", "invalidated")
    ),
    *(
        f"bank_account_verification.{what}"
        for what in ("created", "updated", "deposited", "verified", "failed")
    ),
    *(f"account.{what}" for what in ("created", "updated", "deleted")),
    "dispute.created",
    "dispute.updated",
)
NUMBER_OF_TYPE = {type_: number for number, type_ in enumerate(TYPES)}
DIRECT_HOLD = ("hold.created", "hold.captured", "hold.updated")


def phase(record: Record) -> str:
    """Where a record stands in its life, in one word."""
    if record.deleted:
        return "deleted"
    if isinstance(record, CardHold):
        if record.is_void:
            return "voided"
        return "captured" if record.debit else record.status
    if isinstance(record, Transaction | Dispute):
        return record.status
    if isinstance(record, BankAccountVerification):
        return record.verification_status
    return "there"


def happened(record: Record, *, before: str | None) -> tuple[str, ...]:
    """The types of the events, in order, of a record that was in the phase `before`.

    `before` None means that it is new. Types that the API does not have are left out.
    """
    after = phase(record)
    if before is None:
        whats = _at_birth(record, after)
    elif before == after:
        whats = ("updated",)
    else:
        whats = _on_change(record, after)
    name = event_name(record)
    types = tuple(f"{name}.{what}" for what in whats)
    if before is None and isinstance(record, Debit) and _has_direct_hold(record):
        types = DIRECT_HOLD + types
    return tuple(type_ for type_ in types if type_ in NUMBER_OF_TYPE)


def event_name(record: Record) -> str:
    """The first word of its events: customers are `account`, holds `hold`, as they ever were."""
    if isinstance(record, Customer):
        return "account"
    if isinstance(record, CardHold):
        return "hold"
    kind = kind_of(record).name
    return "" if kind == "account" or isinstance(record, Settlement) else kind


def _at_birth(record: Record, after: str) -> tuple[str, ...]:
    if isinstance(record, BankAccountVerification):
        return ("created", "deposited")
    if isinstance(record, Transaction) and not isinstance(record, CardHold) and after != "pending":
        return ("created", after)
    return ("created",)


def _on_change(record: Record, after: str) -> tuple[str, ...]:
    if isinstance(record, CardHold):
        return (after, "updated")
    if isinstance(record, BankAccountVerification):
        return ("updated", "verified" if after == "succeeded" else after)
    if isinstance(record, Transaction):
        return (after,)
    if after == "deleted":
        return ("deleted",) if isinstance(record, Customer) else ("invalidated",)
    return ("updated",)


def _has_direct_hold(record: Debit) -> bool:
    return record.hold is None and record.card_hold is not None and record.status == "succeeded"
