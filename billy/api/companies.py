"""Companies, as the original has them: one registers itself, and reads itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.http import Http404

from accounts.models import EXTERNAL_LIMIT, Company
from accounts.register import KEY_LIMIT, introduced, opened
from billy.api.callers import key_in
from billy.api.door import Answer, Door, Operation
from billy.api.inputs import Input, Text
from billy.api.naming import words
from billy.api.problems import Problem
from billy.api.shapes import Shape, instant, own_guid, text
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
                return self.keep(Answer(told(company, opened(company, now=self.now))))

    def stranger(self) -> str:
        """Return the processor's key: whoever has it could make a company on the account anyway."""
        return str(self.taken()["processor_key"])


class OneCompany(Door):
    """`GET /v1/companies/{guid}`."""

    tag = "companies"
    is_original = True
    operations = {"get": Operation(summary="Show the company of the key", shape=CompanyShape)}

    def get(self, _: Any, guid: str) -> Answer:
        """Show it; every other one is none."""
        try:
            identity = parse_guid(guid, PREFIXES["company"])
        except Invalid:
            raise Http404 from None
        if identity != self.company.pk:
            raise Http404
        carried = key_in(self.request.headers.get("Authorization", ""))
        return Answer(told(self.company, carried))


def told(company: Company, api_key: str | None) -> dict[str, Any]:
    """Return what is told of a company."""
    company.shown_key = api_key  # type: ignore[attr-defined]  # Told, not kept.
    said = CompanyShape.of(company)
    if settings.BILLY_SHOW_CALLBACK_KEY:
        said["callback_key"] = company.callback_key
    return said
