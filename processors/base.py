"""What Billy says to a payment processor, and what it may hear back.

Every processor answers in these values and errors, so that the rooms above never see a wire, a
status code or a vendor's word. Nothing here knows Django, a database or a clock.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Protocol, runtime_checkable

from core.light import light

# The name of an order's key in the meta of the remote object, for look-ups and audits.
KEY_META = "billy.key"


class KeyClass(StrEnum):
    """How an unknown outcome at a processor can be settled, best first."""

    KEYS = "K"
    """It keeps idempotency keys: the same key may be sent again and replays the first result."""
    REFERENCE = "U"
    """It enforces a unique reference: a second send is refused as a duplicate, then looked up."""
    LOOKUP = "L"
    """It can only be searched: a second send may move money twice, so people decide."""
    NONE = "N"
    """It can neither replay nor be searched: only a person can settle an unknown outcome."""


class Kind(StrEnum):
    """What an order moves: in from a customer, out to a payee, or either of them back."""

    DEBIT = "debit"
    CREDIT = "credit"
    REFUND = "refund"
    REVERSAL = "reversal"


class Status(StrEnum):
    """Where a processor says money stands. A succeeded bank transfer may fail weeks later."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose account at the processor a call goes through. It is passed with every call."""

    url: str
    """Where the processor listens, such as `http://127.0.0.1:8100`."""
    secret: str = field(repr=False)
    """The API key's secret. It is never shown, logged or hashed."""


@light(frozen=True, slots=True, kw_only=True)
class Order:
    """What a processor is asked to do. It is the same on every send, to the last byte.

    Raises ValueError for an amount that is not a whole number of at least 1, and for an empty key.
    """

    account: Account
    kind: Kind
    key: str
    """The name of the intent: the idempotency key, and `billy.key` in the remote object's meta."""
    amount: int
    """Whole minor units of the currency, at least 1."""
    currency: str
    """ISO 4217, such as `USD`."""
    target_uri: str
    """Debit and credit: the instrument. Refund: the debit. Reversal: the credit."""
    statement_text: str = ""
    """What the holder reads on the statement; sent only when it is set."""
    description: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)
    """More facts for the remote object, without `billy.key`, which the processor adds."""

    def __post_init__(self) -> None:
        """Refuse what could never be a payment, before any wire is touched."""
        if type(self.amount) is not int or self.amount < 1:
            message = f"an amount is a whole number of minor units, at least 1, not {self.amount!r}"
            raise ValueError(message)
        if not self.key:
            message = "an order needs a key"
            raise ValueError(message)

    @property
    def fingerprint(self) -> str:
        """The request itself as 64 hexadecimal digits: equal exactly where the orders are equal.

        It is the SHA-256 of the canonical JSON of every field but the account's secret, because a
        secret may be rotated between two sends of the same order.
        """
        request = {
            "account": self.account.url,
            "amount": self.amount,
            "currency": self.currency,
            "description": self.description,
            "key": self.key,
            "kind": self.kind.value,
            "meta": dict(self.meta),
            "statement_text": self.statement_text,
            "target_uri": self.target_uri,
        }
        canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode()).hexdigest()


@light(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the processor says of one money object: evidence, read from the processor itself."""

    kind: Kind
    uri: str
    status: Status
    amount: int
    """Whole minor units of the currency."""
    currency: str
    key: str | None
    """The key in the object's meta; None for an object that Billy did not make."""
    code: str = ""
    """The processor's failure code, such as `card-declined` or `R01`; empty when there is none."""
    reason: str = ""
    """Why it failed, for people."""
    hard: bool = False
    """Failed, and the same instrument must not be tried again: lost, stolen, closed, frozen."""


def most_telling(receipts: Iterable[Receipt]) -> Receipt | None:
    """Return the one of several receipts under one key that says most about the money.

    That is one that moved it, else one that may yet, else one that did not; None of none.
    """
    weights = {Status.SUCCEEDED: 0, Status.PENDING: 1, Status.FAILED: 2}
    return min(receipts, key=lambda receipt: weights[receipt.status], default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A card or bank account as the processor knows it. It never holds a full number."""

    uri: str
    kind: str
    """`card` or `bank_account`."""
    label: str
    """Masked, for people, such as `Visa xx1111`."""
    can_debit: bool
    can_credit: bool
    customer_uri: str | None
    """The remote customer that it belongs to, or None while it is loose."""
    expires: str = ""
    """The last month of a card, such as `2035-12`; empty for bank accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened there, as asked of the processor, never as a callback told it."""

    id: str
    type: str
    """The processor's own word, such as `debit.succeeded`."""
    occurred_at: str
    """ISO 8601 in UTC, as the processor wrote it."""
    receipt: Receipt | None
    """The money object as it stands now, read again; None where the event is about none."""


class ProcessorError(Exception):
    """The processor gave no receipt. The kind of error says what the caller may do."""

    def __init__(self, reason: str, code: str = "") -> None:
        """Keep a reason for people and the processor's own code, empty where it gave none."""
        super().__init__(reason)
        self.reason = reason
        self.code = code


class NotSent(ProcessorError):
    """Nothing was written to the wire, so nothing happened: send the same key later."""


class Busy(ProcessorError):
    """The processor refused for now and executed nothing: send the same key after the wait."""

    def __init__(self, reason: str, code: str = "", *, retry_after_seconds: float) -> None:
        """Keep how long the processor asks to be left alone, in seconds, at most 300."""
        super().__init__(reason, code)
        self.retry_after_seconds = retry_after_seconds


class Misconfigured(ProcessorError):
    """The secret is bad or may not do this, nothing was done: stop this company, call a human."""


class Rejected(ProcessorError):
    """The processor proved that it did not execute, and will refuse again: mend the cause."""


class KeyConflict(ProcessorError):
    """The key already names another request: park it for a person, and never send another key."""


class Unknown(ProcessorError):
    """It was perhaps executed: look it up by its key before any second send."""

    def __init__(self, reason: str, code: str = "", *, in_flight: bool = False) -> None:
        """Say whether the processor is still at work on this key: then ask again in seconds."""
        super().__init__(reason, code)
        self.in_flight = in_flight


class NotFound(ProcessorError):
    """The processor does not know the thing that was asked for."""


@runtime_checkable
class Processor(Protocol):
    """Somebody who moves money when asked. Every call is safe to make from many threads.

    Besides what a method names, each may raise NotSent, Busy, Misconfigured, Rejected and Unknown.
    None of them sends anything twice by itself: whoever calls decides about a second send.
    """

    @property
    def name(self) -> str:
        """A short stable name, such as `balanced`."""
        ...

    @property
    def key_class(self) -> KeyClass:
        """How an unknown outcome is settled here."""
        ...

    @property
    def key_life_seconds(self) -> int | None:
        """How long a key replays after its first use; None is for ever."""
        ...

    def submit(self, order: Order) -> Receipt:
        """Do what the order says, once.

        A decline is no exception but a receipt with the status FAILED. An answer of success that
        does not match the order, or cannot be read, raises Unknown. The same key with another
        request raises KeyConflict.
        """
        ...

    def find(self, order: Order) -> Receipt | None:
        """Look for the object made under the order's key, in every status and on every page.

        None means absent at the moment of asking: a request still on its way may yet arrive.
        """
        ...

    def fetch(self, *, account: Account, uri: str) -> Receipt:
        """Read a money object again. Raises NotFound."""
        ...

    def listed(
        self, *, account: Account, kind: Kind, since: datetime | None = None
    ) -> Iterator[Receipt]:
        """Yield every money object of a kind, in every status and from every page, newest first.

        `since` leaves out what was made before that instant; without it nothing is left out. Raises
        Unknown where the list cannot be read to its end.
        """
        ...

    def instrument(self, *, account: Account, uri: str) -> Instrument:
        """Read a card or bank account. Raises NotFound, and Rejected for any other uri."""
        ...

    def create_customer(
        self, *, account: Account, key: str, name: str, email: str, meta: Mapping[str, str]
    ) -> str:
        """Make a remote customer and return its uri; the same key gives the same customer."""
        ...

    def customer(self, *, account: Account, uri: str) -> str:
        """Return the uri of a remote customer that exists. Raises NotFound, Rejected for others."""
        ...

    def associate(self, *, account: Account, instrument_uri: str, customer_uri: str) -> None:
        """Give an instrument to a customer; harmless when it is already so.

        Raises NotFound, and Rejected when the instrument belongs to somebody else.
        """
        ...

    def event(self, *, account: Account, event_id: str) -> Event:
        """Read an event and, anew, the money object that it is about. Raises NotFound."""
        ...

    def register_callback(self, *, account: Account, url: str) -> None:
        """Ask to be told of events at `url`; harmless when it is already so."""
        ...

    def open_account(self, *, url: str) -> Account:
        """Open a fresh account at a test server."""
        ...

    def identify(self, *, account: Account) -> str:
        """Name the remote account stably, such as `balanced:TEST-MP…`. Raises Misconfigured."""
        ...
