"""Payable accounts: where credits from many orders gather before they are settled."""

from sandbox.calls import Routes
from sandbox.kinds import BY_RECORD
from sandbox.records import Account, Credit, Debit, Refund, Reversal, Settlement
from sandbox.resources.common import lister, lister_within, patcher, reader, update_meta, updater

ROUTES: Routes = {
    "accounts": {"GET": lister(Account)},
    "accounts/:": {
        "GET": reader(Account),
        "PUT": updater(Account, update_meta),
        "PATCH": patcher(Account, update_meta),
    },
    **{
        f"accounts/:/{BY_RECORD[part].plural}": {"GET": lister_within(Account, part)}
        for part in (Debit, Credit, Refund, Reversal, Settlement)
    },
}
