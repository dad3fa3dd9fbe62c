"""Withdraw an offer: nobody new is put on it, and whoever is on it stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.db import transaction

from audit.record import heads, record
from core.invalid import Invalid
from plans.models import Plan

if TYPE_CHECKING:
    from datetime import datetime


def withdraw(plan: Plan, *, now: datetime, actor: str = "billy") -> Plan:
    """Mark an offer as deleted, with its event. Raises Invalid the second time."""
    with transaction.atomic():
        rows = Plan.objects.select_for_update(of=("self",), no_key=True)
        locked = rows.select_related("company").get(pk=plan.pk)
        if locked.deleted_at is not None:
            raise Invalid(plan="is deleted already")
        company = locked.company
        chain = heads([company.pk])
        locked.deleted_at = locked.updated_at = now
        locked.save(update_fields=["deleted_at", "updated_at"])
        dedupe = f"plan.deleted/{locked.pk.hex}"
        fact = company.fact("plan.deleted", {"plan": locked.guid}, dedupe=dedupe)
        listens = [company.pk] if company.listens else []
        record([replace(fact, actor=actor)], heads=chain, now=now, listeners=listens)
    return locked
