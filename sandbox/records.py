"""What the sandbox remembers of each resource.

A record is changed in place, by `sandbox.work` only. Fields named like those of the API are served
as they are; the others are the server's own. Numbers that follow from other records (`refunded`,
`in_escrow`, `balance`, …) are kept by `sandbox.books` and never set by hand. Amounts are cents.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from sandbox.ids import transaction_number

Meta = dict[str, str]
Address = dict[str, str | None]

NO_META: Meta = {}  # Shared by all that have none: a meta is replaced, never changed in place.
ADDRESS_FIELDS = ("line1", "line2", "city", "state", "postal_code", "country_code")
NO_ADDRESS: Address = dict.fromkeys(ADDRESS_FIELDS)


@dataclass(slots=True, kw_only=True, eq=False)
class Record:
    """One resource. `sequence` counts records from 1; `key` is the Idempotency-Key or billy.key."""

    path: ClassVar[str] = ""

    id: str
    marketplace: str | None
    sequence: int
    created_at: str
    updated_at: str
    meta: Meta = field(default_factory=lambda: NO_META)
    key: str | None = None
    deleted: bool = False

    @property
    def href(self) -> str:
        """The address, from the root."""
        return f"{self.path}/{self.id}"

    @property
    def is_listed(self) -> bool:
        """Whether lists show it; failed transactions are left out by the lists themselves."""
        return not self.deleted


@dataclass(slots=True, kw_only=True, eq=False)
class Transaction(Record):
    """What all movements of money share. `fate` is the code of a failure that is yet to come."""

    currency: ClassVar[str] = "USD"
    number_prefix: ClassVar[str] = ""

    amount: int
    status: str
    description: str | None = None
    failure_reason: str | None = None
    failure_reason_code: str | None = None
    customer: str | None = None
    order: str | None = None
    succeeded_at: str | None = None
    failed_at: str | None = None
    due_at: str | None = None
    fate: str | None = None

    @property
    def transaction_number(self) -> str:
        """The number that statements show."""
        return transaction_number(self.number_prefix, self.id)


@dataclass(slots=True, kw_only=True, eq=False)
class Debit(Transaction):
    """Money in; `refunded` is what all its refunds come to."""

    path: ClassVar[str] = "/debits"
    number_prefix: ClassVar[str] = "W"

    source: str
    appears_on_statement_as: str
    dispute: str | None = None
    hold: str | None = None
    refunded: int = 0

    @property
    def card_hold(self) -> str | None:
        """The hold that was captured; a card debited directly has one made up from the debit."""
        if self.hold is None and self.source.startswith("CC"):
            return "HL" + self.id[2:]
        return self.hold


@dataclass(slots=True, kw_only=True, eq=False)
class Credit(Transaction):
    """Money out; `reversed` is what all its reversals come to."""

    path: ClassVar[str] = "/credits"
    number_prefix: ClassVar[str] = "CR"

    destination: str
    appears_on_statement_as: str
    settlement: str | None = None
    reversed: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Refund(Transaction):
    """Money of a debit, back to the debit's source."""

    path: ClassVar[str] = "/refunds"
    number_prefix: ClassVar[str] = "RF"

    debit: str
    source: str
    dispute: str | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Reversal(Transaction):
    """Money of a credit, back from the credit's destination."""

    path: ClassVar[str] = "/reversals"
    number_prefix: ClassVar[str] = "RV"

    credit: str
    destination: str
    settlement: str | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class CardHold(Transaction):
    """Money reserved on a card until `expires_at`."""

    path: ClassVar[str] = "/card_holds"
    number_prefix: ClassVar[str] = "HL"

    card: str
    expires_at: str
    voided_at: str | None = None
    debit: str | None = None

    @property
    def is_void(self) -> bool:
        """Whether it was let go."""
        return self.voided_at is not None

    @property
    def is_listed(self) -> bool:
        """Void ones leave the lists."""
        return self.voided_at is None


@dataclass(slots=True, kw_only=True, eq=False)
class Settlement(Transaction):
    """An account's whole balance, out to a bank or back from it."""

    path: ClassVar[str] = "/settlements"

    source: str
    destination: str
    appears_on_statement_as: str

    @property
    def transaction_number(self) -> str:
        """SC pays out, SD pays back."""
        pays_out = self.source.startswith("AT")
        return transaction_number("SC" if pays_out else "SD", self.id)


@dataclass(slots=True, kw_only=True, eq=False)
class Card(Record):
    """A card; `refusal` is what the first key that sees this token must be told."""

    path: ClassVar[str] = "/cards"

    number: str
    expiration_month: int
    expiration_year: int
    brand: str
    fingerprint: str
    behaviour: str
    bank_name: str
    name: str | None = None
    cvv: str | None = None
    cvv_match: str | None = None
    cvv_result: str | None = None
    address: Address = field(default_factory=lambda: NO_ADDRESS)
    avs_street_match: str | None = None
    avs_postal_match: str | None = None
    avs_result: str | None = None
    customer: str | None = None
    refusal: str | None = None

    category: ClassVar[str] = "other"
    is_verified: ClassVar[bool] = True

    @property
    def type(self) -> str:
        """Debit cards can be credited, credit cards cannot."""
        return "debit" if self.behaviour.startswith("creditable") else "credit"

    @property
    def can_debit(self) -> bool:
        """Whether money can be taken from it."""
        return not self.deleted

    @property
    def can_credit(self) -> bool:
        """Whether money can be sent to it."""
        return not self.deleted and self.behaviour.startswith("creditable")

    @property
    def is_valid(self) -> bool:
        """Whether it is still stored."""
        return not self.deleted


@dataclass(slots=True, kw_only=True, eq=False)
class BankAccount(Record):
    """A bank account; `behaviour` is what follows from its number."""

    path: ClassVar[str] = "/bank_accounts"

    name: str | None
    account_number: str
    routing_number: str
    account_type: str
    bank_name: str
    fingerprint: str
    behaviour: str
    address: Address = field(default_factory=lambda: NO_ADDRESS)
    verified: bool = False
    customer: str | None = None
    bank_account_verification: str | None = None

    @property
    def can_debit(self) -> bool:
        """Whether money can be taken from it."""
        return self.verified and not self.deleted

    @property
    def can_credit(self) -> bool:
        """Whether money can be sent to it."""
        return not self.deleted

    @property
    def is_valid(self) -> bool:
        """Whether it is still stored."""
        return not self.deleted


@dataclass(slots=True, kw_only=True, eq=False)
class ExternalAccount(Record):
    """An account at somebody else's; its token is not kept."""

    path: ClassVar[str] = "/external_accounts"

    provider: str
    customer: str | None = None

    can_credit: ClassVar[bool] = False

    @property
    def can_debit(self) -> bool:
        """Whether money can be taken from it."""
        return not self.deleted


@dataclass(slots=True, kw_only=True, eq=False)
class BankAccountVerification(Record):
    """An attempt to prove that a bank account is its holder's."""

    path: ClassVar[str] = "/verifications"

    bank_account: str
    verification_status: str = "pending"
    deposit_status: str = "pending"
    attempts: int = 0
    attempts_remaining: int = 3


@dataclass(slots=True, kw_only=True, eq=False)
class Customer(Record):
    """A person or a business; `source` and `destination` are the defaults."""

    path: ClassVar[str] = "/customers"

    name: str | None = None
    business_name: str | None = None
    email: str | None = None
    phone: str | None = None
    ssn_last4: str | None = None
    ein: str | None = None
    dob_month: int | None = None
    dob_year: int | None = None
    address: Address = field(default_factory=lambda: NO_ADDRESS)
    source: str | None = None
    destination: str | None = None

    @property
    def merchant_status(self) -> str:
        """Whether enough is known of the person: name, birth, postal code."""
        known = self.name and self.dob_month and self.dob_year and self.address["postal_code"]
        return "underwritten" if known else "no-match"


@dataclass(slots=True, kw_only=True, eq=False)
class Order(Record):
    """A pocket of its own, with what was paid in and what is still there."""

    path: ClassVar[str] = "/orders"
    currency: ClassVar[str] = "USD"

    merchant: str
    description: str | None = None
    delivery_address: Address = field(default_factory=lambda: NO_ADDRESS)
    amount: int = 0
    amount_escrowed: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Account(Record):
    """A payable account; a negative balance is owed by its customer."""

    path: ClassVar[str] = "/accounts"
    currency: ClassVar[str] = "USD"
    type: ClassVar[str] = "payable"
    can_credit: ClassVar[bool] = True
    can_debit: ClassVar[bool] = False

    customer: str
    balance: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Dispute(Record):
    """A debit that its payer denies."""

    path: ClassVar[str] = "/disputes"
    currency: ClassVar[str] = "USD"

    amount: int
    transaction: str
    source: str
    initiated_at: str
    respond_by: str
    status: str = "pending"
    reason: str = "fraud"
    customer: str | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Callback(Record):
    """An address that is told of events."""

    path: ClassVar[str] = "/callbacks"

    url: str
    method: str = "post"
    revision: str = "1.1"


@dataclass(slots=True, kw_only=True, eq=False)
class ApiKey(Record):
    """A secret that speaks for a marketplace, once there is one."""

    path: ClassVar[str] = "/api_keys"

    secret: str


@dataclass(slots=True, kw_only=True, eq=False)
class Marketplace(Record):
    """A tenant; `in_escrow` is what it holds outside orders."""

    path: ClassVar[str] = "/marketplaces"
    production: ClassVar[bool] = False
    unsettled_fees: ClassVar[int] = 0

    owner_customer: str
    name: str = "Test Marketplace"
    domain_url: str = "example.com"
    support_email_address: str = "support@example.com"
    support_phone_number: str = "+16505551234"
    in_escrow: int = 0
