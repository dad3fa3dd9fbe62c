"""External accounts: somebody else's tokens."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.records import Debit, ExternalAccount
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


def create(call: Call) -> Reply:
    """An external account. Without a key only a token is answered."""
    provider, _ = fields.needed_texts(call.body, "provider", "token")
    made = call.work.make(
        ExternalAccount,
        provider=provider,
        customer=associated_on_creation(call),
        meta=fields.meta(call.body),
    )
    return Reply(status=201, record=made, bare=call.api_key is None)


ROUTES: Routes = {
    "external_accounts": {"POST": create, "GET": lister(ExternalAccount)},
    "external_accounts/:": {
        "GET": reader(ExternalAccount),
        "PUT": updater(ExternalAccount, update_instrument),
        "PATCH": patcher(ExternalAccount, update_instrument),
        "DELETE": deleter(ExternalAccount),
    },
    "external_accounts/:/debits": {"GET": lister_within(ExternalAccount, Debit)},
}
