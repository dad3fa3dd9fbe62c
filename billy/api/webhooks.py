"""Webhooks: the addresses that hear of events, and the log of what was sent to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from accounts.models import EXTERNAL_LIMIT
from audit.kinds import KINDS
from billy.api.door import Answer, Door, Nothing, Operation
from billy.api.inputs import Guid, Input, Many, OneOf, Text
from billy.api.lists import query, within
from billy.api.naming import words
from billy.api.plans import RANGES
from billy.api.shapes import Of, Shape, Told, guid_of, instant, own_guid, text, whole
from webhooks import deliver, endpoints
from webhooks.jobs import outside
from webhooks.models import Delivery, Endpoint
from webhooks.outside import URL_LIMIT

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse

STATES = ("active", "disabled")
DELIVERY_STATES = ("waiting", "delivered", "failed")


class WebhookEndpointShape(Shape):
    """An address that hears of events."""

    guid = own_guid("endpoint")
    company_guid = guid_of("company", "company_id")
    external_id = text("external_id", null=True)
    url = text("url")
    kinds = Told(
        "array",
        lambda row: row.kinds,
        items={"type": "string", "enum": list(KINDS)},
        about="Only these; all where there are none.",
    )
    state = text("state", enum=[*STATES, "deleted"])
    reason = text("reason", null=True)
    created_at = instant("created_at")
    updated_at = instant("updated_at")


class SecretWebhookEndpointShape(WebhookEndpointShape):
    """The same with its secret, which is told when it is made or renewed, and never again."""

    secret = text("secret", about="whsec_ and base 64, as Standard Webhooks has it.")


class AttemptShape(Shape):
    """An attempt to bring it there."""

    at = Told("string", lambda row: row["at"], format="date-time")
    status = Told("integer", lambda row: row["status"], null=True)
    error = Told("string", lambda row: row["error"] or None, null=True)


class DeliveryShape(Shape):
    """An event on its way to an endpoint."""

    guid = own_guid("delivery")
    endpoint_guid = guid_of("endpoint", "endpoint_id")
    event_guid = guid_of("event", "event_id")
    webhook_id = Told("string", lambda row: f"msg_{row.message_id.hex}", about="As it is sent.")
    kind = text("kind", enum=list(KINDS))
    state = text("state", enum=list(DELIVERY_STATES))
    tries = whole("tries")
    next_try_at = instant("next_try_at", null=True)
    attempts = Of(AttemptShape, lambda row: row.attempts, many=True, about="Oldest first.")
    created_at = instant("created_at")
    updated_at = instant("updated_at")


class Address(Text):
    """An address to send to; `webhooks.outside` looks at it."""

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return super().described() | {"pattern": URL_PATTERN}


# As far as a pattern can tell: `https`, a name that is no number, two ports, and no fragment.
URL_PATTERN = (
    r"^https://([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,3}[A-Za-z]{2,24}"
    r"(:(443|8443))?(/[A-Za-z0-9/._~-]*)?(\?[A-Za-z0-9/._~=&-]*)?$"
)


class EndpointTerms(Input):
    """What an endpoint may say."""

    kinds = Many(OneOf(tuple(KINDS)), len(KINDS), example=["debit.succeeded"])
    external_id = Text(EXTERNAL_LIMIT, about="Your own name for it; unique in the company.")


class NewEndpoint(EndpointTerms):
    """What an endpoint is made of."""

    url = Address(URL_LIMIT, required=True, example="https://hooks.example.com/billy")


class EndpointChange(EndpointTerms):
    """What to change; empty text takes a name away."""

    empty_is_absent = False
    url = Address(URL_LIMIT, lasting=True)
    state = OneOf(STATES, lasting=True)


def live() -> QuerySet[Endpoint]:
    """Return the endpoints that are not removed."""
    return Endpoint.objects.exclude(state=endpoints.DELETED).select_related("company")


class WebhookEndpoints(Door):
    """`/v1/webhook_endpoints`."""

    tag = "webhook_endpoints"
    operations = {
        "get": Operation(
            summary="List endpoints",
            shape=WebhookEndpointShape,
            scope="admin",
            many=True,
            query=query(
                "WebhookEndpointsQuery",
                ranges=RANGES,
                external_id=Text(EXTERNAL_LIMIT),
                state=OneOf(STATES),
            ),
        ),
        "post": Operation(
            summary="Make an endpoint",
            shape=SecretWebhookEndpointShape,
            scope="admin",
            taken=NewEndpoint,
            about="https only, port 443 or 8443, and no private address is ever reached.",
        ),
    }

    def get(self, _: Any) -> Answer:
        """List them."""
        rows = live().filter(company=self.company.pk)
        for name in ("external_id", "state"):
            if self.asked[name]:
                rows = rows.filter(**{name: self.asked[name]})
        return self.listed(within(rows, self.asked))

    def make(self) -> HttpResponse:
        """Make one."""
        terms = self.taken()
        with words(), transaction.atomic():
            made = endpoints.make(
                self.company, terms, outside=outside(), now=self.now, actor=self.actor
            )
            return self.keep(self.told(made))


class OneWebhookEndpoint(Door):
    """`/v1/webhook_endpoints/{guid}`."""

    tag = "webhook_endpoints"
    operations = {
        "get": Operation(summary="Show an endpoint", shape=WebhookEndpointShape, scope="admin"),
        "patch": Operation(
            summary="Change an endpoint",
            shape=WebhookEndpointShape,
            scope="admin",
            taken=EndpointChange,
            errors=(409,),
        ),
        "delete": Operation(
            summary="Send nothing more to an endpoint", shape=WebhookEndpointShape, scope="admin"
        ),
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.own(live(), "endpoint", guid))

    def patch(self, _: Any, guid: str) -> Answer:
        """Change it."""
        row = self.own(live(), "endpoint", guid)
        terms = self.taken()
        with words():
            changed = endpoints.change(
                row,
                terms,
                outside=outside(),
                now=self.now,
                actor=self.actor,
                seen=self.unless_changed,
            )
        return self.told(changed)

    def delete(self, _: Any, guid: str) -> Answer:
        """Remove it."""
        row = self.own(live(), "endpoint", guid)
        self.unless_changed(row)
        return self.told(endpoints.remove(row, now=self.now, actor=self.actor))


class RenewWebhookSecret(Door):
    """`POST /v1/webhook_endpoints/{guid}/rotation`."""

    tag = "webhook_endpoints"
    operations = {
        "post": Operation(
            summary="Give an endpoint a new secret",
            shape=SecretWebhookEndpointShape,
            scope="admin",
            taken=Nothing,
            about="For a day, the secret before signs beside it.",
        )
    }

    def make(self, guid: str) -> HttpResponse:
        """Renew it."""
        row = self.own(live(), "endpoint", guid)
        self.taken()
        with transaction.atomic():
            renewed = endpoints.renew(row, now=self.now, actor=self.actor)
            return self.keep(self.told(renewed))


class Deliveries(Door):
    """`GET /v1/deliveries`."""

    tag = "deliveries"
    operations = {
        "get": Operation(
            summary="List deliveries",
            shape=DeliveryShape,
            scope="admin",
            many=True,
            query=query(
                "DeliveriesQuery",
                ranges=RANGES,
                endpoint_guid=Guid("endpoint"),
                event_guid=Guid("event"),
                kind=OneOf(tuple(KINDS)),
                state=OneOf(DELIVERY_STATES),
            ),
        )
    }

    def get(self, _: Any) -> Answer:
        """List them."""
        rows = Delivery.objects.filter(company=self.company.pk)
        for name, column in (
            ("endpoint_guid", "endpoint"),
            ("event_guid", "event_id"),
            ("kind", "kind"),
            ("state", "state"),
        ):
            if self.asked[name]:
                rows = rows.filter(**{column: self.asked[name]})
        return self.listed(within(rows, self.asked))


class OneDelivery(Door):
    """`GET /v1/deliveries/{guid}`."""

    tag = "deliveries"
    operations = {"get": Operation(summary="Show a delivery", shape=DeliveryShape, scope="admin")}

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.own(Delivery.objects.all(), "delivery", guid))


class DeliveryAttempts(Door):
    """`POST /v1/deliveries/{guid}/attempts`."""

    tag = "deliveries"
    operations = {
        "post": Operation(
            summary="Send it again",
            shape=DeliveryShape,
            scope="admin",
            taken=Nothing,
            about="Under the same `webhook-id`; it leaves with the next pass of a worker.",
        )
    }

    def make(self, guid: str) -> HttpResponse:
        """Plan it."""
        row = self.own(Delivery.objects.all(), "delivery", guid)
        self.taken()
        with words("InvalidOperationError"), transaction.atomic():
            return self.keep(self.told(deliver.again(row, now=self.now)))
