"""What the OpenAPI description says besides the operations: errors, headers, keys, groups."""

from __future__ import annotations

from typing import Any, Final

from billy.api.given import GUID_PATTERN
from core.ids import ALPHABET, API_KEY_DIGITS, PREFIXES

ABOUT: Final = (
    "Recurring billing and payouts. Amounts are whole minor units (cents), instants are UTC, "
    "lists are newest first. The resources of the original Billy keep its contract: success is "
    "200, parameters may come as a form, and unknown ones are passed over. To try it here, give "
    "your API key to Authorize; `quickstart` prints one. The rest is told in docs/api.md."
)
TAGS: Final = {
    "server": "The server itself, and this description.",
    "companies": "Who runs a book.",
    "customers": "Who is charged or paid.",
    "plans": "Offers that charge.",
    "payouts": "Offers that pay out.",
    "subscriptions": "Customers on plans, as the original shows them.",
    "invoices": "Invoices, as the original shows them.",
    "transactions": "Attempts to move money.",
    "schedulers": "Any task on a timer: next runs, parent and children, pause, resume, cancel.",
    "feeds": "Invoices and payout statements, whole: lines, sums, attempts, events.",
    "funding_instruments": "Cards and bank accounts, as the processor names them.",
    "usage": "Metered usage.",
    "events": "The audit trail: every fact, chained.",
    "exports": "Events, feeds and transactions as JSON lines or CSV.",
    "webhook_endpoints": "Addresses that hear of events.",
    "deliveries": "What was sent to them, and what they answered.",
    "api_keys": "Keys to this API.",
    "callbacks": "What the processor calls.",
}
# Status: the class that it usually has, an example of its words, and its headers.
ERRORS: Final[dict[int, tuple[str, str, tuple[str, ...]]]] = {
    400: ("InvalidParameters", "amount: must be a whole number from 50", ()),
    401: ("Unauthorized", "An API key is needed.", ("WWW-Authenticate",)),
    403: ("Forbidden", "This API key may not do this: it needs the scope `money`.", ()),
    404: ("NotFound", "There is no such thing.", ()),
    409: ("DuplicateExternalIDError", "external_id: is the name of another invoice", ()),
    412: ("PreconditionFailed", "It was changed since it was read: read it again.", ()),
    413: ("PayloadTooLarge", "The body may have at most 262144 bytes.", ()),
    415: ("UnsupportedMediaType", "The body must be JSON or a form, in UTF-8.", ()),
    422: ("CardNumber", "name: must not hold the number of a payment card", ()),
    429: ("TooManyRequests", "Too many requests: come again later.", ("Retry-After",)),
    503: ("ProcessorUnavailable", "The processor did not answer.", ("Retry-After",)),
}
HEADERS: Final[dict[str, Any]] = {
    "RequestID": {
        "description": "The name of the request: the sender's, or one of ours; the log tells it.",
        "schema": {"type": "string"},
    },
    "ETag": {"description": "Of the thing as it is told.", "schema": {"type": "string"}},
    "Replayed": {
        "description": "`true` where this is the answer to the first request with this key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
SECURITY: Final[dict[str, Any]] = {
    "key": {
        "type": "http",
        "scheme": "basic",
        "description": "The API key as user name, any password.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "The API key as token."},
}
_TEXT: Final = {"type": "string"}
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An error: the original's two keys, and those of RFC 9457.",
    "properties": {
        "error_class": {"type": "string", "description": "What went wrong, for programs."},
        "error_message": {"type": "string", "description": "The same for people."},
        "type": {"type": "string", "description": "The class as a URN."},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": {"type": "string", "description": "The request as a URN."},
        "request_id": _TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "Into the body."},
                    "parameter": {"type": "string", "description": "Of the query."},
                    "header": _TEXT,
                    "detail": _TEXT,
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["error_class", "error_message"],
}
CALLBACK_PATH: Final = "/v1/companies/{guid}/callbacks/{key}"
_PARAMETERS: Final = [
    {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}
    for name, pattern in (
        ("guid", f"^{GUID_PATTERN.format(PREFIXES['company'])}$"),
        ("key", f"^[{ALPHABET}]{{{API_KEY_DIGITS},{API_KEY_DIGITS + 1}}}$"),
    )
]
_PROBLEMS: Final = {
    str(status): {
        "description": words,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Problem"}},
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
        },
    }
    for status, words in (
        (400, "No event, or none that the processor knows."),
        (404, "The address is none of ours."),
        (413, "The body is too large."),
        (422, "The address holds the number of a payment card."),
        (429, "Too many callbacks."),
        (503, "The database is away."),
    )
}
CALLBACK: Final[dict[str, Any]] = {
    "operationId": "receive_callback",
    "summary": "Take an event of the processor in",
    "description": "The address is the secret. Only `id` is read, and the event fetched by it.",
    "tags": ["callbacks"],
    "parameters": _PARAMETERS,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {"one": {"value": {"id": "EV123", "type": "debit.succeeded"}}},
            }
        },
    },
    "responses": {
        "200": {
            "description": "It was taken in.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"code": {"type": "string", "enum": ["ok", "ignore"]}},
                        "required": ["code"],
                    },
                    "examples": {"one": {"value": {"code": "ok"}}},
                }
            },
        },
        **_PROBLEMS,
    },
    "security": [],
}
