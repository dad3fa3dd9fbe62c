"""JSON Patch (RFC 6902) of the two things that may be patched: meta and links."""

from collections.abc import Mapping
from typing import NoReturn

from sandbox.errors import Refusal, invalid
from sandbox.fields import Body
from sandbox.kinds import kind_of
from sandbox.records import Record
from sandbox.wire import Json

PARTS = ("meta", "links")
FIELD_DEPTH = 4  # /cards/0/meta/key


def patched(record: Record, operations: Json) -> Body:
    """The body of a PUT that does the same as the operations.

    Raises Refusal: `patch-test-failed` if a test fails, `request` for anything that is no patch.
    Nothing is applied then.
    """
    if not isinstance(operations, list):
        raise Refusal("request", "A patch is an array of operations.")
    kind = kind_of(record)
    document: dict[str, dict[str, Json]] = {
        "meta": dict(record.meta),
        "links": {name: getattr(record, name) for name in kind.links},
        "": {"description": getattr(record, "description", None)},
    }
    before = {part: dict(values) for part, values in document.items()}
    for operation in operations:
        if not isinstance(operation, Mapping):
            raise Refusal("request", "An operation is an object.")
        _apply(document, operation, plural=kind.plural)
    changes = {part: document[part] for part in PARTS if document[part] != before[part]}
    return {**changes, **(document[""] if document[""] != before[""] else {})}


def _apply(
    document: dict[str, dict[str, Json]], operation: Mapping[str, Json], *, plural: str
) -> None:
    part, name = _place(document, operation.get("path"), plural=plural)
    value = operation.get("value")
    match operation.get("op"):
        case "add" | "replace":
            document[part][name] = value
        case "remove":
            _take(document[part], name)
        case "move":
            source, from_name = _place(document, operation.get("from"), plural=plural)
            document[part][name] = _take(document[source], from_name)
        case "copy":
            source, from_name = _place(document, operation.get("from"), plural=plural)
            document[part][name] = document[source].get(from_name)
        case "test":
            if document[part].get(name) != value:
                raise Refusal("patch-test-failed")
        case other:
            raise invalid("op", f"{str(other)[:40]!r} is not known")


def _place(document: dict[str, dict[str, Json]], path: Json, *, plural: str) -> tuple[str, str]:
    if not isinstance(path, str):
        _no_path(path)
    names = [name.replace("~1", "/").replace("~0", "~") for name in path.split("/")[1:]]
    if names[:2] != [plural, "0"]:
        _no_path(path)
    if len(names) == FIELD_DEPTH and names[2] in PARTS:
        return names[2], names[3]
    if names[2:] == ["description"] and "description" in document[""]:
        return "", "description"
    return _no_path(path)


def _take(values: dict[str, Json], name: str) -> Json:
    if name not in values:
        raise invalid("path", f"{name[:40]!r} is not there")
    return values.pop(name)


def _no_path(path: Json) -> NoReturn:
    raise invalid("path", f"{str(path)[:80]!r} cannot be patched")
