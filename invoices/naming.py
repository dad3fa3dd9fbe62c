"""Names that a rewound database makes again: ids, and the keys of attempts.

Both are derived from what they name, never drawn: after a restore the same occurrence asks the
processor the same thing under the same key, and gets the old answer instead of a second charge.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from accounts.models import Installation
from core.ids import PREFIXES, derived, derived_beside, guid, payment_key, text_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


def feed_id(*, trail: UUID, due_at: datetime, occurrence: int | str) -> UUID:
    """Return the id of the feed of an occurrence (or of a one-off's own name)."""
    return derived(at=due_at, parts=("feed", text_of(trail), occurrence))


def transaction_id(*, feed: UUID, kind: str, attempt: int | str) -> UUID:
    """Return the id of an attempt: its instant is its feed's."""
    return derived_beside(feed, ("transaction", text_of(feed), kind, attempt))


def charge_key(
    *, company: UUID, trail: UUID, feed: UUID, occurrence: int | None, attempt: int
) -> str:
    """Return the key of a debit or credit: of its scheduler and occurrence, or its own feed."""
    periodic = occurrence is not None
    subject = _guid("scheduler", trail) if periodic else _guid("feed", feed)
    return payment_key(
        instance_id=instance_id(),
        company=_guid("company", company),
        subject=subject,
        occurrence=occurrence if occurrence is not None else 0,
        attempt=attempt,
    )


def give_back_key(*, company: UUID, request: UUID, kind: str) -> str:
    """Return the key of a refund or reversal: of the transaction that asks for it."""
    return payment_key(
        instance_id=instance_id(),
        company=_guid("company", company),
        subject=_guid("transaction", request),
        occurrence=0,
        attempt=1,
        kind=kind,
    )


def instance_id() -> str:
    """Return this installation's own id, the root of every key; DoesNotExist before set-up."""
    from django.db import connection

    return _instance_id(str(connection.settings_dict["NAME"]))


def forget() -> None:
    """Read the installation's id again the next time: a copy may have been given one of its own."""
    _instance_id.cache_clear()


@lru_cache(maxsize=8)
def _instance_id(_database: str) -> str:
    return str(Installation.objects.values_list("instance_id", flat=True).get(pk=1))


@lru_cache(maxsize=4096)
def _guid(kind: str, identity: UUID) -> str:
    return guid(PREFIXES[kind], identity)
