"""Open a company with its own account at the processor: what a new installation needs first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from accounts.models import ApiKey, Company, Installation

if TYPE_CHECKING:
    from datetime import datetime

    from processors.base import Account, Processor


def enroll(
    *, name: str, account: Account | None, processor: Processor, now: datetime
) -> tuple[Company, str]:
    """Open a company on an account at the processor; returns it with its new API key in clear.

    It becomes the installation's default company unless there is one that can charge already.
    Raises Invalid, and Misconfigured for a key that does not open the account.
    """
    remote = processor.identify(account=account) if account is not None else ""
    with transaction.atomic():
        company = Company.create(
            name=name,
            processor_url=account.url if account is not None else "",
            processor_key=account.secret if account is not None else "",
            now=now,
        )
        company.processor_account = remote
        company.save(update_fields=["processor_account"])
        _, clear = ApiKey.issue(company, now=now)
        installation = Installation.objects.select_for_update().get(pk=1)
        default = installation.default_company
        if default is None or not default.processor_key:
            installation.default_company = company
            installation.save(update_fields=["default_company"])
    return company, clear
