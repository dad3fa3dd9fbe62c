"""Companies, as the original has them: one registers itself, and reads itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.http import Http404

from accounts import limits as money
from accounts.models import EXTERNAL_LIMIT, LARGEST_ALARM, LONGEST_HOLD_HOURS, Company
from accounts.register import KEY_LIMIT, introduced, opened
from billy.api.callers import key_in
from billy.api.door import Answer, Door, Operation, tag_of
from billy.api.inputs import Input, Text, Whole
from billy.api.naming import words
from billy.api.problems import Problem
from billy.api.shapes import Shape, instant, own_guid, text, whole
from billy.management.commands.bootstrap import callback_address
from core.ids import PREFIXES, parse_guid
from core.invalid import Invalid
from processors.base import Account
from schedulers import limits

if TYPE_CHECKING:
    from django.http import HttpResponse

CLOSED = (
    "This installation opens no companies for strangers. `manage.py bootstrap` makes one, and "
    "BILLY_OPEN_REGISTRATION=1 lets everybody."
)


class CompanyShape(Shape):
    """A company. Its API key is told to whoever makes it, and to the key itself."""

    guid = own_guid("company")
    api_key = text("shown_key", null=True, about="Null for any other key than this one.")
    created_at = instant("created_at")
    updated_at = instant("updated_at")
    external_id = text("external_id", null=True)
    amount_limit = whole("amount_limit", null=True, about="The most of one payment; minor units.")
    payout_cap = whole(
        "payout_cap",
        null=True,
        about="The most of a local day's payouts, by currency; minor units.",
    )
    payout_hold_hours = whole(
        "payout_hold_hours", about="How long a new account waits for its first payout."
    )
    payments_alarm = whole(
        "payments_alarm", null=True, about="More payments than this in an hour raise an alarm."
    )

    optional = ("callback_key",)
    callback_key = text("callback_key", about="Only where BILLY_SHOW_CALLBACK_KEY is set.")

    @classmethod
    def of(cls, row: Any) -> dict[str, Any]:
        """Return what is told of a company; its callback key too, where the settings say so."""
        said = super().of(row)
        if settings.BILLY_SHOW_CALLBACK_KEY:
            said["callback_key"] = row.callback_key
        return said


class NewCompany(Input):
    """What a company is made of."""

    is_lenient = True
    processor_key = Text(
        KEY_LIMIT, required=True, about="A key to your account at the processor.", example="secret"
    )
    external_id = Text(
        EXTERNAL_LIMIT, about="Your own name for it; unique among all companies here."
    )


class Companies(Door):
    """`POST /v1/companies`."""

    tag = "companies"
    is_original = is_public = True
    operations = {
        "post": Operation(
            summary="Register a company",
            shape=CompanyShape,
            taken=NewCompany,
            errors=(403,),
            about=(
                "Needs no key, and BILLY_OPEN_REGISTRATION. The API key is told here once, and "
                "again to whoever sends the same Idempotency-Key with the same processor key."
            ),
        )
    }

    def make(self) -> HttpResponse:
        """Open a company on the processor's account that the key opens."""
        if not settings.BILLY_OPEN_REGISTRATION:
            raise Problem(403, "Forbidden", CLOSED)
        given = self.taken()
        root = settings.BILLY_PUBLIC_URL or f"{self.request.scheme}://{self.request.get_host()}"
        with words():
            company = introduced(
                Account(url=settings.BILLY_BALANCED_URL, secret=given["processor_key"]),
                processor=limits.processor(),
                address=lambda made: callback_address(root, made),
                external_id=given["external_id"],
                now=self.now,
            )
            with transaction.atomic():
                said = told(company, opened(company, now=self.now))
                return self.keep(Answer(said, ETag=tag_of(said)))

    def stranger(self) -> str:
        """Return the processor's key: whoever has it could make a company on the account anyway."""
        return str(self.taken()["processor_key"])


class Limits(Input):
    """The limits of money that are to change; null takes one away."""

    empty_is_absent = False
    amount_limit = Whole(1, about="The most of one payment; minor units.", example=1_000_000)
    payout_cap = Whole(1, about="The most of a local day's payouts, by currency; minor units.")
    payout_hold_hours = Whole(
        0,
        LONGEST_HOLD_HOURS,
        about="How long a new account waits for its first payout.",
        example=24,
    )
    payments_alarm = Whole(
        1, LARGEST_ALARM, about="More payments than this in an hour raise an alarm."
    )


class OneCompany(Door):
    """`/v1/companies/{guid}`."""

    tag = "companies"
    is_original = True
    operations = {
        "get": Operation(summary="Show the company of the key", shape=CompanyShape),
        "put": Operation(
            summary="Change the company's limits of money",
            shape=CompanyShape,
            scope="admin",
            taken=Limits,
            about="What is not named stays as it is. What has left, or waits to, is not touched.",
        ),
    }

    def get(self, _: Any, guid: str) -> Answer:
        """Show it; every other one is none."""
        return self.told(self.one(guid))

    def put(self, _: Any, guid: str) -> Answer:
        """Change the limits that are given."""
        company = self.one(guid)
        terms = {name: None if value == "" else value for name, value in self.taken().items()}
        with words():
            changed = money.change(
                company,
                terms,
                now=self.now,
                actor=self.actor,
                seen=lambda locked: self.unless_changed(self.keyed(locked)),
            )
        return self.told(self.keyed(changed))

    def one(self, guid: str) -> Company:
        """Return the company of the key; raises Http404 for every other one."""
        try:
            identity = parse_guid(guid, PREFIXES["company"])
        except Invalid:
            raise Http404 from None
        if identity != self.company.pk:
            raise Http404
        return self.keyed(self.company)

    def keyed(self, company: Company) -> Company:
        """Return the company with the key that was sent, which is told to itself."""
        carried = key_in(self.request.headers.get("Authorization", ""))
        company.shown_key = carried  # type: ignore[attr-defined]  # Told, not kept.
        return company


def told(company: Company, api_key: str | None) -> dict[str, Any]:
    """Return what is told of a new company."""
    company.shown_key = api_key  # type: ignore[attr-defined]  # Told, not kept.
    return CompanyShape.of(company)
