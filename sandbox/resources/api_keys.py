"""API keys: anybody may make one; a key makes more for the same marketplace."""

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal
from sandbox.kinds import BY_RECORD
from sandbox.listing import search
from sandbox.records import ApiKey
from sandbox.resources.common import deleter
from sandbox.wire import Json

KIND = BY_RECORD[ApiKey]


def create(call: Call) -> Reply:
    """A new key, with its secret."""
    made = call.work.make(
        ApiKey,
        secret=call.ids.secret(call.store.sequence + 1),
        meta=fields.meta(call.body),
    )
    return Reply(status=201, record=made, value=_envelope([_show(made, secret=True)]))


def list_all(call: Call) -> Reply:
    """The keys of the marketplace; only the one in use shows its secret."""
    if call.work.marketplace is None:
        entries = [_show(call.api_key, secret=True)] if call.api_key else []
        return Reply(value=_envelope(entries))
    found = search(call.store, KIND, call.query, marketplace=call.work.marketplace)
    page = call.query.page(KIND, found)
    for entry in page.items:
        if call.api_key is not None and entry["id"] == call.api_key.id:
            entry["secret"] = call.api_key.secret
    return Reply(page=page)


def read(call: Call) -> Reply:
    """One key, without its secret."""
    found = call.own(ApiKey)
    if found.marketplace is None and found is not call.api_key:
        raise Refusal("not-found")
    return Reply(record=found)


def _show(key: ApiKey, *, secret: bool) -> dict[str, Json]:
    shown = KIND.show(key)
    return shown | {"secret": key.secret} if secret else shown


def _envelope(entries: list[Json]) -> Json:
    return {"api_keys": entries, "links": {}}


ROUTES: Routes = {
    "api_keys": {"POST": create, "GET": list_all},
    "api_keys/:": {"GET": read, "DELETE": deleter(ApiKey)},
}
