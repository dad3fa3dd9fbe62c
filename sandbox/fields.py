"""Reading the fields of a request's body. Every function raises Refusal for what it cannot take."""

import re
from collections.abc import Mapping
from sys import intern

from sandbox.errors import invalid, missing
from sandbox.records import ADDRESS_FIELDS, NO_ADDRESS, NO_META, Address, Meta
from sandbox.wire import Json

Body = Mapping[str, Json]

META_LENGTH = 255
TEXT_LENGTH = 4096
MAXIMUM_AMOUNT = 10**12
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
STATEMENT = re.compile(r"""[A-Za-z0-9 .<>(){}\[\]+&!$;\-%_?:#@~='"^\\`|]*""")


def integer(body: Body, name: str, *, low: int, high: int) -> int | None:
    """A whole number, which may come as text; None where it is absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if (
        isinstance(value, str)
        and value.strip().lstrip("-").isdecimal()
        and len(value) <= META_LENGTH
    ):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(name, f"{str(value)[:40]!r} is not an integer")
    if value < low:
        raise invalid(name, f"{value} must be >= {low}")
    if value > high:
        raise invalid(name, f"must be <= {high}")
    return value


def amount(body: Body) -> int | None:
    """An amount in cents, from 1."""
    return integer(body, "amount", low=1, high=MAXIMUM_AMOUNT)


def needed_amount(body: Body) -> int:
    """An amount that may not be left out."""
    value = amount(body)
    if value is None:
        raise missing("amount")
    return value


def text(body: Body, name: str) -> str | None:
    """A text, or None where it is absent or null. Numbers are taken as their digits."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise invalid(name, "must be a string")
    if len(value) > TEXT_LENGTH:
        raise invalid(name, f"must be at most {TEXT_LENGTH} characters")
    if "\x00" in value:
        raise invalid(name, "must not hold a null character")
    return value


def needed_texts(body: Body, *names: str) -> tuple[str, ...]:
    """Texts that may not be left out; all that are missing are named at once."""
    values = {name: text(body, name) for name in names}
    absent = [name for name, value in values.items() if value is None]
    if absent:
        raise missing(*absent)
    return tuple(value for value in values.values() if value is not None)


def email(body: Body) -> str | None:
    """An address for mail."""
    value = text(body, "email")
    if value is not None and not EMAIL.fullmatch(value):
        raise invalid("email", f'"{value[:80]}" must be a valid email address')
    return value


def meta(body: Body) -> Meta:
    """One level of texts; numbers become texts."""
    given = body.get("meta")
    if not given:
        return NO_META
    if not isinstance(given, Mapping):
        raise invalid("meta", "must be an object")
    return {intern(str(key)): _meta_text(str(key), value) for key, value in given.items()}


def address(body: Body, name: str = "address") -> Address:
    """All six parts, null where not given; parts with other names are passed over."""
    given = body.get(name)
    if not given:
        return NO_ADDRESS
    if not isinstance(given, Mapping):
        raise invalid(name, "must be an object")
    return {part: text(given, part) for part in ADDRESS_FIELDS}


def statement(body: Body, *, longest: int, cut: bool = False) -> str | None:
    """`appears_on_statement_as`: its letters, and its length, beyond which it is cut or refused."""
    name = "appears_on_statement_as"
    value = text(body, name)
    if not value:
        return None
    if not STATEMENT.fullmatch(value):
        raise invalid(name, "has characters that statements cannot show")
    if len(value) > longest and not cut:
        raise invalid(name, f"must be at most {longest} characters")
    return value[:longest]


def reference(body: Body, name: str) -> str | None:
    """The id of another resource, given bare or as an address, under `links` or beside it.

    A filled value wins over a null one, since the client sends both.
    """
    links = body.get("links")
    for place in (links, body):
        value = place.get(name) if isinstance(place, Mapping) else None
        if value:
            if not isinstance(value, str):
                raise invalid(name, "must be an id or an address")
            return value.rstrip("/").rpartition("/")[2]
    return None


def names(body: Body, name: str) -> bool:
    """Whether a reference is mentioned at all, be it as null."""
    links = body.get("links")
    return name in body or (isinstance(links, Mapping) and name in links)


def _meta_text(key: str, value: Json) -> str:
    if value is None or isinstance(value, Mapping | list):
        raise invalid("meta", f"[{key[:40]}] must be a string")
    if isinstance(value, bool):
        value = "true" if value else "false"
    told = str(value)
    if len(told) > META_LENGTH or len(key) > META_LENGTH:
        raise invalid("meta", f"keys and values have at most {META_LENGTH} characters")
    return told
