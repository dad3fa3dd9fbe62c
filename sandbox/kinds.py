"""The table of resources: how each is called, shown, linked, listed and kept.

Shapes are those of Balanced's published schemas and of recorded answers.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter

from sandbox import records
from sandbox.records import Record
from sandbox.wire import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of resource.

    `name` is singular, as in the ledger; `plural` names the arrays of the API. `fields` and `links`
    are shown, `private` is only kept. `scopes` are the fields whose ids have a list of it, such as
    the debits of a card. `templates` are the links of an envelope. `stays` tells whether a deleted
    one can still be read by its address.
    """

    record: type[Record]
    name: str
    plural: str
    prefix: str
    fields: tuple[str, ...]
    links: tuple[str, ...]
    private: tuple[str, ...]
    scopes: tuple[str, ...]
    templates: Mapping[str, str]
    stays: bool = False
    values: Callable[[Record], tuple[Json, ...]]
    settable: frozenset[str]

    def show(self, record: Record) -> dict[str, Json]:
        """The resource as it is served."""
        shown = dict(zip(self.fields, self.values(record), strict=True))
        shown["links"] = {name: getattr(record, name) for name in self.links}
        return shown

    def keep(self, record: Record) -> dict[str, Json]:
        """What a restart needs besides what is served; empty values are left out."""
        pairs = ((name, getattr(record, name)) for name in self.private)
        return {name: value for name, value in pairs if value}


STAMPS = ("id", "href", "created_at", "updated_at")
MONEY = (*STAMPS, "amount", "currency", "status", "description", "transaction_number", "meta")
FAILURE = ("failure_reason", "failure_reason_code")
TIMES = ("succeeded_at", "failed_at", "due_at", "fate")
INSTRUMENT = ("can_credit", "can_debit", "fingerprint", "bank_name", "address", "meta")
DERIVED = frozenset({"amount_escrowed", "in_escrow", "balance", "refunded", "reversed"})


def _kind(
    record: type[Record],
    name: str,
    *,
    prefix: str,
    fields: tuple[str, ...],
    **more: Json,
) -> Kind:
    plural = more.pop("plural", name + "s")
    templates = {
        f"{plural}.{short}": template.replace("{", "{" + plural + ".")
        for short, template in more.pop("templates", {}).items()
    }
    settable = {each.name for each in dataclasses.fields(record)} - DERIVED
    if record is records.Order:
        settable.discard("amount")
    return Kind(
        record=record,
        name=name,
        plural=plural,
        prefix=prefix,
        fields=fields,
        links=more.pop("links", ()),
        private=more.pop("private", ()),
        scopes=more.pop("scopes", ()),
        templates=templates,
        values=attrgetter(*fields),
        settable=frozenset(settable),
        **more,
    )


_TABLE = (
    _kind(
        records.Debit,
        "debit",
        prefix="WD",
        fields=(*MONEY, *FAILURE, "appears_on_statement_as"),
        links=("source", "customer", "order", "dispute", "card_hold"),
        private=("hold", *TIMES),
        scopes=("source", "customer", "order"),
        templates={
            "refunds": "/debits/{id}/refunds",
            "customer": "/customers/{customer}",
            "order": "/orders/{order}",
            "source": "/resources/{source}",
            "events": "/debits/{id}/events",
            "dispute": "/disputes/{dispute}",
            "card_hold": "/card_holds/{card_hold}",
        },
    ),
    _kind(
        records.Credit,
        "credit",
        prefix="CR",
        fields=(*MONEY, *FAILURE, "appears_on_statement_as"),
        links=("destination", "customer", "order", "settlement"),
        private=TIMES,
        scopes=("destination", "customer", "order", "settlement"),
        templates={
            "reversals": "/credits/{id}/reversals",
            "customer": "/customers/{customer}",
            "order": "/orders/{order}",
            "destination": "/resources/{destination}",
            "settlement": "/settlements/{settlement}",
            "settlements": "/credits/{id}/settlements",
            "events": "/credits/{id}/events",
        },
    ),
    _kind(
        records.Refund,
        "refund",
        prefix="RF",
        fields=MONEY,
        links=("debit", "order", "dispute"),
        private=("customer", "source", *FAILURE, *TIMES),
        scopes=("debit", "customer", "order", "source"),
        templates={
            "debit": "/debits/{debit}",
            "order": "/orders/{order}",
            "events": "/refunds/{id}/events",
            "dispute": "/disputes/{dispute}",
        },
    ),
    _kind(
        records.Reversal,
        "reversal",
        prefix="RV",
        fields=(*MONEY, *FAILURE),
        links=("credit", "order", "settlement"),
        private=("customer", "destination", *TIMES),
        scopes=("credit", "customer", "order", "destination", "settlement"),
        templates={
            "credit": "/credits/{credit}",
            "order": "/orders/{order}",
            "settlement": "/settlements/{settlement}",
            "settlements": "/reversals/{id}/settlements",
            "events": "/reversals/{id}/events",
        },
    ),
    _kind(
        records.CardHold,
        "card_hold",
        prefix="HL",
        fields=(*MONEY, *FAILURE, "expires_at", "voided_at"),
        links=("card", "debit", "order"),
        private=("customer", *TIMES),
        scopes=("card", "customer", "order"),
        templates={
            "card": "/cards/{card}",
            "debit": "/debits/{debit}",
            "debits": "/card_holds/{id}/debits",
            "order": "/orders/{order}",
            "events": "/card_holds/{id}/events",
        },
    ),
    _kind(
        records.Settlement,
        "settlement",
        prefix="ST",
        fields=(*MONEY, *FAILURE, "appears_on_statement_as"),
        links=("source", "destination"),
        private=("customer", *TIMES),
        scopes=("source", "destination"),
        templates={
            "source": "/resources/{source}",
            "destination": "/resources/{destination}",
            "credits": "/settlements/{id}/credits",
            "reversals": "/settlements/{id}/reversals",
            "events": "/settlements/{id}/events",
        },
    ),
    _kind(
        records.Card,
        "card",
        prefix="CC",
        fields=(
            *STAMPS,
            *("name", "number", "expiration_month", "expiration_year", "brand", "type"),
            *("category", "is_verified", "cvv", "cvv_match", "cvv_result"),
            *("avs_street_match", "avs_postal_match", "avs_result"),
            *INSTRUMENT,
        ),
        links=("customer",),
        private=("behaviour", "refusal", "deleted"),
        scopes=("customer",),
        stays=True,
        templates={
            "customer": "/customers/{customer}",
            "debits": "/cards/{id}/debits",
            "card_holds": "/cards/{id}/card_holds",
            "disputes": "/cards/{id}/disputes",
        },
    ),
    _kind(
        records.BankAccount,
        "bank_account",
        prefix="BA",
        fields=(
            *STAMPS,
            *("name", "account_number", "routing_number", "account_type"),
            *INSTRUMENT,
        ),
        links=("customer", "bank_account_verification"),
        private=("behaviour", "verified", "deleted"),
        scopes=("customer",),
        stays=True,
        templates={
            "customer": "/customers/{customer}",
            "debits": "/bank_accounts/{id}/debits",
            "credits": "/bank_accounts/{id}/credits",
            "settlements": "/bank_accounts/{id}/settlements",
            "bank_account_verification": "/verifications/{bank_account_verification}",
            "bank_account_verifications": "/bank_accounts/{id}/verifications",
        },
    ),
    _kind(
        records.ExternalAccount,
        "external_account",
        prefix="NT",
        fields=(*STAMPS, "provider", "can_credit", "can_debit", "meta"),
        links=("customer",),
        private=("deleted",),
        scopes=("customer",),
        stays=True,
        templates={
            "customer": "/customers/{customer}",
            "debits": "/external_accounts/{id}/debits",
        },
    ),
    _kind(
        records.BankAccountVerification,
        "bank_account_verification",
        prefix="BZ",
        fields=(
            *STAMPS,
            *("attempts", "attempts_remaining", "deposit_status", "verification_status", "meta"),
        ),
        links=("bank_account",),
        scopes=("bank_account",),
        templates={"bank_account": "/bank_accounts/{bank_account}"},
    ),
    _kind(
        records.Customer,
        "customer",
        prefix="CU",
        fields=(
            *STAMPS,
            *("name", "business_name", "email", "phone", "ssn_last4", "ein"),
            *("dob_month", "dob_year", "merchant_status", "address", "meta"),
        ),
        links=("source", "destination"),
        private=("deleted",),
        templates={
            "source": "/resources/{source}",
            "destination": "/resources/{destination}",
        }
        | {
            plural: "/customers/{id}/" + plural
            for plural in (
                *("cards", "bank_accounts", "external_accounts", "debits", "credits", "refunds"),
                *("reversals", "orders", "card_holds", "disputes", "accounts"),
            )
        },
    ),
    _kind(
        records.Order,
        "order",
        prefix="OR",
        fields=(
            *STAMPS,
            *("amount", "amount_escrowed", "currency", "description", "delivery_address", "meta"),
        ),
        links=("merchant",),
        scopes=("merchant",),
        templates={"merchant": "/customers/{merchant}"}
        | {
            plural: "/orders/{id}/" + plural
            for plural in ("debits", "credits", "refunds", "reversals", "buyers")
        },
    ),
    _kind(
        records.Account,
        "account",
        prefix="AT",
        fields=(*STAMPS, "type", "balance", "currency", "can_credit", "can_debit", "meta"),
        links=("customer",),
        scopes=("customer",),
        templates={"customer": "/customers/{customer}"}
        | {
            plural: "/accounts/{id}/" + plural
            for plural in ("credits", "debits", "refunds", "reversals", "settlements")
        },
    ),
    _kind(
        records.Dispute,
        "dispute",
        prefix="DT",
        fields=(
            *STAMPS,
            *("amount", "currency", "reason", "status", "initiated_at", "respond_by", "meta"),
        ),
        links=("transaction",),
        private=("source", "customer"),
        scopes=("transaction", "source", "customer"),
        templates={
            "transaction": "/resources/{transaction}",
            "events": "/disputes/{id}/events",
        },
    ),
    _kind(
        records.Callback,
        "callback",
        prefix="CB",
        fields=("id", "href", "url", "method", "revision"),
        private=("created_at", "updated_at", "deleted"),
    ),
    _kind(
        records.ApiKey,
        "api_key",
        prefix="AK",
        fields=("id", "href", "created_at", "meta"),
        private=("secret", "updated_at", "deleted"),
    ),
    _kind(
        records.Marketplace,
        "marketplace",
        prefix="TEST-MP",
        fields=(
            *STAMPS,
            *("name", "domain_url", "support_email_address", "support_phone_number"),
            *("in_escrow", "unsettled_fees", "production", "meta"),
        ),
        links=("owner_customer",),
        templates={"owner_customer": "/customers/{owner_customer}"}
        | {
            plural: "/" + plural
            for plural in (
                *("customers", "cards", "bank_accounts", "external_accounts", "card_holds"),
                *("debits", "credits", "refunds", "reversals", "orders", "accounts"),
                *("settlements", "disputes", "events", "callbacks"),
            )
        },
    ),
)
BY_NAME = {kind.name: kind for kind in _TABLE}
BY_PLURAL = {kind.plural: kind for kind in _TABLE}
BY_RECORD = {kind.record: kind for kind in _TABLE}


def kind_of(record: Record) -> Kind:
    """The kind of a record."""
    return BY_RECORD[type(record)]
