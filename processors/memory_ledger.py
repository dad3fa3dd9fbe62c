"""The ledger of the twin in memory: what was committed, under which key, and what became of it.

It holds no lock: `Memory` calls it under its own.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from processors.base import Account, Event, Kind, NotFound, Order, Receipt, Rejected, Status
from processors.declines import is_hard
from processors.memory_script import Declined, Pending, Result

# Its first instant: events need one, and a twin that read a clock would not repeat itself.
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

PATHS = {
    Kind.DEBIT: "/debits/WD",
    Kind.CREDIT: "/credits/CR",
    Kind.REFUND: "/refunds/RF",
    Kind.REVERSAL: "/reversals/RV",
}
TAKES_BACK = {Kind.REFUND: Kind.DEBIT, Kind.REVERSAL: Kind.CREDIT}


@dataclass(slots=True, kw_only=True)
class Entry:
    """One object of the ledger with what is remembered beside it."""

    order: Order
    first: Receipt
    """The answer that a replay repeats, whatever became of the object since."""
    receipt: Receipt
    left: int
    """What can still be refunded or reversed, in minor units."""
    happened: tuple[str, ...] = field(default=())
    """The types of its later events, oldest first."""


class Ledger:
    """Every object by its uri and by its key, in the order of their making."""

    def __init__(self) -> None:
        """Start empty."""
        self.entries: dict[str, Entry] = {}
        self._by_key: dict[tuple[str, str], list[Entry]] = {}

    def commit(self, order: Order, result: Result) -> Receipt:
        """Write an order and its result. Raises Rejected where there is not enough to take back."""
        parent = self._taken_back(order) if order.kind in TAKES_BACK else None
        uri = f"{PATHS[order.kind]}{len(self.entries):020d}"
        receipt = _receipt(order, uri=uri, result=result)
        entry = Entry(order=order, first=receipt, receipt=receipt, left=order.amount)
        if parent is not None and receipt.status is not Status.FAILED:
            parent.left -= order.amount
        self.entries[uri] = entry
        self._by_key.setdefault((order.account.secret, order.key), []).append(entry)
        return receipt

    def under(self, order: Order) -> list[Entry]:
        """Return the entries made under an order's key in its account, oldest first."""
        return self._by_key.get((order.account.secret, order.key), [])

    def entry(self, uri: str, *, account: Account | None = None) -> Entry:
        """Return one entry. Raises NotFound, and for that of another account too."""
        entry = self.entries.get(uri)
        if entry is None or (account and account.secret != entry.order.account.secret):
            message = "there is no such money object"
            raise NotFound(message)
        return entry

    def listed(self, account: Account, kind: Kind, *, since: datetime | None) -> list[Receipt]:
        """Return the objects of a kind in an account, the newest first."""
        return [
            entry.receipt
            for entry in reversed(self.entries.values())
            if entry.order.account.secret == account.secret
            and entry.order.kind is kind
            and (since is None or made_at(entry.receipt.uri) >= since)
        ]

    def settle(self, uri: str, *, status: Status, code: str) -> Receipt:
        """Give an object another status. Raises NotFound."""
        entry = self.entry(uri)
        code = code if status is Status.FAILED else ""
        entry.receipt = replace(
            entry.receipt,
            status=status,
            code=code,
            reason=f"returned: {code}" if code else "",
            hard=is_hard(code=code, reason=""),
        )
        entry.happened = (*entry.happened, f"{entry.order.kind}.{status}")
        return entry.receipt

    def event_ids(self, uri: str) -> list[str]:
        """Name the events of an object by itself and their place, so that names never change."""
        name = uri.rpartition("/")[2]
        return [f"EV{name}N{place}" for place, _ in enumerate(self._types(uri))]

    def event(self, event_id: str, *, account: Account) -> Event:
        """Return an event. Raises NotFound."""
        name = event_id.removeprefix("EV").rpartition("N")[0]
        uri = next((path[:-2] + name for path in PATHS.values() if path[-2:] == name[:2]), "")
        if uri not in self.entries or event_id not in self.event_ids(uri):
            message = "there is no such event"
            raise NotFound(message)
        entry = self.entry(uri, account=account)
        place = self.event_ids(uri).index(event_id)
        occurred_at = made_at(uri) + timedelta(microseconds=place)
        return Event(
            id=event_id,
            type=self._types(uri)[place],
            occurred_at=occurred_at.isoformat().replace("+00:00", "Z"),
            receipt=entry.receipt,
        )

    def _types(self, uri: str) -> list[str]:
        """List the types of an object's events: derived, so that they cost nothing until asked."""
        entry = self.entry(uri)
        kind, first = entry.order.kind, entry.first.status
        at_once = [] if first is Status.PENDING else [f"{kind}.{first}"]
        return [f"{kind}.created", *at_once, *entry.happened]

    def _taken_back(self, order: Order) -> Entry:
        """Return what a refund or reversal takes back. Raises Rejected where it cannot."""
        kind = TAKES_BACK[order.kind]
        parent = self.entries.get(order.target_uri)
        if parent is None or parent.order.kind is not kind:
            message = f"there is no such {kind}"
            raise Rejected(message, "not-found")
        if parent.receipt.status is Status.FAILED or parent.left < order.amount:
            message = f"the {kind} has less than that left"
            raise Rejected(message, "invalid-amount")
        return parent


def made_at(uri: str) -> datetime:
    """Return when an object was made: each a second after the one before."""
    return EPOCH + timedelta(seconds=int(uri.rpartition("/")[2][2:]))


def _receipt(order: Order, *, uri: str, result: Result) -> Receipt:
    declined = result if isinstance(result, Declined) else None
    if declined:
        status = Status.FAILED
    else:
        status = Status.PENDING if isinstance(result, Pending) else Status.SUCCEEDED
    return Receipt(
        kind=order.kind,
        uri=uri,
        status=status,
        amount=order.amount,
        currency=order.currency,
        key=order.key,
        code=declined.code if declined else "",
        reason=declined.reason if declined else "",
        hard=declined is not None
        and (declined.hard or is_hard(code=declined.code, reason=declined.reason)),
    )
