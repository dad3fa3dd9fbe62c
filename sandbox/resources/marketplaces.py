"""Marketplaces: one for each key."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal
from sandbox.fields import Body
from sandbox.kinds import BY_RECORD
from sandbox.listing import Found
from sandbox.records import Customer, Marketplace, Record
from sandbox.resources.common import patcher, reader, update_meta, updater
from sandbox.resources.customers import new_customer

KIND = BY_RECORD[Marketplace]
TEXTS = ("name", "domain_url", "support_email_address", "support_phone_number")


def create(call: Call) -> Reply:
    """The marketplace of a key that has none, with a customer who owns it."""
    key = call.api_key
    if key is None or key.marketplace is not None:
        raise Refusal("marketplace-already-created")
    values = {name: value for name in TEXTS if (value := fields.text(call.body, name))}
    id_ = call.ids.id("TEST-MP", call.store.sequence + 1)
    owner = new_customer(call, {}, marketplace=id_)
    made = call.work.make(
        Marketplace,
        id=id_,
        marketplace=id_,
        owner_customer=owner.id,
        meta=fields.meta(call.body),
        **values,
    )
    call.work.change(key, marketplace=made.id)
    return Reply(status=201, record=made)


def list_all(call: Call) -> Reply:
    """Just the one of the key."""
    own = call.work.marketplace
    found = Found(records=[call.store.by_id[own]] if own else [])
    return Reply(page=call.query.page(KIND, found))


def update(call: Call, own: Record, body: Body) -> None:
    """Change its texts, its meta, or its owner."""
    values = {name: value for name in TEXTS if (value := fields.text(body, name))}
    id_ = fields.reference(body, "owner_customer")
    if id_ is not None:
        values["owner_customer"] = call.referred("owner_customer", id_, Customer).id
    if values:
        call.work.change(own, **values)
    update_meta(call, own, body)


ROUTES: Routes = {
    "marketplaces": {"POST": create, "GET": list_all},
    "marketplaces/:": {
        "GET": reader(Marketplace),
        "PUT": updater(Marketplace, update),
        "PATCH": patcher(Marketplace, update),
    },
}
