"""Settlements: the whole balance of an account to a bank account, or back from it."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal, invalid, missing
from sandbox.happenings import phase
from sandbox.kinds import BY_RECORD
from sandbox.listing import search_within
from sandbox.records import Account, BankAccount, Credit, Reversal, Settlement
from sandbox.resources import outcomes
from sandbox.resources.common import lister_within, money_routes

STATEMENT = 18
PREFIX = "BAL*"


def create(call: Call) -> Reply:
    """Pay the balance out; a negative one is debited instead, source and destination swapped.

    Raises Refusal: `request` without an instrument, `account-nothing-to-settle` at balance 0.
    """
    account = call.own(Account)
    id_ = fields.reference(call.body, "funding_instrument")
    if id_ is None:
        raise missing("funding_instrument")
    bank = call.referred("funding_instrument", id_, BankAccount)
    if not isinstance(bank, BankAccount):
        raise invalid("funding_instrument", "is no bank account")
    if account.balance == 0:
        raise Refusal("account-nothing-to-settle")
    source, destination = account.id, bank.id
    if account.balance < 0:
        source, destination = destination, source
    statement = fields.statement(call.body, longest=STATEMENT)
    made = call.work.make(
        Settlement,
        source=source,
        destination=destination,
        customer=account.customer,
        amount=abs(account.balance),
        appears_on_statement_as=PREFIX + (statement or call.marketplace.domain_url[:STATEMENT]),
        description=fields.text(call.body, "description"),
        meta=fields.meta(call.body),
        **outcomes.bank(call, bank.behaviour),
    )
    _include(call, account, made)
    return Reply(status=201, record=made)


def of_transaction(call: Call) -> Reply:
    """The settlement that a credit or a reversal went into, as a list of one or none."""
    found = call.look(call.id)
    if not isinstance(found, Credit | Reversal):
        raise Refusal("not-found")
    kind = BY_RECORD[Settlement]
    settlement = call.store.by_id.get(found.settlement or "")
    records = [] if settlement is None else [settlement]
    return Reply(page=call.query.page(kind, search_within(records, call.query)))


def _include(call: Call, account: Account, settlement: Settlement) -> None:
    """Note on what is paid out with which settlement it is paid out."""
    for record in (Credit, Reversal):
        for each in list(call.store.of(BY_RECORD[record], account.id)):
            is_open = isinstance(each, Credit | Reversal) and each.settlement is None
            if is_open and phase(each) != "failed":
                call.work.change(each, settlement=settlement.id)


ROUTES: Routes = {
    **money_routes(Settlement),
    "accounts/:/settlements": {"POST": create, "GET": lister_within(Account, Settlement)},
    "settlements/:/credits": {"GET": lister_within(Settlement, Credit)},
    "settlements/:/reversals": {"GET": lister_within(Settlement, Reversal)},
    "credits/:/settlements": {"GET": of_transaction},
    "reversals/:/settlements": {"GET": of_transaction},
}
