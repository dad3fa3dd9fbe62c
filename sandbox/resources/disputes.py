"""Disputes: they are made by the clock, and read here."""

from sandbox.calls import Routes
from sandbox.records import Debit, Dispute
from sandbox.resources.common import lister, lister_within, patcher, reader, update_meta, updater

ROUTES: Routes = {
    "disputes": {"GET": lister(Dispute)},
    "disputes/:": {
        "GET": reader(Dispute),
        "PUT": updater(Dispute, update_meta),
        "PATCH": patcher(Dispute, update_meta),
    },
    "debits/:/disputes": {"GET": lister_within(Debit, Dispute)},
}
