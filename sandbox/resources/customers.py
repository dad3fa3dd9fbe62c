"""Customers, and what belongs to them."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal, invalid
from sandbox.fields import Body
from sandbox.kinds import BY_NAME, BY_RECORD
from sandbox.records import (
    Account,
    BankAccount,
    Card,
    CardHold,
    Credit,
    Customer,
    Debit,
    Dispute,
    ExternalAccount,
    Order,
    Record,
    Refund,
    Reversal,
)
from sandbox.resources import bank_accounts, cards
from sandbox.resources.common import (
    associate,
    lister,
    lister_within,
    patcher,
    reader,
    update_meta,
    updater,
)
from sandbox.wire import Json

TEXTS = ("name", "business_name", "phone", "ein")
PARTS = (
    *(Card, BankAccount, ExternalAccount, Debit, Credit, Refund, Reversal, Order, CardHold),
    *(Dispute, Account),
)
TRANSACTIONS = ("debit", "credit", "refund", "reversal", "card_hold")
FIRST_YEAR, LAST_YEAR = 1800, 2100
MONTHS = 12
SSN_MASK = "xxxx"


def create(call: Call) -> Reply:
    """A customer; a `source` or `destination` given with it is associated."""
    made = new_customer(call, call.body, marketplace=call.marketplace.id)
    _link(call, made, call.body)
    return Reply(status=201, record=made)


def new_customer(call: Call, body: Body, *, marketplace: str) -> Customer:
    """A customer with the payable account that each one has."""
    values = _values(body) | {"meta": fields.meta(body)}
    made = call.work.make(Customer, marketplace=marketplace, **values)
    call.work.make(Account, marketplace=marketplace, customer=made.id)
    return made


def update(call: Call, own: Record, body: Body) -> None:
    """Change what is sent."""
    update_meta(call, own, body)
    values = {
        name: value
        for name, value in _values(body).items()
        if name in body and getattr(own, name) != value
    }
    if values.get("ssn_last4") is None and body.get("ssn_last4") == SSN_MASK:
        values.pop("ssn_last4", None)
    if values:
        call.work.change(own, **values)
    if isinstance(own, Customer):
        _link(call, own, body)


def delete(call: Call) -> Reply:
    """Remove a customer who never had a transaction."""
    own = call.own(Customer)
    if any(call.store.of(BY_NAME[name], own.id) for name in TRANSACTIONS):
        raise Refusal("cannot-delete-customer")
    call.work.change(own, deleted=True)
    return Reply(status=204)


def add_card(call: Call) -> Reply:
    """A new card that is the customer's at once."""
    return Reply(status=201, record=cards.new_card(call, call.body, customer=_own_id(call)))


def add_bank_account(call: Call) -> Reply:
    """A new bank account that is the customer's at once."""
    made = bank_accounts.new_bank_account(call, call.body, customer=_own_id(call))
    return Reply(status=201, record=made)


def _own_id(call: Call) -> str:
    return call.own(Customer).id


def _values(body: Body) -> dict[str, Json]:
    values: dict[str, Json] = {name: fields.text(body, name) for name in TEXTS}
    values["email"] = fields.email(body)
    values["ssn_last4"] = SSN_MASK if fields.text(body, "ssn_last4") else None
    values["dob_month"] = fields.integer(body, "dob_month", low=1, high=MONTHS)
    values["dob_year"] = fields.integer(body, "dob_year", low=FIRST_YEAR, high=LAST_YEAR)
    values["address"] = fields.address(body)
    return values


def _link(call: Call, own: Customer, body: Body) -> None:
    """Set the default source and destination; instruments that nobody has become the customer's."""
    for name, records in (
        ("source", (Card, BankAccount)),
        ("destination", (BankAccount, Card)),
    ):
        id_ = fields.reference(body, name)
        if id_ is not None:
            instrument = call.referred(name, id_, *records)
            if not isinstance(instrument, Card | BankAccount):
                raise invalid(name, "is no instrument")
            associate(call, instrument, own.id)
            if getattr(own, name) != instrument.id:
                call.work.change(own, **{name: instrument.id})
        elif fields.names(body, name) and getattr(own, name) is not None:
            call.work.change(own, **{name: None})


ROUTES: Routes = {
    "customers": {"POST": create, "GET": lister(Customer)},
    "customers/:": {
        "GET": reader(Customer),
        "PUT": updater(Customer, update),
        "PATCH": patcher(Customer, update),
        "DELETE": delete,
    },
    **{
        f"customers/:/{BY_RECORD[part].plural}": {"GET": lister_within(Customer, part)}
        for part in PARTS
    },
}
POSTS: Routes = {
    "customers/:/cards": {"POST": add_card},
    "customers/:/bank_accounts": {"POST": add_bank_account},
}
