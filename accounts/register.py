"""A company registers itself, as the original allowed: with a key to its processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from accounts.models import NAME_LIMIT, ApiKey, Company
from core import check
from core.invalid import Invalid
from processors.base import Misconfigured, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from processors.base import Account, Processor

KEY_LIMIT = 64


def introduced(
    account: Account,
    *,
    processor: Processor,
    address: Callable[[Company], str],
    external_id: str | None = None,
    now: datetime,
) -> Company:
    """Return the company of an account that exists there, not yet written: the wire comes first.

    The processor is told the `address` of the company's callbacks; where it refuses, nothing is
    made. One processor key may serve many companies. Raises Invalid and ProcessorError.
    """
    check.text("processor_key", account.secret, limit=KEY_LIMIT, is_required=True)
    try:
        remote = processor.identify(account=account)
        company = Company.drafted(
            name=remote[:NAME_LIMIT],
            external_id=external_id,
            processor_url=account.url,
            processor_key=account.secret,
            now=now,
        )
        company.processor_account = remote
        processor.register_callback(account=account, url=address(company))
    except (Misconfigured, Rejected) as error:
        raise Invalid(processor_key=f"does not open an account: {error.reason}") from None
    return company


def opened(company: Company, *, now: datetime) -> str:
    """Write a company that was introduced; returns its new API key in clear. Raises Taken."""
    with transaction.atomic():
        company.insert(now=now)
        _, clear = ApiKey.issue(company, now=now)
    return clear
