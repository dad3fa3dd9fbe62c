"""What the API takes: an Input is a set of fields, each of which reads one value or says why not.

JSON is taken strictly: a whole number is a JSON integer, and nothing is converted. A form has only
texts, so there the text of a whole number is one, as the original took it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rest_framework import serializers

from core import check
from core.ids import PREFIXES, parse_guid
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT
from plans.offer import params_checked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

WHOLE = re.compile(r"\s*[+-]?[0-9]{1,19}\s*", re.ASCII)
INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,12})?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
EARLIEST, LATEST = 1970, 9000  # Years: what an id can hold, and what arithmetic can go beyond.
GUID_PATTERN = "{}[1-9A-HJ-NP-Za-km-z]{{21,22}}"


class Given(serializers.Field):  # type: ignore[type-arg]  # It reads by itself.
    """One field of an input: how it is read, and how OpenAPI describes it."""

    def __init__(
        self, *, required: bool = False, default: Any = None, about: str = "", example: Any = None
    ) -> None:
        """Say whether it must be there, and what stands for it where it is not."""
        super().__init__(required=required, help_text=about)
        self.instead, self.example = default, example

    def read(self, name: str, value: Any, *, is_form: bool) -> Any:
        """Return the value that is meant; raises Invalid that names the field."""
        del name, is_form
        return value

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {}

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
        return {"type": "string", "maxLength": self.limit}


class Statement(Given):
    """What may appear on a card statement."""

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the text; raises Invalid."""
        del is_form
        return check.statement_text(name, value)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "maxLength": check.STATEMENT_LIMIT}


class Uri(Given):
    """The address of a thing at the processor; its form is looked at by whoever asks there."""

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the text; raises Invalid."""
        del is_form
        return check.text(name, value, limit=200)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "maxLength": 200, "pattern": "^/"}


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
    """An instant as ISO 8601 writes it, to the second at least; without an offset it is UTC."""

    def read(self, name: str, value: Any, *, is_form: bool) -> datetime:
        """Return the aware instant in UTC; raises Invalid."""
        del is_form
        found = INSTANT.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise Invalid({name: "must be an instant such as 2026-01-31T09:00:00+00:00"})
        day, time, fraction, offset = found.groups()
        text = f"{day}T{time}{(fraction or '')[:7]}{_offset(offset)}"
        try:
            instant = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Invalid({name: "must be an instant that exists"}) from None
        if not EARLIEST <= instant.year <= LATEST:
            raise Invalid({name: f"must be in the years {EARLIEST} to {LATEST}"})
        return instant

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "format": "date-time"}


def _offset(said: str | None) -> str:
    if said in (None, "Z"):
        return "+00:00"
    digits = said.replace(":", "")
    return f"{digits[:3]}:{digits[3:] or '00'}"


class Params(Given):
    """An object of JSON values without fractions."""

    def read(self, name: str, value: Any, *, is_form: bool) -> dict[str, Any]:
        """Return the object; raises Invalid."""
        del is_form
        return params_checked(value, field=name)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "object", "additionalProperties": True}


class Many(Given):
    """A list of values of one kind; in a query they are one text with commas between."""

    def __init__(self, each: Given, most: int, *, fewest: int = 0, **said: Any) -> None:
        """Take at most so many."""
        super().__init__(**said)
        self.each, self.most, self.fewest = each, most, fewest

    def read(self, name: str, value: Any, *, is_form: bool) -> list[Any]:
        """Return the list; raises Invalid."""
        if is_form and isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, list) or not self.fewest <= len(value) <= self.most:
            raise Invalid({name: f"must be a list of {self.fewest} to {self.most}"})
        return [
            self.each.read(f"{name}[{place}]", each, is_form=is_form)
            for place, each in enumerate(value)
        ]

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        sizes = {"minItems": self.fewest, "maxItems": self.most}
        return {"type": "array", "items": self.each.schema, **sizes}


class Nested(Given):
    """An object with fields of its own."""

    def __init__(self, of: type[Input], **said: Any) -> None:
        """Take what another input takes."""
        super().__init__(**said)
        self.of = of

    def read(self, name: str, value: Any, *, is_form: bool) -> dict[str, Any]:
        """Return the values; raises Invalid that names the inner fields."""
        if not isinstance(value, dict):
            raise Invalid({name: "must be an object of names and values"})
        try:
            return self.of.read(value, is_form=is_form)
        except Invalid as problem:
            told = {f"{name}.{inner}": words for inner, words in problem.errors.items()}
            raise type(problem)(told) from None

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return self.of.as_schema()


class Zone(Given):
    """The name of an IANA time zone."""

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the name; raises Invalid."""
        del is_form
        return check.zone(name, value)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "maxLength": 64}


class Currency(Given):
    """An ISO 4217 code."""

    def read(self, name: str, value: Any, *, is_form: bool) -> str:
        """Return the code; raises Invalid."""
        del is_form
        return check.currency(name, value)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "pattern": "^[A-Z]{3}$"}


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


class Input(serializers.Serializer):  # type: ignore[type-arg]  # It is never about an instance.
    """A set of fields. Those of the original's resources are lenient: they pass unknown ones over.

    Empty text and null count as absent, but for a change, where they take a value away.
    """

    is_lenient: ClassVar[bool] = False
    empty_is_absent: ClassVar[bool] = True
    empty_is_refused: ClassVar[bool] = False  # A filter that is passed over would show too much.

    @classmethod
    def given(cls) -> Mapping[str, Given]:
        """Return the fields by name."""
        return cast("Mapping[str, Given]", cls._declared_fields)  # Collected by the framework.

    @classmethod
    def read(cls, data: Mapping[str, Any], *, is_form: bool) -> dict[str, Any]:
        """Return the values of all fields; raises one Invalid that names every bad one."""
        problems: list[Invalid] = []
        values: dict[str, Any] = {}
        for name, field in cls.given().items():
            try:
                cls._take(values, name, field, data, is_form=is_form)
            except Invalid as problem:
                problems.append(problem)
        unknown = [] if cls.is_lenient else [name for name in data if name not in cls.given()]
        problems += [Invalid({str(name): "is not known here"}) for name in unknown]
        if problems:
            raise Invalid.combined(problems)
        return values

    @classmethod
    def _take(
        cls,
        values: dict[str, Any],
        name: str,
        field: Given,
        data: Mapping[str, Any],
        *,
        is_form: bool,
    ) -> None:
        value = data.get(name)
        if value is None or (isinstance(value, str) and not value):
            if field.required:
                raise Invalid({name: "is needed"})
            if cls.empty_is_refused and name in data:
                raise Invalid({name: "must not be empty"})
            if cls.empty_is_absent:
                values[name] = field.instead
            elif name in data:
                values[name] = ""
            return
        values[name] = field.read(name, value, is_form=is_form)

    @classmethod
    def as_schema(cls) -> dict[str, Any]:
        """Return the JSON schema of the object."""
        fields = cls.given()
        needed = [name for name, field in fields.items() if field.required]
        said: dict[str, Any] = {
            "type": "object",
            "properties": {name: field.schema for name, field in fields.items()},
            "additionalProperties": cls.is_lenient,
        }
        return said | ({"required": needed} if needed else {})
