"""Keys to the API: make one, make another in its place, take one away. Each leaves an event.

A key is known by its fingerprint alone, so a new one is the only answer to a key that was lost.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from accounts.models import EXTERNAL_LIMIT, SCOPES, ApiKey, Company
from accounts.secret import fingerprints
from audit.record import heads, record
from audit.sets import fetch, once
from core import check
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID


SECRETS = ("processor_key", "callback_key")  # Not needed for most requests, and slow to open.
KEY_FIELDS = ApiKey._meta.concrete_fields
COMPANY_FIELDS = [field for field in Company._meta.concrete_fields if field.name not in SECRETS]
KEY_NAMES = [field.attname for field in KEY_FIELDS]
COMPANY_NAMES = [field.attname for field in COMPANY_FIELDS]
SCOPES_PLACE = KEY_NAMES.index("scopes")
OPENED_BY = (
    "SELECT statement_timestamp(), "
    + ", ".join(
        [f'k."{field.column}"' for field in KEY_FIELDS]
        + [f'c."{field.column}"' for field in COMPANY_FIELDS]
    )
    + f' FROM "{ApiKey._meta.db_table}" k JOIN "{Company._meta.db_table}" c ON c.id = k.company_id'
    " WHERE k.fingerprint = ANY(%s) AND k.revoked_at IS NULL"
    " AND (k.expires_at IS NULL OR k.expires_at > statement_timestamp())"
)
OVERLAP = timedelta(hours=24)  # How long the old key of a rotation opens beside the new one.
USED_STEP = timedelta(minutes=1)  # `last_used_at` is not exact: no write for every request.


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A key that opens, and when that was asked, by the database's clock."""

    key: ApiKey
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a new key is to be; `expires_at` None is for ever."""

    scopes: tuple[str, ...] = SCOPES
    expires_at: datetime | None = None
    external_id: str | None = None


def opened_by(clear: str) -> Opened | None:
    """Return the key that this clear text opens now, by the database's clock; None for none.

    It comes with its company, without the company's secrets. Every request asks this, so the
    statement is a text and the rows are made by hand.
    """
    rows = fetch(OPENED_BY, [fingerprints(clear)])
    if not rows:
        return None
    (asked_at, *values), count = rows[0], len(KEY_NAMES)
    values[SCOPES_PLACE] = json.loads(values[SCOPES_PLACE])
    key = ApiKey.from_db("default", KEY_NAMES, values[:count])
    key.company = Company.from_db("default", COMPANY_NAMES, values[count:])
    return Opened(key=key, at=asked_at)


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
        record([replace(fact, actor=by.actor)], heads=chain, now=now, listeners=_listening(company))
    return key, clear


def rotate(key: ApiKey, *, by: ApiKey, now: datetime) -> tuple[ApiKey, str]:
    """Make a key like this one, which from now on opens for a day at most.

    Raises Invalid where it ends within a day anyway: a second rotation would make a key that does.
    """
    with transaction.atomic():
        locked = ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=key.pk)
        _check_live(locked, now=now)
        if locked.expires_at is not None and locked.expires_at <= now + OVERLAP:
            raise Invalid(key="ends within a day, or was rotated already: use its successor")
        wanted = Wanted(scopes=tuple(locked.scopes), expires_at=locked.expires_at)
        name, locked.external_id = locked.external_id, None
        locked.expires_at = min(locked.expires_at or now + OVERLAP, now + OVERLAP)
        locked.updated_at = now
        locked.save(update_fields=["external_id", "expires_at", "updated_at"])
        made, clear = issue(locked.company, wanted, by=by, now=now)
        if name is not None:
            made.external_id = name
            made.save(update_fields=["external_id"])
    return made, clear


def revoke(key: ApiKey, *, by: ApiKey, now: datetime) -> ApiKey:
    """Take a key away, at once and for good. Raises Invalid where it is revoked already.

    Its external id is free again; the event tells which it was.
    """
    with transaction.atomic():
        chain = heads([key.company_id])
        live = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True)
        taken = live.update(revoked_at=now, updated_at=now, external_id=None)
        if not taken:
            raise Invalid(key="is revoked already")
        company = key.company
        body = {"key": key.guid, "by": by.guid, "external_id": key.external_id}
        fact = company.fact("api_key.revoked", body, dedupe=f"api_key.revoked/{key.pk.hex}")
        record([replace(fact, actor=by.actor)], heads=chain, now=now, listeners=_listening(company))
    key.revoked_at = key.updated_at = now
    return key


def _check_live(key: ApiKey, *, now: datetime) -> None:
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise Invalid(key="does not open any more, so there is nothing to put in its place")


def _listening(company: Company) -> Collection[UUID]:
    return [company.pk] if company.listens else []
