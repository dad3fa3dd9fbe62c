"""The same as OpenAPI 3.1: made from the operations that the doors themselves work by.

`make openapi` writes `billy/api/openapi.json`; a test compares it with what the code says now, and
the address `/v1/openapi.json` tells that file.
"""

from __future__ import annotations

from copy import deepcopy
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from audit.models import SUBJECTS
from billy.api import heard, samples
from billy.api.given import GUID_PATTERN, or_nothing
from billy.api.words import ABOUT, CALLBACK, CALLBACK_PATH, ERRORS, HEADERS, PROBLEM, SECURITY, TAGS
from core.ids import PREFIXES

if TYPE_CHECKING:
    from billy.api.door import Door, Operation

BODIES = ("post", "put", "patch")
VERBS = {"post": "create", "put": "put", "patch": "change", "delete": "delete"}
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
PRINTABLE = "^[!-~]([ -~]*[!-~])?$"  # Blanks at the ends are no part of a header.
# Whose guid an address names, by its first part.
NAMED = {
    "companies": ("company",),
    "customers": ("customer",),
    "plans": ("plan",),
    "payouts": ("plan",),
    "subscriptions": ("scheduler",),
    "invoices": ("feed",),
    "transactions": ("transaction",),
    "schedulers": ("scheduler",),
    "feeds": ("feed",),
    "events": ("event",),
    "trails": SUBJECTS,
    "funding_instruments": ("instrument",),
    "api_keys": ("key",),
    "webhook_endpoints": ("endpoint",),
    "deliveries": ("delivery",),
}


class Described(AutoSchema):
    """Describes one operation of a Door."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> Any:
        """Return the operation, and put the shapes that it tells into the registry."""
        del path_regex, path_prefix
        self.registry = registry
        door = cast("Door", self.view)
        operation = door.operations.get(method.lower())
        if operation is None:
            return None
        return {
            "operationId": _name(path, method.lower(), operation),
            "summary": operation.summary,
            "description": _about(door, operation),
            "tags": [door.tag],
            "parameters": _parameters(path, method.lower(), operation),
            **_body(method.lower(), operation),
            "responses": self._responses(door, path, method.lower(), operation),
            "security": [] if door.is_public else [{"key": []}, {"bearer": []}],
            **({} if door.is_public else {"x-scope": operation.scope}),
        }

    def _responses(
        self, door: Door, path: str, method: str, operation: Operation
    ) -> dict[str, Any]:
        statuses = {400, 422, 429, 503, *operation.errors}
        statuses |= set() if door.is_public else {401, 403}
        statuses |= {404} if "{" in path else set()
        statuses |= {409} if method == "post" else set()
        statuses |= {413, 415} if method in BODIES else set()
        statuses |= {412} if _changes_one(method, path) else set()
        told: dict[str, Any] = {"200": self._good(method, operation)}
        if method == "get" and not operation.many and operation.shape is not None:
            told["304"] = {"description": "It is as If-None-Match says."}
        for status in sorted(statuses):
            told[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        return told

    def _good(self, method: str, operation: Operation) -> dict[str, Any]:
        headers = {"X-Request-ID": {"$ref": "#/components/headers/RequestID"}}
        if operation.media:
            content: Any = {media: {"schema": {"type": "string"}} for media in operation.media}
        else:
            schema = self._shape(operation)
            content = {JSON: {"schema": schema[0], "examples": {"one": {"value": schema[1]}}}}
        if operation.shape is not None and not operation.many:
            headers["ETag"] = {"$ref": "#/components/headers/ETag"}
        if method == "post":
            headers["Idempotency-Replayed"] = {"$ref": "#/components/headers/Replayed"}
        return {"description": "As asked.", "headers": headers, "content": content}

    def _shape(self, operation: Operation) -> tuple[dict[str, Any], Any]:
        """Return the schema of a good answer, and an example of it."""
        if operation.shape is None:
            return {"type": "object"}, {}
        one = self._component(operation.shape, expands=operation)
        example = _example(operation.shape)
        if not operation.many:
            return one, example
        envelope = {
            "type": "object",
            "required": ["items", "limit", "next", "offset"],
            "additionalProperties": False,
            "properties": {
                "items": {"type": "array", "items": one},
                "limit": {"type": "integer"},
                "offset": {"type": "integer"},
                "next": {"type": ["string", "null"]},
            },
        }
        return envelope, {"items": [example], "limit": 20, "offset": 0, "next": None}

    def _component(self, shape: Any, *, expands: Operation | None = None) -> dict[str, Any]:
        """Put a shape into the registry; returns the reference to it."""
        component = _named(shape.__name__)
        if component not in self.registry:
            self.registry.register(component)
            component.schema = self._object(shape)
        reference: dict[str, Any] = dict(component.ref)
        if expands is None or not expands.expands:
            return reference
        more = {
            each.name: {"oneOf": [self._component(each.shape), {"type": "null"}]}
            for each in expands.expands
        }
        whole = deepcopy(self.registry[component].schema)
        whole["properties"] |= more
        return dict(self._expanded(shape, whole))

    def _expanded(self, shape: Any, whole: dict[str, Any]) -> dict[str, Any]:
        name = f"{shape.__name__}Expanded"
        component = _named(name)
        if component not in self.registry:
            self.registry.register(component)
            component.schema = whole
        return dict(component.ref)

    def _object(self, shape: Any) -> dict[str, Any]:
        if variants := getattr(shape, "variants", ()):
            return {"oneOf": [self._component(each) for each in variants]}
        properties = {name: self._field(field) for name, field in _fields(shape).items()}
        return {
            "type": "object",
            "description": (shape.__doc__ or "").partition("\n")[0],
            "properties": properties,
            "required": sorted(set(properties) - set(shape.optional)),
            "additionalProperties": False,
        }

    def _field(self, field: Any) -> dict[str, Any]:
        inner = getattr(field, "shape", None)
        if inner is None:
            return dict(field.schema)
        reference = self._component(inner)
        if field.many:
            return {"type": "array", "items": reference}
        return {"oneOf": [reference, {"type": "null"}]} if field.null else reference


def _named(name: str) -> Any:
    made: Any = ResolvedComponent
    return made(name=name, type=ResolvedComponent.SCHEMA, object=name)


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add what belongs to no operation of a Door: errors, headers, keys, and the callback."""
    paths = {path.rstrip("/") or "/": told for path, told in result["paths"].items()}
    paths[CALLBACK_PATH] = {"post": CALLBACK}
    result["paths"] = dict(sorted(paths.items()))
    components = result.setdefault("components", {})
    event = components["schemas"]["EventShape"]
    more = {"Problem": PROBLEM, heard.SCHEMA: heard.message_schema(event)}
    components["schemas"] = dict(sorted((components["schemas"] | more).items()))
    result["webhooks"] = heard.webhooks(_example_of("EventShape", event))
    components["responses"] = {
        f"Problem{status}": _problem(status, kind, words, more)
        for status, (kind, words, more) in ERRORS.items()
    }
    components["headers"] = HEADERS
    components["securitySchemes"] = SECURITY
    result["info"]["description"] = ABOUT
    result["tags"] = [{"name": name, "description": words} for name, words in TAGS.items()]
    return result


def _problem(status: int, kind: str, words: str, headers: tuple[str, ...]) -> dict[str, Any]:
    from core.problem import CONTENT_TYPE, problem

    request_id = "4f1c0f0e5b2d4c5f9d3a7e6b8c9d0e1f"
    field, _, said = words.partition(": ")
    errors = {field: said} if said and " " not in field else {}
    example = problem(status, kind, words, request_id=request_id, errors=errors)
    return {
        "description": HTTPStatus(status).phrase,
        "headers": {name: {"schema": {"type": "string"}} for name in headers},
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {"one": {"value": example}},
            }
        },
    }


def _about(door: Door, operation: Operation) -> str:
    words = [operation.about] if operation.about else []
    if not door.is_public:
        words.append(f"Needs the scope `{operation.scope}`.")
    return " ".join(words)


def _name(path: str, method: str, operation: Operation) -> str:
    segments = [part for part in path.strip("/").split("/")[1:] if not part.startswith("{")]
    verb = VERBS.get(method) or ("list" if operation.many else "get")
    return "_".join([verb, *(segments or ["root"])]).replace(".", "_")


def _parameters(path: str, method: str, operation: Operation) -> list[dict[str, Any]]:
    found = [_guid(path.split("/")[2])] if "{guid}" in path else []
    found += [
        {"name": name, "in": "query", "required": False, "schema": _asked(name, schema, operation)}
        | ({"style": "form", "explode": False} if "items" in schema else {})
        for name, schema in operation.query.as_parameters().items()
    ]
    if method == "post":
        words = "The name of this intent: the same key again is answered alike, and done once."
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": PRINTABLE}
        found.append(_header("Idempotency-Key", words, schema, required=operation.is_money))
    if _changes_one(method, path):
        words = "Do it only where the ETag is still this one."
        found.append(_header("If-Match", words, {"type": "string"}))
    return found


def _guid(resource: str) -> dict[str, Any]:
    """Return the parameter of an address that names one thing: `/v1/{resource}/{guid}`."""
    prefixes = [PREFIXES[kind] for kind in NAMED[resource]]
    pattern = GUID_PATTERN.format(f"({'|'.join(prefixes)})" if prefixes[1:] else prefixes[0])
    return {
        "name": "guid",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": f"^{pattern}$"},
        "example": prefixes[0] + samples.GUID_DIGITS,
    }


def _asked(name: str, schema: dict[str, Any], operation: Operation) -> dict[str, Any]:
    if name != "after":
        return schema
    about, form = schema["description"], operation.order.pattern
    cursor = {"type": "string", "pattern": form, "description": about}
    return or_nothing(cursor, is_text=True) if operation.query.is_lenient else cursor


def _header(
    name: str, words: str, schema: dict[str, Any], *, required: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": words,
        "schema": schema,
    }


def _changes_one(method: str, path: str) -> bool:
    return method in {"put", "patch", "delete"} and "{" in path


def _body(method: str, operation: Operation) -> dict[str, Any]:
    fields = operation.taken.given()
    if method not in BODIES or not fields:
        return {}
    example = {name: field.example for name, field in fields.items() if field.example is not None}
    told = {"examples": {"one": {"value": example}}} if example else {}
    form: dict[str, Any] = {"schema": operation.taken.as_schema(is_form=True), **told}
    needed = any(field.required for field in fields.values())
    content = {JSON: {"schema": operation.taken.as_schema(), **told}, FORM: form}
    return {"requestBody": {"required": needed, "content": content}}


def _fields(shape: Any) -> dict[str, Any]:
    fields: dict[str, Any] = shape._declared_fields  # noqa: SLF001  # Collected by the framework.
    return fields


def _example_of(shape: str, told: dict[str, Any]) -> dict[str, Any]:
    properties = told["properties"].items()
    return {name: samples.sample(shape, name, schema) for name, schema in properties}


def _example(shape: Any) -> dict[str, Any]:
    shape = getattr(shape, "variants", (shape,))[0]
    return {
        name: _sample(shape, name, field)
        for name, field in _fields(shape).items()
        if name not in shape.optional
    }


def _sample(shape: Any, name: str, field: Any) -> Any:
    inner = getattr(field, "shape", None)
    if inner is None or samples.is_own(shape.__name__, name):
        return samples.sample(shape.__name__, name, getattr(field, "schema", {}))
    return [_example(inner)] if field.many else _example(inner)
