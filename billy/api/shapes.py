"""What the API tells: a Shape is a set of fields, each of which takes one value from a row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework import serializers

from audit.models import SUBJECTS
from core.ids import PREFIXES, guid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    Get = Callable[[Any], Any]

GUID_PATTERN = "^{}[1-9A-HJ-NP-Za-km-z]{{22}}$"


class Told(serializers.Field):  # type: ignore[type-arg]  # It tells by itself.
    """One field: how it is taken from a row, and how OpenAPI describes it."""

    def __init__(
        self,
        kind: str,
        get: Get,
        *,
        null: bool = False,
        about: str = "",
        **schema: Any,
    ) -> None:
        """Say its JSON type, how a row gives it, and whether it may be null."""
        super().__init__(read_only=True, allow_null=null, help_text=about)
        self.get = get
        self.schema: dict[str, Any] = {"type": [kind, "null"] if null else kind, **schema}
        if null and "enum" in schema:
            self.schema["enum"] = [*schema["enum"], None]
        if about:
            self.schema["description"] = about


class Of(serializers.Field):  # type: ignore[type-arg]  # It tells by itself.
    """Objects of another shape: one, or a list of them."""

    def __init__(
        self,
        shape: type[Shape],
        get: Get,
        *,
        many: bool = False,
        null: bool = False,
        about: str = "",
    ) -> None:
        """Say which shape, and how a row gives the inner rows."""
        super().__init__(read_only=True, allow_null=null, help_text=about)
        self.shape, self.many, self.null = shape, many, null

        def one(row: Any) -> dict[str, Any] | None:
            inner = get(row)
            return None if inner is None else shape.of(inner)

        self.get: Get = (lambda row: [shape.of(each) for each in get(row)]) if many else one


class Shape(serializers.Serializer):  # type: ignore[type-arg]  # It tells rows by itself.
    """A set of fields. Every field is always told, and null where there is no value."""

    getters: ClassVar[Sequence[tuple[str, Get]]] = ()
    optional: ClassVar[Sequence[str]] = ()  # Fields that `of` adds by itself, where it does.

    def __init_subclass__(cls, **words: Any) -> None:
        """Collect how each field is taken, once."""
        super().__init_subclass__(**words)
        fields: Mapping[str, Any] = cls._declared_fields
        cls.getters = tuple(
            (name, field.get) for name, field in fields.items() if name not in cls.optional
        )

    @classmethod
    def of(cls, row: Any) -> dict[str, Any]:
        """Return what is told of a row."""
        return {name: get(row) for name, get in cls.getters}


def own_guid(kind: str) -> Told:
    """Return the field of a row's own guid."""
    prefix = PREFIXES[kind]
    return Told("string", lambda row: guid(prefix, row.pk), pattern=GUID_PATTERN.format(prefix))


def trail_guid(subject: Get, identity: Get) -> Told:
    """Return the field of a trail's guid, which is that of its subject."""
    prefixes = "|".join(PREFIXES[each] for each in SUBJECTS)
    return Told(
        "string",
        lambda row: guid(PREFIXES[subject(row)], identity(row)),
        pattern=GUID_PATTERN.format(f"({prefixes})"),
    )


def guid_of(kind: str, attribute: str, *, null: bool = False, about: str = "") -> Told:
    """Return the field of the guid of another thing, whose id is an attribute of the row."""
    prefix = PREFIXES[kind]

    def get(row: Any) -> str | None:
        identity: UUID | None = getattr(row, attribute)
        return None if identity is None else guid(prefix, identity)

    return Told("string", get, null=null, about=about, pattern=GUID_PATTERN.format(prefix))


def text(attribute: str, *, null: bool = False, about: str = "", **schema: Any) -> Told:
    """Return the field of a text; an empty one is null where `null`."""

    def get(row: Any) -> Any:
        value = getattr(row, attribute)
        return (value or None) if null else value

    return Told("string", get, null=null, about=about, **schema)


def whole(attribute: str, *, null: bool = False, about: str = "") -> Told:
    """Return the field of a whole number."""
    return Told("integer", lambda row: getattr(row, attribute), null=null, about=about)


def flag(get: Get, *, about: str = "") -> Told:
    """Return the field of something that is so or not."""
    return Told("boolean", get, about=about)


def instant(attribute: str, *, null: bool = False, about: str = "") -> Told:
    """Return the field of an instant: ISO 8601 in UTC with `+00:00`, microseconds if it has any."""
    return Told(
        "string",
        lambda row: written(getattr(row, attribute)),
        null=null,
        about=about,
        format="date-time",
    )


def anything(attribute: str, about: str = "") -> Told:
    """Return the field of an object of JSON values."""
    return Told("object", lambda row: getattr(row, attribute), about=about)


def written(at: datetime | None) -> str | None:
    """Return an instant as the API writes it, None for none."""
    return None if at is None else at.astimezone(UTC).isoformat()
