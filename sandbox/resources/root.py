"""The root, and the look-up of anything by its id."""

from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal
from sandbox.records import ApiKey
from sandbox.resources.holds import find_hold


def root(call: Call) -> Reply:
    """Says that it is there. Any JSON will do for clients."""
    return Reply(value={"links": {}, "marketplaces": [], "now": call.work.at})


def resource(call: Call) -> Reply:
    """Anything, under its own type."""
    found = find_hold(call, call.id) if call.id.startswith("HL") else call.look(call.id)
    if found is None or isinstance(found, ApiKey):
        raise Refusal("not-found")
    return Reply(record=found)


ROUTES: Routes = {"": {"GET": root}, "resources/:": {"GET": resource}}
