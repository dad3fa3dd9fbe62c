"""Holds: money reserved on a card, to be captured by a debit or let go."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.clock import later
from sandbox.errors import Refusal, invalid
from sandbox.records import Card, CardHold, Debit
from sandbox.resources import outcomes
from sandbox.resources.common import lister, patcher, update_meta
from sandbox.resources.debits import description, find_order

LIFE_SECONDS = 7 * 24 * 60 * 60


def create(call: Call) -> Reply:
    """A hold on the card in the path. Raises Refusal `card-declined` with the failed hold."""
    card = call.own(Card)
    order = find_order(call)
    values = {
        "card": card.id,
        "customer": card.customer,
        "order": order.id if order else None,
        "amount": fields.needed_amount(call.body),
        "description": description(call, order),
        "meta": fields.meta(call.body),
        "expires_at": later(call.work.at, LIFE_SECONDS),
    }
    if not card.can_debit:
        raise Refusal("funding-source-not-debitable")
    declined = outcomes.decline(call, card.id, card.behaviour)
    if declined is not None:
        code, reason = declined
        failed = call.work.make(CardHold, **values, **outcomes.failed(call, code, reason))
        raise Refusal("card-declined", f"R530: {reason}", additional=reason, rider=failed)
    made = call.work.make(CardHold, **values, **outcomes.succeeded(call))
    return Reply(status=201, record=made)


def capture(call: Call) -> Reply:
    """A debit of at most what is held. Raises Refusal for a hold that is used up, void or over."""
    hold = _own(call)
    if hold.status == "failed":
        raise Refusal("authorization-failed")
    if hold.is_void or hold.debit is not None:
        raise Refusal("cannot-capture-authorization")
    if hold.expires_at <= call.work.at:
        raise Refusal("authorization-expired")
    amount = fields.amount(call.body) or hold.amount
    if amount > hold.amount:
        raise invalid("amount", f"must be <= {hold.amount}")
    card = call.referred("card", hold.card, Card)
    statement = fields.statement(call.body, longest=18, cut=True)
    described = fields.text(call.body, "description")
    made = call.work.make(
        Debit,
        source=hold.card,
        customer=hold.customer,
        order=hold.order,
        hold=hold.id,
        amount=amount,
        appears_on_statement_as="BAL*" + (statement or call.marketplace.domain_url[:18]),
        description=hold.description if described is None else described,
        meta=fields.meta(call.body),
        **outcomes.card(call, getattr(card, "behaviour", "")),
    )
    call.work.change(hold, debit=made.id)
    return Reply(status=201, record=made)


def read(call: Call) -> Reply:
    """One hold."""
    return Reply(record=_own(call))


def put(call: Call) -> Reply:
    """Change it, or void it with `is_void`."""
    hold = call.own(CardHold)
    update_meta(call, hold, call.body)
    if call.body.get("is_void") in {True, "true"} and not hold.is_void:
        _void(call, hold)
    return Reply(record=hold)


def delete(call: Call) -> Reply:
    """Void it; the answer shows it."""
    hold = _own(call)
    if hold.debit is not None:
        raise Refusal("cannot-void-authorization")
    if not hold.is_void:
        _void(call, hold)
    return Reply(record=hold)


def find_hold(call: Call, id_: str) -> CardHold | None:
    """The hold with this id; that of a direct debit is made up from the debit."""
    found = call.look(id_)
    if isinstance(found, CardHold):
        return found
    debit = call.look("WD" + id_[2:])
    if isinstance(debit, Debit) and debit.card_hold == id_:
        return direct_hold(debit)
    return None


def direct_hold(debit: Debit) -> CardHold:
    """The hold that a card's debit made and captured in one go. It is derived, never stored."""
    return CardHold(
        id="HL" + debit.id[2:],
        marketplace=debit.marketplace,
        sequence=debit.sequence,
        created_at=debit.created_at,
        updated_at=debit.created_at,
        amount=debit.amount,
        status="failed" if debit.succeeded_at is None else "succeeded",
        description=debit.description,
        failure_reason=debit.failure_reason,
        failure_reason_code=debit.failure_reason_code,
        customer=debit.customer,
        order=debit.order,
        card=debit.source,
        expires_at=later(debit.created_at, LIFE_SECONDS),
        debit=debit.id,
    )


def _own(call: Call) -> CardHold:
    found = find_hold(call, call.id)
    if found is None:
        raise Refusal("not-found")
    return found


def _void(call: Call, hold: CardHold) -> None:
    if hold.debit is not None:
        raise Refusal("cannot-void-authorization")
    call.work.change(hold, voided_at=call.work.at)


ROUTES: Routes = {
    "card_holds": {"GET": lister(CardHold)},
    "card_holds/:": {
        "GET": read,
        "PUT": put,
        "PATCH": patcher(CardHold, update_meta),
        "DELETE": delete,
    },
    "card_holds/:/debits": {"POST": capture},
    "cards/:/card_holds": {"POST": create},
}
