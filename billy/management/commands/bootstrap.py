"""`manage.py bootstrap`: a company with an API key and an account at the processor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.clock import database_now
from accounts.enroll import enroll
from billy.ready import migrate_if_empty
from core.invalid import Invalid
from processors.base import Account, ProcessorError
from schedulers import limits

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from accounts.models import Company
    from processors.base import Processor


class Command(BaseCommand):
    """Make a company, with a key to Billy's API and a key to the processor."""

    help = "Make a company with an API key, and an account at the processor for it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where the processor is, and what to print."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--name", default="Bootstrapped company")
        parser.add_argument(
            "--processor-url",
            default=settings.BILLY_BALANCED_URL,
            help="where the processor listens (default: BILLY_BALANCED_URL)",
        )
        parser.add_argument(
            "--processor-key", help="the key of an account there (default: a new account is opened)"
        )
        parser.add_argument(
            "--public-url", help="where the processor can call us back (default: we poll it)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Open the account, make the company, print its keys: they are shown this once."""
        migrate_if_empty()
        processor = limits.processor()
        url, key = options["processor_url"], options["processor_key"]
        try:
            account = Account(url=url, secret=key) if key else processor.open_account(url=url)
            company, clear = enroll(
                name=options["name"], account=account, processor=processor, now=database_now()
            )
        except ProcessorError as error:
            message = f"--processor-url: the processor at {url} did not help: {error.reason}"
            raise CommandError(message) from error
        except Invalid as invalid:
            raise CommandError(str(invalid)) from invalid
        made = {
            "company": company.guid,
            "api_key": clear,
            "processor_key": account.secret,
            "processor_url": account.url,
        }
        if options["json"]:
            self.stdout.write(json.dumps(made))
        else:
            for name, value in made.items():
                self.stdout.write(f"{name:14} {value}")
        # Only now: the keys must be told even where the processor refuses to call us back.
        if options["public_url"]:
            address = callback_address(options["public_url"], company)
            _register(address, account=account, processor=processor)


def _register(address: str, *, account: Account, processor: Processor) -> None:
    try:
        processor.register_callback(account=account, url=address)
    except ProcessorError as error:
        message = f"--public-url: the processor will not call us, so it is polled: {error.reason}"
        raise CommandError(message) from error


def callback_address(public_url: str, company: Company) -> str:
    """Return the address that the processor is to call; its last part is the secret."""
    return f"{public_url.rstrip('/')}/v1/companies/{company.guid}/callbacks/{company.callback_key}/"
