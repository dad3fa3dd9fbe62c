"""Change a customer: the names that people know it by, and the mark that it is deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db import transaction

from accounts.models import EXTERNAL_LIMIT, NAME_LIMIT, Customer
from audit.record import heads, record
from audit.sets import once
from core import check
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

CHANGEABLE = ("name", "email", "external_id", "time_zone")
EMAIL_LIMIT = 254


def change(
    customer: Customer,
    terms: Mapping[str, str | None],
    *,
    now: datetime,
    actor: str = "billy",
    seen: Callable[[Customer], None] = lambda _: None,
) -> Customer:
    """Give a customer another name, email, external_id or time zone; empty takes it away.

    `seen` is told the row as it is under the lock, and may refuse. The event names the fields, and
    no values: bodies hold no names of people. Raises Invalid.
    """
    values = {name: _checked(name, value or "") for name, value in terms.items()}
    with once("customer_external_once", external_id="is the name of another customer"):
        locked = _locked(customer)
        seen(locked)
        chain = heads([locked.pk])
        for name, value in values.items():
            setattr(locked, name, value)
        locked.updated_at = now
        locked.save(update_fields=[*values, "updated_at"])
        body: dict[str, Any] = {"fields": sorted(values)}
        _tell(locked, "customer.changed", body, chain=chain, now=now, actor=actor)
    return locked


def delete(customer: Customer, *, now: datetime, actor: str = "billy") -> Customer:
    """Mark a customer as deleted; what it is subscribed to goes on. Raises Invalid the second time.

    There are no new subscriptions and no new invoices for it.
    """
    with transaction.atomic():
        locked = _locked(customer)
        if locked.deleted_at is not None:
            raise Invalid(customer="is deleted already")
        chain = heads([locked.pk])
        locked.deleted_at = locked.updated_at = now
        locked.save(update_fields=["deleted_at", "updated_at"])
        _tell(locked, "customer.deleted", {}, chain=chain, now=now, actor=actor)
    return locked


def _checked(name: str, value: str) -> str | None:
    if name == "time_zone":
        return check.zone(name, value) if value else ""
    limits = {"name": NAME_LIMIT, "email": EMAIL_LIMIT, "external_id": EXTERNAL_LIMIT}
    text = check.text(name, value, limit=limits[name])
    return (text or None) if name == "external_id" else text


def _locked(customer: Customer) -> Customer:
    rows = Customer.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("company").get(pk=customer.pk)


def _tell(
    customer: Customer,
    kind: str,
    body: dict[str, Any],
    *,
    chain: Any,  # The locked heads.
    now: datetime,
    actor: str,
) -> None:
    place = chain[customer.pk].seq
    fact = replace(customer.fact(kind, body, dedupe=f"{kind}/{place}"), actor=actor)
    listens = [customer.company_id] if customer.company.listens else []
    record([fact], heads=chain, now=now, listeners=listens)
