"""What the API takes: an Input is a set of fields, each of which reads one value or says why not.

The fields themselves are in `given.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from rest_framework import serializers

from billy.api.given import (
    GUID_PATTERN,
    Currency,
    Given,
    Guid,
    Instant,
    Many,
    OneOf,
    Params,
    Quantity,
    Statement,
    Text,
    Uri,
    Whole,
    Zone,
    or_nothing,
)
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "GUID_PATTERN",
    "Currency",
    "Given",
    "Guid",
    "Input",
    "Instant",
    "Many",
    "Nested",
    "OneOf",
    "Params",
    "Quantity",
    "Statement",
    "Text",
    "Uri",
    "Whole",
    "Zone",
]


class Nested(Given):
    """An object with fields of its own."""

    is_plain = False

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
    def needs(cls, name: str, data: Mapping[str, Any]) -> bool:
        """Say whether this field must be there, beside what else is."""
        del data
        return cls.given()[name].required

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
            if cls.needs(name, data):
                raise Invalid({name: "is needed"})
            if (cls.empty_is_refused or field.lasting) and name in data:
                raise Invalid({name: "must not be empty"})
            if cls.empty_is_absent:
                values[name] = field.instead
            elif name in data:
                values[name] = ""
            return
        if is_form and isinstance(value, list) and not isinstance(field, Many):
            raise Invalid({name: "is given twice"})  # Nobody knows which one was meant.
        values[name] = field.read(name, value, is_form=is_form)

    @classmethod
    def as_schema(cls, *, is_form: bool = False) -> dict[str, Any]:
        """Return the JSON schema of the object; a form knows neither null nor objects."""
        fields = {
            name: field for name, field in cls.given().items() if field.is_plain or not is_form
        }
        needed = [name for name, field in fields.items() if field.required]
        said: dict[str, Any] = {
            "type": "object",
            "properties": {
                name: field.schema
                if field.required or field.lasting
                else or_nothing(field.schema, is_text=is_form)
                for name, field in fields.items()
            },
            "additionalProperties": cls.is_lenient,
        }
        return said | ({"required": needed} if needed else {})

    @classmethod
    def as_parameters(cls) -> dict[str, dict[str, Any]]:
        """Return the JSON schema of each parameter, where it is a query."""
        found = {}
        for name, field in cls.given().items():
            said = field.schema
            if cls.empty_is_refused or field.lasting:
                found[name] = said | ({"minItems": 1} if "items" in said else {"minLength": 1})
            else:
                found[name] = or_nothing(said, is_text=True)
        return found
