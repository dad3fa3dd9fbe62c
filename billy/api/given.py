"""The fields of what the API takes: each reads one value or says why not, and describes itself.

JSON is taken strictly: a whole number is a JSON integer, and nothing is converted. A form has only
texts, so there the text of a whole number is one, as the original took it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rest_framework import serializers

from core import check
from core.currencies import EXPONENTS
from core.ids import PREFIXES, parse_guid
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT
from plans.offer import params_checked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from uuid import UUID

Value = TypeVar("Value")

WHOLE = re.compile(r"\s*[+-]?[0-9]{1,19}\s*", re.ASCII)
INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,12})?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
UNESCAPED = re.compile(r"(\d) (\d\d:\d\d)$", re.ASCII)  # A plus sign of an address is a blank.
EARLIEST, LATEST = 1970, 9000  # Years: what an id can hold, and what arithmetic can go beyond.
_DIGIT = "[1-9A-HJ-NP-Za-km-z]"
# All of 21 digits are 16 bytes; of 22 some are not, and none of these begins with what we make.
GUID_PATTERN = f"{{}}([1-9A-HJ-NP-X]{_DIGIT}{{{{21}}}}|{_DIGIT}{{{{21}}}})"
# One line of text, without control characters; and where it is needed, not blank.
LINE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
FILLED = (
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
)
STATEMENT = r"""^[A-Za-z0-9 .<>(){}\[\]+&!$;%_?:#@~='"^\\|`-]*$"""
ABOUT = ("description", "examples", "default")


class Given(serializers.Field):  # type: ignore[type-arg]  # It reads by itself.
    """One field of an input: how it is read, and how OpenAPI describes it."""

    def __init__(
        self,
        *,
        required: bool = False,
        lasting: bool = False,
        default: Any = None,
        about: str = "",
        example: Any = None,
    ) -> None:
        """Say whether it must be there, and what stands for it where it is not.

        A lasting one may be left out, and never be empty.
        """
        super().__init__(required=required, help_text=about)
        self.lasting, self.instead, self.example = lasting, default, example

    def read(self, name: str, value: Any, *, is_form: bool) -> Any:
        """Return the value that is meant; raises Invalid that names the field."""
        del name, is_form
        return value

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {}

    @property
    def is_plain(self) -> bool:
        """Say whether a form can hold it, too."""
        return True

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema with words, example and default."""
        said = self.described()
        if self.help_text:
            said["description"] = self.help_text
        if self.example is not None:
            said["examples"] = [self.example]
        if self.instead is not None:
            said["default"] = self.instead
        return said


class Text(Given):
    """Text of one line."""

    def __init__(self, limit: int, **said: Any) -> None:
        """Take at most `limit` characters."""
        super().__init__(**said)
        self.limit = limit

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the text; raises Invalid."""
        del is_form
        return check.text(name, value, limit=self.limit, is_required=bool(self.required))

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        if self.required or self.lasting:
            return {"type": "string", "minLength": 1, "maxLength": self.limit, "pattern": FILLED}
        return {"type": "string", "maxLength": self.limit, "pattern": LINE}


class Statement(Given):
    """What may appear on a card statement."""

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the text; raises Invalid."""
        del is_form
        return check.statement_text(name, value)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "maxLength": check.STATEMENT_LIMIT, "pattern": STATEMENT}


class Uri(Given):
    """The address of a thing at the processor; its form is looked at by whoever asks there."""

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the text; raises Invalid."""
        del is_form
        return check.text(name, value, limit=200)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "maxLength": 200, "pattern": "^/" + LINE[1:]}


class Whole(Given):
    """A whole number within bounds."""

    def __init__(self, minimum: int, maximum: int = LARGEST_AMOUNT, **said: Any) -> None:
        """Take numbers from `minimum` to `maximum`."""
        super().__init__(**said)
        self.minimum, self.maximum = minimum, maximum

    def read(self, name: str, value: Any, *, is_form: bool) -> int:
        """Return the number; raises Invalid."""
        if is_form and isinstance(value, str) and WHOLE.fullmatch(value):
            value = int(value)
        return check.whole(name, value, minimum=self.minimum, maximum=self.maximum)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class OneOf(Given):
    """One of some words, in any case."""

    def __init__(self, words: Collection[str], **said: Any) -> None:
        """Take these words."""
        super().__init__(**said)
        self.words = tuple(words)

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the word in lower case; raises Invalid."""
        del is_form
        return check.one_of(name, value.lower() if isinstance(value, str) else value, self.words)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "enum": list(self.words)}


class Guid(Given):
    """The guid of a thing; read as its UUID, which may be another company's or nobody's."""

    def __init__(self, kind: str, **said: Any) -> None:
        """Take the guids of one kind."""
        super().__init__(**said)
        self.prefix = PREFIXES[kind]

    def read(self, name: str, value: Any, *, is_form: bool) -> UUID:
        """Return the UUID; raises Invalid."""
        del is_form
        return parse_guid(value, self.prefix, field=name)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "pattern": f"^{GUID_PATTERN.format(self.prefix)}$"}


class Instant(Given):
    """An instant as ISO 8601 writes it, to the second at least; without an offset it is UTC.

    One that only bounds a range may lie in any year.
    """

    def __init__(self, *, is_bound: bool = False, **said: Any) -> None:
        """Say whether it is the bound of a range."""
        super().__init__(**said)
        self.is_bound = is_bound

    def read(self, name: str, value: Any, *, is_form: bool) -> datetime:
        """Return the aware instant in UTC; raises Invalid."""
        if is_form and isinstance(value, str):
            value = UNESCAPED.sub(r"\1+\2", value)
        found = INSTANT.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise Invalid({name: "must be an instant such as 2026-01-31T09:00:00+00:00"})
        day, time, fraction, offset = found.groups()
        text = f"{day}T{time}{(fraction or '')[:7]}{_offset(offset)}"
        try:
            instant = _in_utc(datetime.fromisoformat(text))
        except ValueError:
            raise Invalid({name: "must be an instant that exists"}) from None
        if self.is_bound:
            return min(max(instant, datetime(EARLIEST, 1, 1, tzinfo=UTC)), LAST)
        if not EARLIEST <= instant.year <= LATEST:
            raise Invalid({name: f"must be in the years {EARLIEST} to {LATEST}"})
        return instant

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "format": "date-time"}


LAST = datetime(LATEST, 12, 31, tzinfo=UTC)


def _in_utc(instant: datetime) -> datetime:
    """Return it in UTC; at either end of the calendar, where UTC has no such year, as it stands."""
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return instant.replace(tzinfo=UTC)


def _offset(said: str | None) -> str:
    if said in (None, "Z"):
        return "+00:00"
    digits = said.replace(":", "")
    return f"{digits[:3]}:{digits[3:] or '00'}"


class Params(Given):
    """An object of JSON values without fractions."""

    is_plain = False

    def read(self, name: str, value: Any, *, is_form: bool) -> dict[str, Any]:
        """Return the object; raises Invalid."""
        del is_form
        return params_checked(value, field=name)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "object", "additionalProperties": True}


def all_of(reads: Iterable[Callable[[], Value]]) -> list[Value]:
    """Return what each gives; raises one Invalid that names all that is bad in any of them."""
    values, problems = [], []
    for read in reads:
        try:
            values.append(read())
        except Invalid as problem:
            problems.append(problem)
    if problems:
        raise Invalid.combined(problems)
    return values


class Many(Given):
    """A list of values of one kind; in a query or form they come one by one, or with commas."""

    def __init__(self, each: Given, most: int, *, fewest: int = 0, **said: Any) -> None:
        """Take at most so many."""
        super().__init__(**said)
        self.each, self.most, self.fewest = each, most, fewest

    @property
    def is_plain(self) -> bool:
        """Say whether a form can hold it: as one text with commas between."""
        return self.each.is_plain

    def read(self, name: str, value: Any, *, is_form: bool) -> list[Any]:
        """Return the list; raises Invalid."""
        if is_form and isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, list) or not self.fewest <= len(value) <= self.most:
            raise Invalid({name: f"must be a list of {self.fewest} to {self.most}"})
        return all_of(
            partial(self.each.read, f"{name}[{place}]", each, is_form=is_form)
            for place, each in enumerate(value)
        )

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        sizes = {"minItems": self.fewest, "maxItems": self.most}
        return {"type": "array", "items": self.each.schema, **sizes}


class Zone(Given):
    """The name of an IANA time zone."""

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the name; raises Invalid."""
        del is_form
        return check.zone(name, value)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "maxLength": 64, "format": "iana-time-zone"}


class Currency(Given):
    """An ISO 4217 code."""

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the code; raises Invalid."""
        del is_form
        return check.currency(name, value)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "enum": sorted(EXPONENTS)}


class Quantity(Given):
    """How much was used: a whole number, or digits as text for what has decimals."""

    def read(self, name: str, value: Any, *, is_form: bool) -> int | str | Decimal:
        """Return it as it was said; the verb knows the bounds."""
        del is_form
        if type(value) is int or isinstance(value, str):
            return value
        raise Invalid({name: "must be a whole number, or digits as text"})

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        digits = {"type": "string", "pattern": r"^[0-9]{1,14}(\.[0-9]{1,6})?$"}
        return {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 10**14 - 1}, digits]}


def or_nothing(schema: dict[str, Any], *, is_text: bool = False) -> dict[str, Any]:
    """Return the JSON schema of what may be absent: as empty text, or in JSON as null."""
    empties = [""] if is_text else ["", None]
    kinds = ["string"] if is_text else ["string", "null"]
    kind = schema.get("type")
    if "enum" in schema:
        return schema | {"type": kinds, "enum": [*schema["enum"], *empties]}
    if schema.get("pattern") in {LINE, STATEMENT}:
        return schema | {"type": kinds}
    if kind == "integer":
        return schema | {"type": [kind, *kinds], "maxLength": 0}
    about = {name: value for name, value in schema.items() if name in ABOUT}
    value = {name: value for name, value in schema.items() if name not in ABOUT}
    nothing: list[dict[str, Any]] = [{"type": "string", "maxLength": 0}]
    if not is_text:
        nothing.append({"type": "null"})
    return {"anyOf": [*value.pop("oneOf", [value] if value else []), *nothing]} | about
