"""Verifications of bank accounts: two small deposits whose amounts the holder tells."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal, missing
from sandbox.records import BankAccount, BankAccountVerification
from sandbox.resources.common import reader

TEST_AMOUNTS = (1, 1)  # In test marketplaces they are always these, in cents.
MAXIMUM_CENTS = 10**6


def create(call: Call) -> Reply:
    """Start one. Raises Refusal while another is pending."""
    account = call.own(BankAccount)
    latest = call.look(account.bank_account_verification or "")
    if isinstance(latest, BankAccountVerification) and latest.verification_status == "pending":
        raise Refusal("bank-account-authentication-already-exists")
    made = call.work.make(BankAccountVerification, bank_account=account.id)
    call.work.change(account, bank_account_verification=made.id)
    return Reply(status=201, record=made)


def confirm(call: Call) -> Reply:
    """Tell the amounts. Three wrong answers end the verification; each wrong one is kept."""
    own = call.own(BankAccountVerification)
    amounts = tuple(
        fields.integer(call.body, name, low=0, high=MAXIMUM_CENTS)
        for name in ("amount_1", "amount_2")
    )
    if None in amounts:
        raise missing("amount_1", "amount_2")
    if own.verification_status != "pending":
        raise Refusal("bank-account-authentication-not-pending")
    attempts = own.attempts + 1
    remaining = own.attempts_remaining - 1
    if amounts == TEST_AMOUNTS:
        account = call.referred("bank_account", own.bank_account, BankAccount)
        call.work.change(account, verified=True)
        status = "succeeded"
    else:
        status = "pending" if remaining else "failed"
    call.work.change(
        own,
        attempts=attempts,
        attempts_remaining=remaining,
        verification_status=status,
        deposit_status="succeeded" if status == "succeeded" else own.deposit_status,
    )
    if status != "succeeded":
        raise Refusal("bank-account-authentication-failed", kept=own)
    return Reply(record=own)


ROUTES: Routes = {
    "verifications/:": {"GET": reader(BankAccountVerification), "PUT": confirm},
    "bank_account_verifications/:": {"GET": reader(BankAccountVerification), "PUT": confirm},
}
POSTS: Routes = {"bank_accounts/:/verifications": {"POST": create}}
