"""Orders: pockets of their own, beside the marketplace's escrow."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.fields import Body
from sandbox.kinds import BY_RECORD
from sandbox.listing import search_within
from sandbox.records import Credit, Customer, Debit, Order, Record, Refund, Reversal
from sandbox.resources.common import (
    lister,
    lister_within,
    patcher,
    reader,
    update_meta,
    updater,
)


def create(call: Call) -> Reply:
    """An order of the customer in the path, who is its merchant."""
    made = call.work.make(
        Order,
        merchant=call.own(Customer).id,
        description=fields.text(call.body, "description"),
        delivery_address=fields.address(call.body, "delivery_address"),
        meta=fields.meta(call.body),
    )
    return Reply(status=201, record=made)


def update(call: Call, own: Record, body: Body) -> None:
    """Change description, meta and where it is delivered."""
    update_meta(call, own, body)
    if body.get("delivery_address"):
        call.work.change(own, delivery_address=fields.address(body, "delivery_address"))


def buyers(call: Call) -> Reply:
    """The customers whose money is in the order."""
    kind = BY_RECORD[Customer]
    debits = call.store.of(BY_RECORD[Debit], call.own(Order).id)
    ids = {debit.customer for debit in debits if isinstance(debit, Debit) and debit.customer}
    customers = sorted((call.store.by_id[id_] for id_ in ids), key=lambda each: each.sequence)
    return Reply(page=call.query.page(kind, search_within(customers, call.query)))


ROUTES: Routes = {
    "orders": {"GET": lister(Order)},
    "orders/:": {
        "GET": reader(Order),
        "PUT": updater(Order, update),
        "PATCH": patcher(Order, update),
    },
    "customers/:/orders": {"POST": create, "GET": lister_within(Customer, Order)},
    "orders/:/buyers": {"GET": buyers},
    **{
        f"orders/:/{BY_RECORD[part].plural}": {"GET": lister_within(Order, part)}
        for part in (Debit, Credit, Refund, Reversal)
    },
}
