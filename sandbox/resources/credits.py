"""Credits: money from escrow, or from an order, to a bank account, a card or an account."""

from collections.abc import Mapping

from sandbox import fields, magic
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal, missing
from sandbox.records import Account, BankAccount, Card, Credit, Customer, Order, Record
from sandbox.resources import outcomes
from sandbox.resources.bank_accounts import new_bank_account
from sandbox.resources.cards import new_card
from sandbox.resources.common import money_routes, owner_of
from sandbox.resources.debits import description, find_order
from sandbox.wire import Json

DESTINATIONS = (BankAccount, Card, Account, Customer)
BANK_STATEMENT = 14
CARD_STATEMENT = 12
CARD_LIMIT = 250_000  # $2,500, the one limit that test marketplaces knew.


def create(call: Call) -> Reply:
    """A credit to the `destination` in the body: an id, an address, or an instrument as a whole."""
    destination = call.body.get("destination")
    if isinstance(destination, Mapping):
        if "number" not in destination:
            return credit(call, new_bank_account(call, destination, customer=None))
        if not fields.text(destination, "name"):
            raise missing("name")
        return credit(call, new_card(call, destination, customer=None))
    id_ = fields.reference(call.body, "destination")
    if id_ is None:
        raise missing("destination")
    return credit(call, call.referred("destination", id_, *DESTINATIONS))


def to_own(call: Call) -> Reply:
    """A credit to what the path names."""
    found = call.look(call.id)
    if not isinstance(found, DESTINATIONS):
        raise Refusal("not-found")
    return credit(call, found)


def credit(call: Call, destination: Record) -> Reply:
    """A credit to a bank account, a card, an account or a customer.

    Raises Refusal `insufficient-funds`, `order`, and what the destination adds.
    """
    amount = fields.needed_amount(call.body)
    if isinstance(destination, Customer):
        destination = _destination_of(call, destination)
    order = find_order(call)
    values: dict[str, Json] = {
        "destination": destination.id,
        "customer": owner_of(destination),
        "amount": amount,
        "appears_on_statement_as": _statement(call, destination),
        "description": description(call, order),
        "order": order.id if order else None,
        "meta": fields.meta(call.body),
    }
    if isinstance(destination, Card):
        _check_card(call, destination, values)
    if getattr(destination, "deleted", False):
        raise Refusal("funding-destination-not-creditable")
    _check_funds(call, order, destination, amount)
    made = call.work.make(Credit, **values, **_outcome(call, destination))
    return Reply(status=201, record=made)


def _outcome(call: Call, destination: Record) -> dict[str, Json]:
    if isinstance(destination, BankAccount):
        return outcomes.bank(call, destination.behaviour)
    if isinstance(destination, Card) and destination.behaviour == magic.CREDITABLE_PENDING:
        return {"status": "pending"}
    return outcomes.succeeded(call)


def _check_card(call: Call, card: Card, values: dict[str, Json]) -> None:
    if not card.can_credit:
        raise Refusal("funding-destination-not-creditable")
    if not card.name:
        raise Refusal("name-required-to-credit")
    if values["amount"] > CARD_LIMIT:
        code = "amount-exceeds-limit"
        failure = outcomes.failed(call, code, f"Amount must be <= {CARD_LIMIT}.")
        raise Refusal(code, rider=call.work.make(Credit, **values, **failure))


def _check_funds(call: Call, order: Order | None, destination: Record, amount: int) -> None:
    if order is None:
        if amount > call.marketplace.in_escrow:
            raise Refusal("insufficient-funds")
        return
    if owner_of(destination) not in {order.merchant, call.marketplace.owner_customer}:
        raise Refusal("order")
    if amount > order.amount_escrowed:
        raise Refusal("insufficient-funds")


def _statement(call: Call, destination: Record) -> str:
    longest = CARD_STATEMENT if isinstance(destination, Card) else BANK_STATEMENT
    if isinstance(destination, Account):
        longest = CARD_LIMIT  # It appears on no statement.
    given = fields.statement(call.body, longest=longest)
    return given or call.marketplace.domain_url[:longest]


def _destination_of(call: Call, customer: Customer) -> BankAccount | Card:
    """The customer's default destination, else the only instrument that can be credited."""
    if customer.destination is not None:
        default = call.look(customer.destination)
        if isinstance(default, Card | BankAccount) and default.can_credit:
            return default
    owned = [
        instrument
        for record in (BankAccount, Card)
        for instrument in call.store.of(call.kind(record), customer.id)
        if isinstance(instrument, Card | BankAccount) and instrument.can_credit
    ]
    if len(owned) != 1:
        raise Refusal("no-funding-destination")
    return owned[0]


ROUTES: Routes = money_routes(Credit)
POSTS: Routes = {
    "credits": {"POST": create},
    "bank_accounts/:/credits": {"POST": to_own},
    "cards/:/credits": {"POST": to_own},
    "customers/:/credits": {"POST": to_own},
    "accounts/:/credits": {"POST": to_own},
}
