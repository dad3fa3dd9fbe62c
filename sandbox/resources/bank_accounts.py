"""Bank accounts."""

import re

from sandbox import fields, magic
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import invalid
from sandbox.fields import Body
from sandbox.records import BankAccount, BankAccountVerification, Credit, Debit, Settlement
from sandbox.resources.common import (
    associated_on_creation,
    deleter,
    lister,
    lister_within,
    patcher,
    reader,
    update_instrument,
    updater,
)

ACCOUNT_NUMBER = re.compile(r"[0-9A-Za-z]{1,34}")
ACCOUNT_TYPES = ("checking", "savings")
SHOWN_DIGITS = 4


def create(call: Call) -> Reply:
    """A bank account. Without a key only a token is answered."""
    made = new_bank_account(call, call.body, customer=associated_on_creation(call))
    return Reply(status=201, record=made, bare=call.api_key is None)


def new_bank_account(call: Call, body: Body, *, customer: str | None) -> BankAccount:
    """Tokenise a bank account. The number itself is forgotten here.

    Raises Refusal `request` for missing fields and numbers that cannot be.
    """
    name, account_number, routing_number = fields.needed_texts(
        body, "name", "account_number", "routing_number"
    )
    account_type = fields.text(body, "account_type") or fields.text(body, "type") or "checking"
    if account_type not in ACCOUNT_TYPES:
        raise invalid("account_type", 'must be "checking" or "savings"')
    if not ACCOUNT_NUMBER.fullmatch(account_number):
        raise invalid("account_number", "must be letters and digits")
    refused = routing_number in magic.REFUSED_ROUTING_NUMBERS
    if refused or not magic.passes_aba(routing_number):
        raise invalid("routing_number", f'"{routing_number[:20]}" is not a valid routing number')
    return call.work.make(
        BankAccount,
        name=name,
        account_number=_mask(account_number),
        routing_number=routing_number,
        account_type=account_type,
        bank_name=magic.BANKS.get(routing_number, ""),
        fingerprint=call.ids.fingerprint("bank account", account_number),
        behaviour=magic.bank_behaviour(routing_number, account_number),
        address=fields.address(body),
        customer=customer,
        meta=fields.meta(body),
    )


def _mask(number: str) -> str:
    return "x" * max(len(number) - SHOWN_DIGITS, 0) + number[-SHOWN_DIGITS:]


ROUTES: Routes = {
    "bank_accounts": {"POST": create, "GET": lister(BankAccount)},
    "bank_accounts/:": {
        "GET": reader(BankAccount),
        "PUT": updater(BankAccount, update_instrument),
        "PATCH": patcher(BankAccount, update_instrument),
        "DELETE": deleter(BankAccount),
    },
    "bank_accounts/:/debits": {"GET": lister_within(BankAccount, Debit)},
    "bank_accounts/:/credits": {"GET": lister_within(BankAccount, Credit)},
    "bank_accounts/:/settlements": {"GET": lister_within(BankAccount, Settlement)},
    "bank_accounts/:/verifications": {"GET": lister_within(BankAccount, BankAccountVerification)},
}
