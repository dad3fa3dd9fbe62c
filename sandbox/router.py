"""From method and path to the code that answers."""

from sandbox.calls import Handler, Routes
from sandbox.errors import Refusal
from sandbox.resources import (
    accounts,
    api_keys,
    bank_accounts,
    callbacks,
    cards,
    customers,
    debits,
    disputes,
    events,
    external_accounts,
    holds,
    marketplaces,
    orders,
    refunds,
    reversals,
    root,
    settlements,
    verifications,
)
from sandbox.resources import credits as credits_

_MODULES: tuple[Routes, ...] = (
    root.ROUTES,
    api_keys.ROUTES,
    marketplaces.ROUTES,
    customers.ROUTES,
    customers.POSTS,
    cards.ROUTES,
    bank_accounts.ROUTES,
    external_accounts.ROUTES,
    verifications.ROUTES,
    verifications.POSTS,
    holds.ROUTES,
    debits.ROUTES,
    debits.POSTS,
    credits_.ROUTES,
    credits_.POSTS,
    refunds.ROUTES,
    reversals.ROUTES,
    orders.ROUTES,
    accounts.ROUTES,
    settlements.ROUTES,
    disputes.ROUTES,
    events.ROUTES,
    callbacks.ROUTES,
)
# Requests that need no key: making one, and tokenising.
OPEN = frozenset(
    {("POST", "api_keys"), ("POST", "cards"), ("POST", "bank_accounts")}
    | {("POST", "external_accounts")}
)
MAXIMUM_SEGMENTS = 8
OLD_CUSTOMER = "accounts"  # In 1.0 a customer was an account.


def _table() -> dict[str, dict[str, Handler]]:
    table: dict[str, dict[str, Handler]] = {}
    for routes in _MODULES:
        for pattern, methods in routes.items():
            table.setdefault(pattern, {}).update(methods)
    return table


_TABLE = _table()


class Route:
    """Where a request goes: `pattern` has `:` in the place of the id."""

    __slots__ = ("handler", "id", "pattern")

    def __init__(self, *, pattern: str, id_: str, handler: Handler) -> None:
        self.pattern = pattern
        self.id = id_
        self.handler = handler


def find(method: str, path: str) -> Route:
    """The route of a request. Raises Refusal `not-found` or `method-not-allowed`."""
    segments = _modern([segment for segment in path.split("/") if segment])
    if len(segments) > MAXIMUM_SEGMENTS:
        raise Refusal("not-found")
    id_ = segments[1] if len(segments) > 1 else ""
    pattern = "/".join([*segments[:1], *([":"] if id_ else []), *segments[2:]])
    methods = _TABLE.get(pattern)
    if methods is None:
        raise Refusal("not-found")
    handler = methods.get("GET" if method == "HEAD" else method)
    if handler is None:
        raise Refusal("method-not-allowed")
    return Route(pattern=pattern, id_=id_, handler=handler)


def _modern(segments: list[str]) -> list[str]:
    """The path in the form of revision 1.1, without the owners that 1.0 wrote before it."""
    if segments[:1] != ["v1"]:
        return segments
    segments = segments[1:]
    if len(segments) > 2 and segments[0] == "marketplaces":  # noqa: PLR2004 - an owner is a pair.
        segments = segments[2:]
    if len(segments) > 3:  # noqa: PLR2004 - what follows a pair and is a pair is a resource.
        segments = segments[2:]
    if segments[:1] == [OLD_CUSTOMER] and segments[1:2] and not segments[1].startswith("AT"):
        segments = ["customers", *segments[1:]]
    return segments
