"""Attempts as values: what is held by a lease, and the order that it stands for."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.chain import canonical
from core.ids import PREFIXES, guid
from core.light import light
from invoices.naming import charge_key, transaction_id
from processors.base import Kind, Order
from tasks.outcome import Job

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from processors.base import Account

MONEY_IN = frozenset({"debit", "reversal"})  # Seen from the merchant; the other two go out.


@light(frozen=True, slots=True, kw_only=True)
class Held:
    """An attempt in hand, with all that is needed to send it and to write down what it came to.

    `state` and `lease_token` are as this holder saw them: a write that finds others has lost the
    attempt to another holder. `terms` are the feed's.
    """

    transaction_id: UUID
    company_id: UUID
    trail_id: UUID
    feed_id: UUID
    occurrence: int | None
    direction: str
    customer_id: UUID
    kind: str
    attempt: int
    step: int | None
    state: str
    lease_token: int | None
    amount: int
    currency: str
    key: str
    target_uri: str
    statement_text: str
    terms: dict[str, Any]
    instrument_id: UUID | None
    instrument_kind: str
    opened_at: datetime
    processor_account: str
    processor_uri: str = ""
    looks: int = 0
    failure_count: int = 0
    age_seconds: float = 0.0
    fresh: bool = False  # Never sent, and proven so: there is nothing to look up.

    @property
    def label(self) -> str:
        """Return what tells this attempt's facts from others of its trail."""
        where = self.feed_id.hex if self.occurrence is None else self.occurrence
        return f"{self.kind}/{where}/{self.attempt}"

    @property
    def moved(self) -> int:
        """Return the money that moves when it succeeds: in is positive, out negative."""
        return self.amount if self.kind in MONEY_IN else -self.amount

    @property
    def meta(self) -> dict[str, str]:
        """Return what the remote object carries, beside its key, to be recognised by people."""
        return {
            "billy.transaction_guid": guid(PREFIXES["transaction"], self.transaction_id),
            "billy.invoice_guid": guid(PREFIXES["feed"], self.feed_id),
        }

    @property
    def request_hash(self) -> str:
        """Return the fingerprint of what is asked, whichever account it goes through.

        What the remote object's meta says follows from the key.
        """
        asked = [self.kind, self.key, self.amount, self.currency, self.target_uri]
        asked += [self.statement_text, str(self.terms.get("description", ""))]
        return sha256(canonical(asked).encode()).hexdigest()

    def next_attempt(self) -> Held:
        """Return the attempt after this one: another id and key, and nothing else changed."""
        attempt = self.attempt + 1
        return replace(
            self,
            attempt=attempt,
            step=None if self.step is None else self.step + 1,
            transaction_id=transaction_id(feed=self.feed_id, kind=self.kind, attempt=attempt),
            key=charge_key(
                company=self.company_id,
                trail=self.trail_id,
                feed=self.feed_id,
                occurrence=self.occurrence,
                attempt=attempt,
            ),
        )

    def wanted(self, *, due_at: datetime, reference_to: UUID | None = None) -> Wanted:
        """Return the row to be born of it: leased where it has a token, else queued."""
        return Wanted(
            self.transaction_id,
            self.company_id,
            self.feed_id,
            self.attempt,
            self.step,
            self.kind,
            self.instrument_id,
            self.key,
            self.request_hash,
            self.amount,
            self.currency,
            due_at,
            self.processor_account,
            self.statement_text,
            reference_to,
            self.lease_token,
        )

    def order(self, account: Account) -> Order:
        """Return what the processor is asked: the same on every send, to the last byte.

        There is no invoice number in it, and no random id: a rewound database asks the same.
        """
        return Order(
            account=account,
            kind=Kind(self.kind),
            key=self.key,
            amount=self.amount,
            currency=self.currency,
            target_uri=self.target_uri,
            statement_text=self.statement_text,
            description=str(self.terms.get("description", "")),
            meta=self.meta,
        )

    def job(self, account: Account | None, *, resend: bool = True, look: bool = False) -> Job:
        """Return the work to do: send it, or look it up first where it may have been sent.

        `look` asks for that in any case: a processor without keys would not notice that a database
        which was set back sends the same a second time.
        """
        return Job(
            transaction_id=self.transaction_id,
            order=None if account is None else self.order(account),
            look=look or not self.fresh,
            resend=resend,
            uri=self.processor_uri,
        )


class Wanted(NamedTuple):
    """An attempt to be born: leased at once by whoever opens the feed, or queued for later.

    It is a row of its table as it stands, one for each cycle: hence no dataclass.
    """

    id: UUID
    company_id: UUID
    feed_id: UUID
    attempt: int
    step: int | None
    kind: str
    instrument_id: UUID | None
    key: str
    request_hash: str
    amount: int
    currency: str
    due_at: datetime
    processor_account: str
    statement_text: str
    reference_to_id: UUID | None
    lease_token: int | None
