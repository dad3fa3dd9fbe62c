"""A processor in memory: the twin that tests and benchmarks charge, with faults by script.

It keeps its own ledger, as a real processor would, so that a test can compare what Billy believes
with what was really done. It is deterministic: no clock, no chance. One lock makes it safe for
threads. The words of a script are imported from here: `from processors.memory import Memory, Lost`.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import NoReturn

from processors.base import (
    Account,
    Busy,
    Event,
    Instrument,
    KeyClass,
    KeyConflict,
    Kind,
    Misconfigured,
    NotFound,
    Order,
    ProcessorError,
    Receipt,
    Rejected,
    Status,
    Unknown,
    most_telling,
)
from processors.memory_ledger import Entry, Ledger
from processors.memory_script import (
    SEEN,
    SUCCEEDED,
    Conflict,
    Declined,
    Fault,
    Item,
    Late,
    Lost,
    LostBefore,
    Pending,
    Refused,
    Result,
    Succeeded,
    WrongBody,
    ready,
)

__all__ = [
    "Busy",
    "Conflict",
    "Declined",
    "Item",
    "KeyConflict",
    "Late",
    "Lost",
    "LostBefore",
    "Memory",
    "Misconfigured",
    "Pending",
    "Refused",
    "Rejected",
    "Succeeded",
    "Unknown",
    "WrongBody",
]

CUSTOMER_URI = re.compile(r"/customers/[A-Za-z0-9_-]+")
INSTRUMENT_URI = re.compile(r"/(?P<collection>cards|bank_accounts)/[A-Za-z0-9_-]+")


class Memory:
    """A processor in this process. Implements `Processor`.

    `script` answers successive calls of `submit`, one item each; after it everything succeeds. With
    `hide_keys` the same key sent twice moves money twice (class L). Unless `any_target` is off,
    every instrument's uri is taken for a good one.
    """

    name = "memory"
    key_life_seconds: int | None = None

    def __init__(
        self, *, script: Iterable[Item] = (), hide_keys: bool = False, any_target: bool = True
    ) -> None:
        """Start with an empty ledger."""
        self.key_class = KeyClass.LOOKUP if hide_keys else KeyClass.KEYS
        self.script: deque[Item] = deque(script)
        self.orders: list[Order] = []
        """Every order that `submit` was called with, in order, whatever came of it."""
        self.callbacks: list[str] = []
        self.bad_secrets: set[str] = set()
        """Calls with one of these secrets are Misconfigured."""
        self._any_target = any_target
        self._lock = Lock()
        self._ledger = Ledger()
        self._late: list[tuple[Order, Result]] = []
        self._instruments: dict[str, Instrument] = {}
        self._answers: dict[str, Item] = {}
        self._customers: dict[str, str] = {}
        self._opened = 0

    # -- what Billy asks ------------------------------------------------------------------------

    def submit(self, order: Order) -> Receipt:
        """Answer by the script, by the instrument, or with success; replay a key that is kept."""
        with self._lock:
            self.orders.append(order)
            self._check_secret(order.account)
            kept = self._ledger.under(order) if self.key_class is KeyClass.KEYS else []
            if self.script:
                item = ready(self.script.popleft())
            else:
                item = ready(self._answers.get(order.target_uri, SUCCEEDED))
            if not isinstance(item, Succeeded | Pending | Declined):
                return self._fail(order, item, is_kept=bool(kept))
            return _replay(order, kept[0]) if kept else self._commit(order, item)

    def find(self, order: Order) -> Receipt | None:
        """Return the object under the order's key, one that moved money before one that did not."""
        with self._lock:
            self._check_secret(order.account)
            return most_telling(
                each.receipt for each in self._ledger.under(order) if each.order.kind is order.kind
            )

    def fetch(self, *, account: Account, uri: str) -> Receipt:
        """Read a money object again. Raises NotFound."""
        with self._lock:
            self._check_secret(account)
            return self._ledger.entry(uri, account=account).receipt

    def listed(
        self, *, account: Account, kind: Kind, since: datetime | None = None
    ) -> Iterator[Receipt]:
        """Yield every object of a kind as it stands, the newest first."""
        with self._lock:
            self._check_secret(account)
            found = self._ledger.listed(account, kind, since=since)
        yield from found

    def instrument(self, *, account: Account, uri: str) -> Instrument:
        """Read a card or bank account. Raises NotFound, and Rejected for any other uri."""
        with self._lock:
            self._check_secret(account)
            return self._instrument(uri)

    def create_customer(
        self, *, account: Account, key: str, name: str, email: str, meta: Mapping[str, str]
    ) -> str:
        """Make a customer once per key; a twin keeps no names."""
        del name, email, meta
        with self._lock:
            self._check_secret(account)
            return self._customers.setdefault(key, f"/customers/CU{len(self._customers):020d}")

    def customer(self, *, account: Account, uri: str) -> str:
        """Return the uri of a customer that was made here. Raises NotFound, and Rejected."""
        with self._lock:
            self._check_secret(account)
            if CUSTOMER_URI.fullmatch(uri) is None:
                message = "this is no uri of a customer"
                raise Rejected(message, "uri")
            if uri not in self._customers.values() and not self._any_target:
                message = "there is no such customer"
                raise NotFound(message)
            return uri

    def associate(self, *, account: Account, instrument_uri: str, customer_uri: str) -> None:
        """Give an instrument to a customer; it keeps its first owner."""
        with self._lock:
            self._check_secret(account)
            found = self._instrument(instrument_uri)
            if customer_uri not in self._customers.values() and not self._any_target:
                message = "there is no such customer"
                raise NotFound(message)
            if found.customer_uri not in {None, customer_uri}:
                message = "the instrument belongs to another customer"
                raise Rejected(message)
            self._instruments[instrument_uri] = replace(found, customer_uri=customer_uri)

    def event(self, *, account: Account, event_id: str) -> Event:
        """Read one of the events that `event_ids` names. Raises NotFound."""
        with self._lock:
            self._check_secret(account)
            return self._ledger.event(event_id, account=account)

    def register_callback(self, *, account: Account, url: str) -> None:
        """Note the url once; a twin calls nobody."""
        with self._lock:
            self._check_secret(account)
            if url not in self.callbacks:
                self.callbacks.append(url)

    def open_account(self, *, url: str) -> Account:
        """Make up an account."""
        with self._lock:
            self._opened += 1
            return Account(url=url, secret=f"memory-{self._opened}")

    def identify(self, *, account: Account) -> str:
        """Name the account by its secret, which is none here. Raises Misconfigured."""
        with self._lock:
            self._check_secret(account)
            return f"memory:{account.secret}"

    # -- what tests ask and arrange -------------------------------------------------------------

    @property
    def ledger(self) -> list[Receipt]:
        """Every committed object as it stands now, oldest first, the failed ones included."""
        with self._lock:
            return [each.receipt for each in self._ledger.entries.values()]

    def sum(self, *, kind: Kind = Kind.DEBIT, status: Status = Status.SUCCEEDED) -> int:
        """Add up the amounts of one kind in one status, in minor units."""
        return sum(
            receipt.amount
            for receipt in self.ledger
            if receipt.kind is kind and receipt.status is status
        )

    def settle(self, uri: str, status: Status, code: str = "") -> Receipt:
        """Say what became of an object: pending or even succeeded ones may fail, weeks later."""
        with self._lock:
            return self._ledger.settle(uri, status=status, code=code)

    def arrive(self) -> list[Receipt]:
        """Execute, at last, every order that was answered with `Late`, once per kept key."""
        with self._lock:
            late, self._late = self._late, []
            return [
                self._commit(order, result)
                for order, result in late
                if self.key_class is not KeyClass.KEYS or not self._ledger.under(order)
            ]

    def event_ids(self, uri: str) -> list[str]:
        """Name the events of an object, oldest first."""
        with self._lock:
            return self._ledger.event_ids(uri)

    def add_card(self, *, answer: Item = SUCCEEDED, can_credit: bool = False) -> str:
        """Make a card whose debits are answered so, and return its uri."""
        return self._add("/cards/CC", "card", answer=answer, can_credit=can_credit)

    def add_bank_account(self, *, answer: Item = SUCCEEDED, can_debit: bool = True) -> str:
        """Make a bank account whose debits and credits are answered so, and return its uri."""
        return self._add("/bank_accounts/BA", "bank_account", answer=answer, can_debit=can_debit)

    # -- inside, under the lock -----------------------------------------------------------------

    def _commit(self, order: Order, result: Result) -> Receipt:
        """Write an order and its result down. Raises Rejected where it cannot be done."""
        if not self._any_target and order.kind in {Kind.DEBIT, Kind.CREDIT}:
            found = self._instruments.get(order.target_uri)
            able = found and (found.can_debit if order.kind is Kind.DEBIT else found.can_credit)
            if not able:
                message = "there is no such instrument, or it cannot do this"
                raise Rejected(message, "not-found")
        return self._ledger.commit(order, result)

    def _fail(self, order: Order, item: Fault | ProcessorError, *, is_kept: bool) -> NoReturn:
        """Do what a fault leaves behind, then raise what Billy sees of it."""
        if isinstance(item, ProcessorError):
            raise item
        if isinstance(item, Lost | WrongBody) and not is_kept:
            self._commit(order, item.after if isinstance(item, Lost) else SUCCEEDED)
        if isinstance(item, Late):
            self._late.append((order, item.after))
        kind, message = SEEN[type(item)]
        raise kind(message)

    def _instrument(self, uri: str) -> Instrument:
        if uri in self._instruments:
            return self._instruments[uri]
        match = INSTRUMENT_URI.fullmatch(uri)
        if match is None:
            message = "this is no uri of a card or bank account"
            raise Rejected(message, "uri")
        kind = match["collection"].removesuffix("s")
        if not self._any_target:
            message = f"there is no such {kind}"
            raise NotFound(message)
        return _made_up(uri, kind, can_debit=True, can_credit=kind == "bank_account")

    def _add(
        self,
        path: str,
        kind: str,
        *,
        answer: Item,
        can_debit: bool = True,
        can_credit: bool = True,
    ) -> str:
        with self._lock:
            uri = f"{path}{len(self._instruments):020d}"
            self._instruments[uri] = _made_up(uri, kind, can_debit=can_debit, can_credit=can_credit)
            self._answers[uri] = answer
            return uri

    def _check_secret(self, account: Account) -> None:
        if account.secret in self.bad_secrets:
            message = "the processor does not know this API key"
            raise Misconfigured(message)


def _replay(order: Order, kept: Entry) -> Receipt:
    """Repeat the first answer to a key. Raises KeyConflict where another request comes with it."""
    same = order is kept.order or order.fingerprint == kept.order.fingerprint
    if not same:
        kind, message = SEEN[Conflict]
        raise kind(message)
    return kept.first


def _made_up(uri: str, kind: str, *, can_debit: bool, can_credit: bool) -> Instrument:
    return Instrument(
        uri=uri,
        kind=kind,
        label="Visa xx1111" if kind == "card" else "Bank account xx0001",
        can_debit=can_debit,
        can_credit=can_credit,
        customer_uri=None,
        expires="2035-12" if kind == "card" else "",
    )
