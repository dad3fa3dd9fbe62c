"""Keys to this API: made with some scopes and an end, rotated, revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from accounts import keys
from accounts.models import EXTERNAL_LIMIT, SCOPES, ApiKey
from billy.api.door import Answer, Door, Nothing, Operation
from billy.api.inputs import Input, Instant, Many, OneOf, Text
from billy.api.lists import BY_CREATION, query, within
from billy.api.naming import words
from billy.api.plans import RANGES
from billy.api.shapes import Shape, Told, guid_of, instant, own_guid, text

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse


class ApiKeyShape(Shape):
    """A key: its first characters, never the key itself."""

    guid = own_guid("key")
    company_guid = guid_of("company", "company_id")
    external_id = text("external_id", null=True)
    hint = text("hint", about="The first characters.")
    scopes = Told("array", lambda row: row.scopes, items={"type": "string", "enum": list(SCOPES)})
    created_at = instant("created_at")
    updated_at = instant("updated_at")
    expires_at = instant("expires_at", null=True)
    revoked_at = instant("revoked_at", null=True)
    last_used_at = instant("last_used_at", null=True, about="To the minute.")


class NewApiKeyShape(ApiKeyShape):
    """A key that was just made, with its clear text: it is told this once."""

    api_key = text("clear")


class NewApiKey(Input):
    """What a key is to be."""

    scopes = Many(OneOf(SCOPES), len(SCOPES), fewest=1, required=True, example=["read", "write"])
    expires_at = Instant(about="For ever where it is not said.")
    external_id = Text(EXTERNAL_LIMIT, about="Your own name for it; unique in the company.")


def live() -> QuerySet[ApiKey]:
    """Return the keys that were not revoked; the admin and the audit trail know the others."""
    return ApiKey.objects.filter(revoked_at=None).select_related("company")


class ApiKeys(Door):
    """`/v1/api_keys`."""

    tag = "api_keys"
    operations = {
        "get": Operation(
            summary="List keys",
            shape=ApiKeyShape,
            scope="admin",
            many=True,
            order=BY_CREATION,
            query=query("ApiKeysQuery", ranges=RANGES, external_id=Text(EXTERNAL_LIMIT)),
        ),
        "post": Operation(
            summary="Make a key",
            shape=NewApiKeyShape,
            scope="admin",
            taken=NewApiKey,
            about="It can do no more than the key that asks.",
        ),
    }

    def get(self, _: Any) -> Answer:
        """List them."""
        rows = live().filter(company=self.company.pk)
        if self.asked["external_id"]:
            rows = rows.filter(external_id=self.asked["external_id"])
        return self.listed(within(rows, self.asked))

    def make(self) -> HttpResponse:
        """Make one."""
        given = self.taken()
        wanted = keys.Wanted(**given | {"scopes": tuple(given["scopes"])})
        with words(), transaction.atomic():
            return self.keep(
                shown(self, *keys.issue(self.company, wanted, by=self.key, now=self.now))
            )


class OneApiKey(Door):
    """`/v1/api_keys/{guid}`."""

    tag = "api_keys"
    operations = {
        "get": Operation(summary="Show a key", shape=ApiKeyShape, scope="admin"),
        "delete": Operation(
            summary="Revoke a key, at once and for good", shape=ApiKeyShape, scope="admin"
        ),
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it."""
        return self.told(self.own(live(), "key", guid))

    def delete(self, _: Any, guid: str) -> Answer:
        """Revoke it."""
        key = self.own(live(), "key", guid)
        self.unless_changed(key)
        with words("InvalidOperationError"):
            return self.told(keys.revoke(key, by=self.key, now=self.now))


class RotateApiKey(Door):
    """`POST /v1/api_keys/{guid}/rotation`."""

    tag = "api_keys"
    operations = {
        "post": Operation(
            summary="Make a key like this one, which opens for a day at most from now on",
            shape=NewApiKeyShape,
            scope="admin",
            taken=Nothing,
        )
    }

    def make(self, guid: str) -> HttpResponse:
        """Rotate it."""
        key = self.own(live(), "key", guid)
        self.taken()
        with words("InvalidOperationError"), transaction.atomic():
            return self.keep(shown(self, *keys.rotate(key, by=self.key, now=self.now)))


def shown(door: Door, key: ApiKey, clear: str) -> Answer:
    """Return the answer that tells a new key, this once."""
    key.clear = clear  # type: ignore[attr-defined]  # Told, not kept.
    return door.told(key)
