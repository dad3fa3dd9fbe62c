"""What is sent to webhook endpoints, as the description tells it: OpenAPI's `webhooks`."""

from __future__ import annotations

from typing import Any, Final

# What an event has there: all but what only its chain needs.
DATA: Final = (
    *("guid", "kind", "at", "actor", "company_guid", "trail_guid", "subject", "sequence"),
    *("feed_guid", "transaction_guid", "amount", "moved", "currency", "body"),
)
SCHEMA: Final = "WebhookMessage"


def message_schema(event: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a message, whose data are those of an event's schema."""
    told = {name: event["properties"][name] for name in DATA}
    same = {"type": told["kind"], "timestamp": told["at"], "sequence": told["sequence"]}
    data = _object("The event.", told)
    return _object("An event on its way to an endpoint.", {**same, "data": data})


def webhooks(event: dict[str, Any]) -> dict[str, Any]:
    """Return what the description says of webhooks; `event` is an example of one."""
    data = {name: event[name] for name in DATA}
    message = {
        "type": event["kind"],
        "timestamp": event["at"],
        "sequence": event["sequence"],
        "data": data,
    }
    content = {
        "schema": {"$ref": f"#/components/schemas/{SCHEMA}"},
        "examples": {"one": {"value": message}},
    }
    said = {
        "operationId": "hear_event",
        "summary": "What a webhook endpoint is sent: an event of the audit trail",
        "description": (
            "Signed as Standard Webhooks has it: `webhook-id`, `webhook-timestamp` and "
            "`webhook-signature`. Any 2xx within 15 seconds is taken for heard."
        ),
        "tags": ["webhook_endpoints"],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {"200": {"description": "It was heard."}},
        "security": [],
    }
    return {"event": {"post": said}}


def _object(about: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": about,
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }
