"""A company registers itself, as the original allowed: with a key to its processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from accounts.models import ApiKey, Company
from core import check
from core.invalid import Invalid
from processors.base import Account, Misconfigured, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from processors.base import Processor

KEY_LIMIT = 64


def register(
    *,
    processor_key: str,
    processor_url: str,
    processor: Processor,
    address: Callable[[Company], str],
    now: datetime,
) -> tuple[Company, str]:
    """Open a company on an account that exists there; returns it with its new API key in clear.

    The processor is told the `address` of the company's callbacks first; where it refuses, nothing
    is made. One processor key may serve many companies. Raises Invalid and ProcessorError.
    """
    check.text("processor_key", processor_key, limit=KEY_LIMIT, is_required=True)
    account = Account(url=processor_url, secret=processor_key)
    try:
        remote = processor.identify(account=account)
        company = Company.drafted(
            name=remote[:128], processor_url=processor_url, processor_key=processor_key, now=now
        )
        company.processor_account = remote
        processor.register_callback(account=account, url=address(company))
    except (Misconfigured, Rejected) as error:
        raise Invalid(processor_key=f"does not open an account: {error.reason}") from None
    with transaction.atomic():
        company.insert(now=now)
        _, clear = ApiKey.issue(company, now=now)
    return company, clear
