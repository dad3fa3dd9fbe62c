"""What most resources have in common: reading, listing, changing meta, deleting."""

from collections.abc import Callable

from sandbox import fields
from sandbox.calls import Call, Handler, Reply
from sandbox.errors import Refusal, invalid
from sandbox.fields import Body
from sandbox.kinds import BY_RECORD
from sandbox.listing import search, search_within
from sandbox.patch import patched
from sandbox.records import (
    BankAccount,
    Card,
    Customer,
    ExternalAccount,
    Record,
    Transaction,
)
from sandbox.wire import Json

Instrument = Card | BankAccount | ExternalAccount
INSTRUMENTS = (Card, BankAccount, ExternalAccount)
Update = Callable[[Call, Record, Body], None]


def reader(record: type[Record]) -> Handler:
    """GET of one."""

    def read(call: Call) -> Reply:
        return Reply(record=call.own(record))

    return read


def lister(record: type[Record]) -> Handler:
    """GET of all in the marketplace."""
    kind = BY_RECORD[record]

    def list_all(call: Call) -> Reply:
        found = search(call.store, kind, call.query, marketplace=call.marketplace.id)
        return Reply(page=call.query.page(kind, found))

    return list_all


def lister_within(owner: type[Record], record: type[Record]) -> Handler:
    """GET of those that belong to one other resource."""
    kind = BY_RECORD[record]

    def list_within(call: Call) -> Reply:
        found = search_within(call.store.of(kind, call.own(owner).id), call.query)
        return Reply(page=call.query.page(kind, found))

    return list_within


def updater(record: type[Record], update: Update) -> Handler:
    """PUT of one: only what is sent is changed."""

    def put(call: Call) -> Reply:
        own = call.own(record)
        update(call, own, call.body)
        return Reply(record=own)

    return put


def patcher(record: type[Record], update: Update) -> Handler:
    """PATCH of one: turned into what a PUT would change."""

    def patch(call: Call) -> Reply:
        own = call.own(record)
        update(call, own, patched(own, call.raw))
        return Reply(record=own)

    return patch


def deleter(record: type[Record]) -> Handler:
    """DELETE of one."""

    def delete(call: Call) -> Reply:
        own = call.own(record)
        if not own.deleted:
            call.work.change(own, deleted=True)
        return Reply(status=204)

    return delete


def update_meta(call: Call, own: Record, body: Body) -> None:
    """Change the meta, as a whole, and the description where there is one."""
    changes: dict[str, Json] = {}
    if "meta" in body:
        changes["meta"] = fields.meta(body)
    if "description" in body and hasattr(own, "description"):
        changes["description"] = fields.text(body, "description")
    changes = {name: value for name, value in changes.items() if getattr(own, name) != value}
    if changes:
        call.work.change(own, **changes)


def update_instrument(call: Call, own: Record, body: Body) -> None:
    """Change the meta of an instrument, or give it to a customer for good."""
    update_meta(call, own, body)
    id_ = fields.reference(body, "customer")
    if id_ is not None and isinstance(own, INSTRUMENTS):
        customer = call.referred("customer", id_, Customer)
        associate(call, own, customer.id)


def associate(call: Call, instrument: Instrument, customer: str) -> None:
    """Give an instrument to a customer. Raises Refusal if another has it, or if it is deleted."""
    if instrument.deleted:
        is_card = isinstance(instrument, Card)
        raise Refusal("cannot-associate-card" if is_card else "cannot-associate-bank-account")
    if instrument.customer == customer:
        return
    if instrument.customer is not None:
        is_card = isinstance(instrument, Card)
        raise Refusal("card-already-funding-src" if is_card else "bank-account-already-associated")
    call.work.change(instrument, customer=customer)


def associated_on_creation(call: Call) -> str | None:
    """The customer that a new instrument names in its body, if any."""
    id_ = fields.reference(call.body, "customer")
    if id_ is None:
        return None
    if call.api_key is None:
        raise invalid("customer", "needs a key")
    return call.referred("customer", id_, Customer).id


def owner_of(instrument: Record) -> str | None:
    """The customer whose money moves with this instrument."""
    return getattr(instrument, "customer", None)


def money_routes(record: type[Transaction]) -> dict[str, dict[str, Handler]]:
    """What all transactions offer: the list, the one, and changes of meta and description."""
    plural = BY_RECORD[record].plural
    return {
        plural: {"GET": lister(record)},
        f"{plural}/:": {
            "GET": reader(record),
            "PUT": updater(record, update_meta),
            "PATCH": patcher(record, update_meta),
        },
    }
