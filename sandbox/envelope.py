"""The outside of answers: arrays named after types, link templates, pages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.kinds import Kind
from sandbox.wire import Json, encode

if TYPE_CHECKING:
    from sandbox.listing import Page

CARD_CREDITS = {"cards.credits": "/cards/{cards.id}/credits"}


def wrap(kind: Kind, resource: Json, *, errors: Json = None) -> bytes:
    """The body around one resource, after its errors if there are any."""
    parts = {} if errors is None else {"errors": errors}
    return encode({**parts, kind.plural: [resource], "links": templates(kind, [resource])}).encode()


def token(kind: Kind, resource: Json) -> bytes:
    """All that is told of an instrument to one who has no key."""
    entry = {"id": resource["id"], "href": resource["href"], "links": {}}
    return encode({kind.plural: [entry], "links": {}}).encode()


def templates(kind: Kind, resources: Sequence[Json]) -> dict[str, str]:
    """The links of an envelope; the client cannot stand any that has no resource to fill it.

    Credits of cards are linked only where a card can be credited.
    """
    if not resources:
        return {}
    if kind.name == "card" and any(resource["can_credit"] for resource in resources):
        return {**kind.templates, **CARD_CREDITS}
    return dict(kind.templates)


def page_body(page: "Page") -> bytes:
    """A list as an answer shows it."""
    return encode(
        {
            page.plural: page.items,
            "links": page.links,
            "meta": {
                "total": page.total,
                "limit": page.limit,
                "offset": page.offset,
                "href": page.href(page.offset),
                "first": page.href(0),
                "last": page.href(page.last_offset),
                "next": page.href(page.next_offset),
                "previous": page.href(page.previous_offset),
            },
        }
    ).encode()
