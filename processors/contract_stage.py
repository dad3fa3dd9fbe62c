"""Where the contract suite plays: a processor, and an account at a test server with faults."""

from abc import ABC, abstractmethod
from itertools import count

from processors.base import Account, Kind, Order, Processor, Receipt, Status


class Stage(ABC):
    """A processor with a fresh account at a test server, and a hand on that server."""

    def __init__(self, *, processor: Processor, account: Account) -> None:
        """Take the processor under test and the account that its orders go through."""
        self.processor = processor
        self.account = account
        self._numbers = count(1)

    def order(self, kind: Kind, target_uri: str, *, amount: int = 1_000, key: str = "") -> Order:
        """Write an order, by default for $10.00 and with a key of its own."""
        return Order(
            account=self.account,
            kind=kind,
            key=key or f"b1-contract-{next(self._numbers)}",
            amount=amount,
            currency="USD",
            target_uri=target_uri,
            statement_text="Goat plan",
            description="the goat - silver",
            meta={"billy.feed": "1"},
        )

    def debit(self, *, amount: int = 1_000) -> Receipt:
        """Charge a good card and return the receipt."""
        return self.processor.submit(self.order(Kind.DEBIT, self.card(), amount=amount))

    def credit(self, *, amount: int = 1_000) -> Receipt:
        """Pay out what a debit has just brought in, and return the receipt of the credit."""
        self.debit(amount=amount)
        return self.processor.submit(self.order(Kind.CREDIT, self.payee(), amount=amount))

    def any_order(self, kind: Kind) -> Order:
        """Write an order of a kind, on a target that it can succeed with."""
        if kind is Kind.DEBIT:
            return self.order(kind, self.card())
        if kind is Kind.CREDIT:
            self.debit()
            return self.order(kind, self.payee())
        parent = self.debit() if kind is Kind.REFUND else self.credit()
        return self.order(kind, parent.uri, amount=500)

    def customer(self, key: str) -> str:
        """Make a customer and return its uri."""
        return self.processor.create_customer(
            account=self.account,
            key=key,
            name="Alice",
            email="alice@example.com",
            meta={"billy.customer": "1"},
        )

    @abstractmethod
    def card(self) -> str:
        """Make a loose card whose debits succeed."""

    @abstractmethod
    def declining_card(self) -> str:
        """Make a card whose debits are declined, softly."""

    @abstractmethod
    def pending_bank_account(self) -> str:
        """Make a bank account whose debits stay pending."""

    @abstractmethod
    def payee(self) -> str:
        """Make a bank account that credits succeed to and that cannot be debited."""

    @abstractmethod
    def settle(self, uri: str, *, status: Status, code: str = "") -> None:
        """Say what became of a bank transfer."""

    @abstractmethod
    def event_ids(self, uri: str) -> list[str]:
        """Name the events of a money object."""

    @abstractmethod
    def lose_next_answer(self) -> None:
        """Let the next order be executed and its answer get lost."""

    @abstractmethod
    def lose_next_request(self) -> None:
        """Let the next order fail in a way that does not tell whether it was executed."""

    @abstractmethod
    def throttle_next(self) -> None:
        """Let the next order be refused for now."""

    @abstractmethod
    def spoil_next_answer(self) -> None:
        """Let the next order be executed and answered with something else than was ordered."""

    @abstractmethod
    def bad_account(self) -> Account:
        """Return an account whose secret is wrong."""
