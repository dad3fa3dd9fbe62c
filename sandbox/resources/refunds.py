"""Refunds: money of a debit back to where it came from."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal, invalid
from sandbox.records import Debit, Order, Refund
from sandbox.resources import outcomes
from sandbox.resources.common import lister_within, money_routes


def create(call: Call) -> Reply:
    """A refund of all that is left, or of a part. All refunds never exceed the debit.

    Raises Refusal: `refund-invalid-debit-state`, `debit-disputed`, `debit-already-refunded`,
    `request` for too much, `refund-insufficient-funds`, in an order `insufficient-funds`.
    """
    debit = call.own(Debit)
    if debit.status != "succeeded":
        raise Refusal("refund-invalid-debit-state")
    if debit.dispute is not None:
        raise Refusal("debit-disputed")
    left = debit.amount - debit.refunded
    if left == 0:
        raise Refusal("debit-already-refunded")
    amount = fields.amount(call.body) or left
    if amount > left:
        raise invalid("amount", f"must be <= {left}")
    _check_funds(call, debit, amount)
    made = call.work.make(
        Refund,
        debit=debit.id,
        source=debit.source,
        customer=debit.customer,
        order=debit.order,
        amount=amount,
        description=fields.text(call.body, "description"),
        meta=fields.meta(call.body),
        **outcomes.succeeded(call),
    )
    return Reply(status=201, record=made)


def _check_funds(call: Call, debit: Debit, amount: int) -> None:
    order = call.store.by_id.get(debit.order or "")
    if isinstance(order, Order):
        if amount > order.amount_escrowed:
            raise Refusal("insufficient-funds")
    elif amount > call.marketplace.in_escrow:
        raise Refusal("refund-insufficient-funds")


ROUTES: Routes = {
    **money_routes(Refund),
    "debits/:/refunds": {"POST": create, "GET": lister_within(Debit, Refund)},
}
