"""Debits: money from a card or an account into escrow or into an order."""

from collections.abc import Mapping

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal, invalid, missing
from sandbox.records import BankAccount, Card, Customer, Debit, ExternalAccount, Order
from sandbox.resources import outcomes
from sandbox.resources.bank_accounts import new_bank_account
from sandbox.resources.cards import new_card
from sandbox.resources.common import INSTRUMENTS, Instrument, money_routes, owner_of
from sandbox.wire import Json

CARD_STATEMENT = 18  # Of 22 characters, after `BAL*`; longer texts are cut.
BANK_STATEMENT = 14  # Longer texts are refused.
PREFIX = "BAL*"


def create(call: Call) -> Reply:
    """A debit of the `source` in the body: an id, an address, or an instrument as a whole."""
    source = call.body.get("source")
    if isinstance(source, Mapping):
        maker = new_card if "number" in source else new_bank_account
        return debit(call, maker(call, source, customer=None))
    id_ = fields.reference(call.body, "source")
    if id_ is None:
        raise missing("source")
    found = call.referred("source", id_, *INSTRUMENTS, Customer)
    if isinstance(found, Customer):
        return debit(call, _source_of(call, found))
    if not isinstance(found, Card | BankAccount | ExternalAccount):
        raise invalid("source", "is no instrument")
    return debit(call, found)


def of_card(call: Call) -> Reply:
    """A debit of the card in the path."""
    return debit(call, call.own(Card))


def of_bank_account(call: Call) -> Reply:
    """A debit of the bank account in the path."""
    return debit(call, call.own(BankAccount))


def of_external_account(call: Call) -> Reply:
    """A debit of the external account in the path."""
    return debit(call, call.own(ExternalAccount))


def of_customer(call: Call) -> Reply:
    """A debit of the customer's source."""
    return debit(call, _source_of(call, call.own(Customer)))


def debit(call: Call, source: Instrument) -> Reply:
    """A debit of an instrument.

    Raises Refusal with the failed debit: `card-declined`, `funding-source-not-debitable`.
    """
    order = find_order(call)
    values: dict[str, Json] = {
        "source": source.id,
        "customer": owner_of(source),
        "amount": fields.needed_amount(call.body),
        "appears_on_statement_as": _statement(call, source),
        "description": description(call, order),
        "order": order.id if order else None,
        "meta": fields.meta(call.body),
    }
    if not source.can_debit:
        _fail(call, values, "funding-source-not-debitable", "Funding instrument cannot be debited.")
    if isinstance(source, Card):
        declined = outcomes.decline(call, source.id, source.behaviour)
        if declined is not None:
            _fail(call, values, *declined)
        values |= outcomes.card(call, source.behaviour)
    elif isinstance(source, BankAccount):
        values |= outcomes.bank(call, source.behaviour)
    else:
        values |= outcomes.succeeded(call)
    return Reply(status=201, record=call.work.make(Debit, **values))


def find_order(call: Call) -> Order | None:
    """The order that the body names. Raises Refusal if there is none such."""
    id_ = fields.reference(call.body, "order")
    if id_ is None:
        return None
    found = call.referred("order", id_, Order)
    return found if isinstance(found, Order) else None


def description(call: Call, order: Order | None) -> str | None:
    """The description given, else the order's."""
    given = fields.text(call.body, "description")
    return order.description if given is None and order is not None else given


def _statement(call: Call, source: Instrument) -> str:
    is_card = isinstance(source, Card)
    longest = CARD_STATEMENT if is_card else BANK_STATEMENT
    given = fields.statement(call.body, longest=longest, cut=is_card)
    return PREFIX + (given or call.marketplace.domain_url[:longest])


def _fail(call: Call, values: dict[str, Json], code: str, reason: str) -> None:
    failed = call.work.make(Debit, **values, **outcomes.failed(call, code, reason))
    if code == "funding-source-not-debitable":
        raise Refusal(code, rider=failed)
    raise Refusal("card-declined", f"R530: {reason}", additional=reason, rider=failed)


def _source_of(call: Call, customer: Customer) -> Instrument:
    """The customer's default source, else the only instrument that can be debited."""
    if customer.source is not None:
        default = call.look(customer.source)
        if isinstance(default, Card | BankAccount) and default.can_debit:
            return default
    owned = [
        instrument
        for record in (Card, BankAccount)
        for instrument in call.store.of(call.kind(record), customer.id)
        if isinstance(instrument, Card | BankAccount) and instrument.can_debit
    ]
    if len(owned) != 1:
        raise Refusal("no-funding-source")
    return owned[0]


ROUTES: Routes = money_routes(Debit)
POSTS: Routes = {
    "debits": {"POST": create},
    "cards/:/debits": {"POST": of_card},
    "bank_accounts/:/debits": {"POST": of_bank_account},
    "external_accounts/:/debits": {"POST": of_external_account},
    "customers/:/debits": {"POST": of_customer},
}
