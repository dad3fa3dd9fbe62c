"""Balanced's documents, read strictly into Billy's values; what does not fit raises Unknown.

A document comes from outside. Every field that Billy will rely on is checked for its type and form
before anything is made of it, and a receipt is compared with the order that it is said to answer.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from processors.base import (
    KEY_META,
    Instrument,
    Kind,
    Order,
    Receipt,
    Rejected,
    Status,
    Unknown,
)
from processors.declines import is_hard

COLLECTIONS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.DEBIT: "debits",
        Kind.CREDIT: "credits",
        Kind.REFUND: "refunds",
        Kind.REVERSAL: "reversals",
    }
)
KINDS = {collection: kind for kind, collection in COLLECTIONS.items()}
INSTRUMENTS = {"cards": "card", "bank_accounts": "bank_account"}

# What an order of each kind may be aimed at, and the link by which its object names that target.
TARGETS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.DEBIT: ("cards", "bank_accounts"),
        Kind.CREDIT: ("cards", "bank_accounts"),
        Kind.REFUND: ("debits",),
        Kind.REVERSAL: ("credits",),
    }
)
TARGET_LINKS = {
    Kind.DEBIT: "source",
    Kind.CREDIT: "destination",
    Kind.REFUND: "debit",
    Kind.REVERSAL: "credit",
}

PREFIXES = {
    "debits": "WD",
    "credits": "CR",
    "refunds": "RF",
    "reversals": "RV",
    "cards": "CC",
    "bank_accounts": "BA",
    "customers": "(?:CU|AC)",
    "events": "EV",
}
ID_TAIL = "[A-Za-z0-9]{16,32}"

# Old installations hold uris as version 1.0 wrote them; the resource they name is the same.
URI = re.compile(
    r"(?:/v1)?(?:/(?:marketplaces|customers)/[A-Za-z0-9-]{1,64})?"
    r"/(?P<collection>[a-z_]{1,32})/(?P<id>[A-Za-z0-9]{1,64})/?"
)

# What a statement may hold, and how long it may be: the networks' limits, with the four characters
# that the processor itself puts in front of a card debit.
STATEMENT_CHARACTERS = re.compile(r"[^A-Za-z0-9 .<>(){}\[\]+&!$;\-%_?:#@~='\"^\\`|]")
STATEMENT_LENGTHS = {
    (Kind.DEBIT, "cards"): 18,
    (Kind.DEBIT, "bank_accounts"): 14,
    (Kind.CREDIT, "cards"): 12,
    (Kind.CREDIT, "bank_accounts"): 14,
}

Item = dict[str, Any]


def request_of(order: Order) -> tuple[str, dict[str, object]]:
    """Return the path and the body that carry out an order, the same on every call.

    A statement text is cut and cleaned, because a charge must not fail for its caption. Raises
    Rejected for a target or a currency that Balanced cannot serve, before anything is sent.
    """
    if order.currency != "USD":
        message = f"Balanced moves US dollars, not {order.currency}"
        raise Rejected(message, "currency")
    collection, target = resource(order.target_uri, within=TARGETS[order.kind])
    body: dict[str, object] = {
        "amount": order.amount,
        "meta": {**order.meta, KEY_META: order.key},
    }
    length = STATEMENT_LENGTHS.get((order.kind, collection), 0)
    statement = STATEMENT_CHARACTERS.sub("", order.statement_text)[:length].strip()
    if statement:
        body["appears_on_statement_as"] = statement
    if order.description:
        body["description"] = order.description
    return f"/{collection}/{target}/{COLLECTIONS[order.kind]}", body


def resource(uri: str, *, within: tuple[str, ...]) -> tuple[str, str]:
    """Split a uri into its collection and id.

    Raises Rejected for a uri of another collection, or of no form that Balanced ever gave out; so
    no text from outside can reach a path.
    """
    match = URI.fullmatch(uri)
    if match is None or match["collection"] not in within:
        message = f"this is no uri of {' or '.join(within)}"
        raise Rejected(message, "uri")
    return match["collection"], match["id"]


def items_of(document: Item, *, collection: str) -> list[Item]:
    """Return the items of one collection. Raises Unknown where there is no such list."""
    found = document.get(collection)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        message = f"the answer holds no list of {collection}"
        raise Unknown(message)
    return cast("list[Item]", found)


def item_of(document: Item, *, collection: str) -> Item:
    """Return the one item of a document. Raises Unknown where there is another number of them."""
    found = items_of(document, collection=collection)
    if len(found) != 1:
        message = f"the answer holds {len(found)} {collection} where one was expected"
        raise Unknown(message)
    return found[0]


def receipt_of(item: Item, *, kind: Kind) -> Receipt:
    """Read a money object. Raises Unknown for a field that is missing or of the wrong form."""
    status = _text(item, "status")
    if status not in set(Status):
        message = f"the status {status[:40]} is not known"
        raise Unknown(message)
    key = _mapping(item, "meta").get(KEY_META)
    code = _optional_text(item, "failure_reason_code")
    reason = _optional_text(item, "failure_reason")
    failed = status == Status.FAILED
    return Receipt(
        kind=kind,
        uri=uri_of(item, collection=COLLECTIONS[kind]),
        status=Status(status),
        amount=_whole_number(item, "amount"),
        currency=_text(item, "currency"),
        key=key if isinstance(key, str) else None,
        code=code if failed else "",
        reason=reason if failed else "",
        hard=failed and is_hard(code=code, reason=reason),
    )


def answer_to(order: Order, item: Item) -> Receipt:
    """Read the object that answers an order. Raises Unknown where it is not what was ordered."""
    receipt = receipt_of(item, kind=order.kind)
    _, target = resource(order.target_uri, within=TARGETS[order.kind])
    linked = _mapping(item, "links").get(TARGET_LINKS[order.kind])
    differences = [
        name
        for name, expected, actual in (
            ("amount", order.amount, receipt.amount),
            ("currency", order.currency, receipt.currency),
            ("key", order.key, receipt.key),
            # Some recorded answers leave the link open; where it is given it must be ours.
            ("target", target, linked if linked is not None else target),
        )
        if expected != actual
    ]
    if differences:
        message = f"the answer differs from the order in its {', '.join(differences)}"
        raise Unknown(message)
    return receipt


def instrument_of(item: Item, *, collection: str) -> Instrument:
    """Read a card or bank account, whose numbers come masked. Raises Unknown as above."""
    kind = INSTRUMENTS[collection]
    number = _text(item, "number" if kind == "card" else "account_number")
    name = _optional_text(item, "brand" if kind == "card" else "bank_name")
    customer = _mapping(item, "links").get("customer")
    return Instrument(
        uri=uri_of(item, collection=collection),
        kind=kind,
        label=f"{name.strip().title() or kind.replace('_', ' ').capitalize()} xx{number[-4:]}",
        can_debit=item.get("can_debit") is True,
        can_credit=item.get("can_credit") is True,
        customer_uri=f"/customers/{customer}" if isinstance(customer, str) else None,
        expires=_expiry(item) if kind == "card" else "",
    )


def uri_of(item: Item, *, collection: str) -> str:
    """Return the uri of an item, made from its id. Raises Unknown for an id of another form."""
    name = _text(item, "id")
    if re.fullmatch(PREFIXES[collection] + ID_TAIL, name) is None:
        message = f"the answer holds no id of {collection}"
        raise Unknown(message)
    return f"/{collection}/{name}"


def _expiry(item: Item) -> str:
    """Write the last month of a card as `2035-12`; the numbers may come as text."""
    year, month = str(item.get("expiration_year", "")), str(item.get("expiration_month", ""))
    return f"{int(year):04}-{int(month):02}" if year.isdecimal() and month.isdecimal() else ""


def _text(item: Item, name: str) -> str:
    found = item.get(name)
    if not isinstance(found, str) or not found:
        message = f"the answer holds no {name}"
        raise Unknown(message)
    return found


def _optional_text(item: Item, name: str) -> str:
    found = item.get(name)
    return found[:500] if isinstance(found, str) else ""


def _whole_number(item: Item, name: str) -> int:
    found = item.get(name)
    if type(found) is not int:  # True and 1.0 are numbers too, and no amounts.
        message = f"the answer holds no whole {name}"
        raise Unknown(message)
    return found


def _mapping(item: Item, name: str) -> Item:
    found = item.get(name)
    return cast("Item", found) if isinstance(found, dict) else {}
