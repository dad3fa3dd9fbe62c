"""Keys to the API: make one, make another in its place, take one away. Each leaves an event.

A key is known by its fingerprint alone, so a new one is the only answer to a key that was lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import EXTERNAL_LIMIT, SCOPES, ApiKey
from accounts.secret import fingerprints
from audit.record import heads, record
from audit.sets import once
from core import check
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from accounts.models import Company

OVERLAP = timedelta(hours=24)  # How long the old key of a rotation opens beside the new one.
USED_STEP = timedelta(minutes=1)  # `last_used_at` is not exact: no write for every request.


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a new key is to be; `expires_at` None is for ever."""

    scopes: tuple[str, ...] = SCOPES
    expires_at: datetime | None = None
    external_id: str | None = None


def opened_by(clear: str) -> ApiKey | None:
    """Return the key that this clear text opens now, by the database's clock; None for none.

    It comes with its company, without the company's secrets, and with `asked_at`, the time.
    """
    return (
        ApiKey.objects.filter(fingerprint__in=fingerprints(clear), revoked_at__isnull=True)
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))
        .select_related("company")
        .defer("company__processor_key", "company__callback_key")
        .annotate(asked_at=Now())
        .first()
    )


def used(key: ApiKey, *, now: datetime) -> None:
    """Note that a key was used, to the minute."""
    last = key.last_used_at
    if last is None or now - last >= USED_STEP:
        ApiKey.objects.filter(pk=key.pk, last_used_at=last).update(last_used_at=now)


def issue(company: Company, wanted: Wanted, *, by: ApiKey, now: datetime) -> tuple[ApiKey, str]:
    """Make a key; returns it and its clear text. Raises Invalid.

    Nobody hands out more than he has: its scopes are among those of the key that asks.
    """
    if not wanted.scopes:
        raise Invalid(scopes=f"must be some of {', '.join(SCOPES)}")
    for scope in wanted.scopes:
        check.one_of("scopes", scope, SCOPES)
        if scope not in by.scopes:
            raise Invalid(scopes="must be among those of the key that asks")
    if wanted.external_id is not None:
        check.text("external_id", wanted.external_id, limit=EXTERNAL_LIMIT)
    with once("key_external_once", external_id="is the name of another key"):
        chain = heads([company.pk])
        key, clear = ApiKey.issue(
            company,
            scopes=tuple(scope for scope in SCOPES if scope in wanted.scopes),
            expires_at=wanted.expires_at,
            external_id=wanted.external_id,
            now=now,
        )
        body = {"key": key.guid, "scopes": key.scopes, "by": by.guid}
        fact = company.fact("api_key.created", body, dedupe=f"api_key.created/{key.pk.hex}")
        record([fact], heads=chain, now=now, listeners=_listening(company))
    return key, clear


def rotate(key: ApiKey, *, by: ApiKey, now: datetime) -> tuple[ApiKey, str]:
    """Make a key like this one, which from now on opens for a day at most. Raises Invalid."""
    with transaction.atomic():
        locked = ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=key.pk)
        _check_live(locked, now=now)
        wanted = Wanted(scopes=tuple(locked.scopes), expires_at=locked.expires_at)
        name, locked.external_id = locked.external_id, None
        locked.expires_at = min(locked.expires_at or now + OVERLAP, now + OVERLAP)
        locked.save(update_fields=["external_id", "expires_at"])
        made, clear = issue(locked.company, wanted, by=by, now=now)
        if name is not None:
            made.external_id = name
            made.save(update_fields=["external_id"])
    return made, clear


def revoke(key: ApiKey, *, by: ApiKey, now: datetime) -> ApiKey:
    """Take a key away, at once and for good. Raises Invalid where it is revoked already."""
    with transaction.atomic():
        chain = heads([key.company_id])
        taken = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now)
        if not taken:
            raise Invalid(key="is revoked already")
        company = key.company
        body = {"key": key.guid, "by": by.guid}
        fact = company.fact("api_key.revoked", body, dedupe=f"api_key.revoked/{key.pk.hex}")
        record([fact], heads=chain, now=now, listeners=_listening(company))
    key.revoked_at = now
    return key


def _check_live(key: ApiKey, *, now: datetime) -> None:
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise Invalid(key="does not open any more, so there is nothing to put in its place")


def _listening(company: Company) -> Collection[UUID]:
    return [company.pk] if company.listens else []
