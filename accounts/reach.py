"""What a batch needs to know of its companies: where their calls go, and who listens."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts.models import Company
from accounts.secret import UnreadableSecret
from processors.base import Account

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

logger = logging.getLogger(__name__)

FIELDS = ("pk", "processor_url", "processor_account", "listens", "processor_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A company's account at its processor, None where it has no key that can be read.

    `name` is what the processor calls the account: an attempt goes through no other.
    """

    account: Account | None
    name: str
    listens: bool


def reach(companies: Collection[UUID]) -> dict[UUID, Reach]:
    """Return it for each company, with one statement; an unreadable key spoils only its own."""
    try:
        return _read(companies)
    except UnreadableSecret:
        return {each: _alone(each) for each in companies}


def _read(companies: Collection[UUID]) -> dict[UUID, Reach]:
    found = Company.objects.filter(pk__in=companies).values_list(*FIELDS)
    return {
        pk: Reach(
            account=Account(url=url, secret=secret) if secret else None, name=name, listens=listens
        )
        for pk, url, name, listens, secret in found
    }


def _alone(company: UUID) -> Reach:
    try:
        return _read([company])[company]
    except UnreadableSecret:
        logger.exception("a secret of company %s cannot be read", company)
        found = Company.objects.values_list("processor_account", "listens").get(pk=company)
        return Reach(account=None, name=found[0], listens=found[1])
