"""Reversals: money of a credit back into escrow."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal
from sandbox.records import BankAccount, Credit, Reversal
from sandbox.resources import outcomes
from sandbox.resources.common import lister_within, money_routes
from sandbox.wire import Json


def create(call: Call) -> Reply:
    """A reversal of all that is left, or of a part. All reversals never exceed the credit.

    Raises Refusal: `cannot-reverse-credits-to-cards`, `credit-already-reversed`,
    `invalid-reversal-amount`, and `cannot-reverse-credit` with a failed reversal for a credit that
    failed itself.
    """
    credit = call.own(Credit)
    if credit.destination.startswith("CC"):
        raise Refusal("cannot-reverse-credits-to-cards")
    left = credit.amount - credit.reversed
    amount = fields.amount(call.body) or left or credit.amount
    values: dict[str, Json] = {
        "credit": credit.id,
        "destination": credit.destination,
        "customer": credit.customer,
        "order": credit.order,
        "amount": amount,
        "description": fields.text(call.body, "description"),
        "meta": fields.meta(call.body),
    }
    if credit.status == "failed":
        failure = outcomes.failed(call, "cannot-reverse-credit", "The credit failed.")
        raise Refusal("cannot-reverse-credit", rider=call.work.make(Reversal, **values, **failure))
    if left == 0:
        raise Refusal("credit-already-reversed")
    if amount > left:
        raise Refusal(
            "invalid-reversal-amount",
            f"Invalid field [amount] - must be <= {left}.",
            extras={"amount": f"must be <= {left}"},
        )
    made = call.work.make(Reversal, **values, **_outcome(call, credit, amount))
    return Reply(status=201, record=made)


def _outcome(call: Call, credit: Credit, amount: int) -> dict[str, Json]:
    """A pending credit is stopped at once if it is reversed whole; otherwise the bank decides."""
    account = call.store.by_id.get(credit.destination)
    if credit.status == "pending" and amount == credit.amount:
        return outcomes.succeeded(call)
    if isinstance(account, BankAccount):
        return outcomes.bank(call, account.behaviour)
    return outcomes.succeeded(call)


ROUTES: Routes = {
    **money_routes(Reversal),
    "credits/:/reversals": {"POST": create, "GET": lister_within(Credit, Reversal)},
}
