"""Addresses that hear of events: made, changed, given a new secret, removed. Each leaves a fact.

Only a company with an address that is active costs a row in the outbox for every event.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from accounts.models import EXTERNAL_LIMIT, Company
from audit.kinds import KINDS
from audit.record import heads, record
from audit.sets import once
from core import check
from core.ids import uuid7
from core.invalid import Invalid
from webhooks.models import Delivery, Endpoint
from webhooks.signing import new_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from webhooks.outside import Outside

MOST = 20  # Addresses of a company: each event goes to all of them.
OVERLAP = timedelta(hours=24)  # How long the secret before signs beside a new one.
ACTIVE, DISABLED, DELETED = "active", "disabled", "deleted"


def make(
    company: Company, terms: Mapping[str, Any], *, outside: Outside, now: datetime, actor: str
) -> Endpoint:
    """Make an endpoint; `terms` are url, kinds (none: all) and external_id. Raises Invalid."""
    with _changing(company) as chain:
        there = Endpoint.objects.filter(company=company.pk).exclude(state=DELETED)
        if there.count() >= MOST:
            raise Invalid(url=f"is one too many: there may be {MOST} endpoints")
        made = Endpoint(
            id=uuid7(now=now),
            company=company,
            secret=new_secret(),
            created_at=now,
            updated_at=now,
            **_checked({**terms, "url": terms.get("url")}, outside=outside),
        )
        made.save(force_insert=True)
        body = {"endpoint": made.guid, "kinds": made.kinds}
        _tell(company, "webhook_endpoint.created", body, chain=chain, now=now, actor=actor)
    return made


def change(
    endpoint: Endpoint,
    terms: Mapping[str, Any],
    *,
    outside: Outside,
    now: datetime,
    actor: str,
    seen: Callable[[Endpoint], None] = lambda _: None,
) -> Endpoint:
    """Change url, kinds, external_id or state (active | disabled); raises Invalid.

    `seen` is told the row as it is under the lock, and may refuse.
    """
    with _changing(endpoint.company) as chain:
        locked = _locked(endpoint)
        seen(locked)
        values = _checked(terms, outside=outside)
        changed = sorted(name for name, value in values.items() if getattr(locked, name) != value)
        if not changed:
            return locked
        for name in changed:
            setattr(locked, name, values[name])
        if "state" in changed:
            locked.reason = "" if locked.state == ACTIVE else "disabled on request"
        locked.updated_at = now
        locked.save()
        body = {"endpoint": locked.guid, "fields": changed}
        _tell(locked.company, "webhook_endpoint.changed", body, chain=chain, now=now, actor=actor)
    return locked


def renew(endpoint: Endpoint, *, now: datetime, actor: str) -> Endpoint:
    """Give it a new secret; the one before signs beside it for a day. Raises Invalid."""
    with _changing(endpoint.company) as chain:
        locked = _locked(endpoint)
        locked.former_secret, locked.secret = locked.secret, new_secret()
        locked.former_until = now + OVERLAP
        locked.updated_at = now
        locked.save()
        body = {"endpoint": locked.guid, "fields": ["secret"]}
        _tell(locked.company, "webhook_endpoint.changed", body, chain=chain, now=now, actor=actor)
    return locked


def remove(endpoint: Endpoint, *, now: datetime, actor: str) -> Endpoint:
    """Send nothing more to it; its log is kept. Raises Invalid where it is removed already."""
    with _changing(endpoint.company) as chain:
        locked = _locked(endpoint)
        locked.state, locked.external_id, locked.updated_at = DELETED, None, now
        locked.save()
        waiting = Delivery.objects.filter(endpoint=locked.pk, state="waiting")
        waiting.update(state="failed", next_try_at=None, updated_at=now)
        body = {"endpoint": locked.guid}
        _tell(locked.company, "webhook_endpoint.deleted", body, chain=chain, now=now, actor=actor)
    return locked


def disable(endpoint: Endpoint, *, reason: str, now: datetime) -> None:
    """Stop sending to an endpoint that said it is gone."""
    with _changing(endpoint.company) as chain:
        taken = Endpoint.objects.filter(pk=endpoint.pk, state=ACTIVE).update(
            state=DISABLED, reason=reason[:200], updated_at=now
        )
        if taken:
            body = {"endpoint": endpoint.guid, "fields": ["state"], "reason": reason[:200]}
            _tell(
                endpoint.company,
                "webhook_endpoint.changed",
                body,
                chain=chain,
                now=now,
                actor="billy",
            )


@contextmanager
def _changing(company: Company) -> Iterator[Any]:
    """Lock the company's trail, and keep its `listens` true to what there is."""
    with once("endpoint_external_once", external_id="is the name of another endpoint"):
        yield heads([company.pk])
        listens = Endpoint.objects.filter(company=company.pk, state=ACTIVE).exists()
        Company.objects.filter(pk=company.pk).update(listens=listens)


def _locked(endpoint: Endpoint) -> Endpoint:
    rows = Endpoint.objects.select_for_update(of=("self",), no_key=True)
    locked = rows.select_related("company").get(pk=endpoint.pk)
    if locked.state == DELETED:
        raise Invalid(endpoint="is removed already")
    return locked


def _checked(terms: Mapping[str, Any], *, outside: Outside) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "url" in terms:
        values["url"] = outside.checked("url", terms["url"])
    if "kinds" in terms:
        values["kinds"] = _kinds(terms["kinds"] or ())
    if "external_id" in terms:
        name = check.text("external_id", terms["external_id"] or "", limit=EXTERNAL_LIMIT)
        values["external_id"] = name or None
    if "state" in terms:
        values["state"] = check.one_of("state", terms["state"], (ACTIVE, DISABLED))
    return values


def _kinds(wanted: Sequence[str]) -> list[str]:
    for place, kind in enumerate(wanted):
        check.one_of(f"kinds[{place}]", kind, tuple(KINDS))
    return sorted(set(wanted))


def _tell(
    company: Company,
    kind: str,
    body: dict[str, Any],
    *,
    chain: Any,  # The locked heads.
    now: datetime,
    actor: str,
) -> None:
    fact = company.fact(kind, body, dedupe=f"{kind}/{chain[company.pk].seq}")
    listens = [company.pk] if company.listens else []
    record([replace(fact, actor=actor)], heads=chain, now=now, listeners=listens)
