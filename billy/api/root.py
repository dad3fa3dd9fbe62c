"""The server itself: `/`, the description of the API, and its pages."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Max
from django.http import HttpResponse
from django.shortcuts import render

import billy
from billy.api.door import Answer, Operation, Public
from billy.api.shapes import Shape, Told, text, written
from invoices.models import Transaction

if TYPE_CHECKING:
    from django.http import HttpRequest

DESCRIPTION = Path(__file__).with_name("openapi.json")
# What the pages may load: what is served here, and the colours that their styles hold.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class ServerShape(Shape):
    """What runs here."""

    server = text("server")
    powered_by = text("powered_by")
    version = text("version")
    revision = text("revision", null=True)
    last_transaction_created_at = Told(
        "string", lambda row: written(row.last), null=True, format="date-time"
    )


class Server(Public):
    """`GET /`."""

    tag = "server"
    is_original = True
    operations = {"get": Operation(summary="What runs here", shape=ServerShape)}

    def get(self, _: Any) -> Answer:
        """Tell the server, its version, and when money was last asked for."""
        self.last = Transaction.objects.aggregate(last=Max("created_at"))["last"]
        return Answer(ServerShape.of(self))

    server = "Billy - The recurring payment server"
    version = billy.__version__

    @property
    def powered_by(self) -> str:
        """Return what Billy runs on."""
        return f"Python {platform.python_version()}"

    @property
    def revision(self) -> str | None:
        """Return which build it is, where that was said."""
        return settings.BILLY_REVISION or None


class Description(Public):
    """`GET /v1/openapi.json`."""

    tag = "server"
    operations = {"get": Operation(summary="This description, as OpenAPI 3.1")}

    def get(self, _: Any) -> HttpResponse:
        """Tell the file."""
        return HttpResponse(_description(), content_type="application/json")


@cache
def _description() -> bytes:
    return DESCRIPTION.read_bytes()


def docs(request: HttpRequest) -> HttpResponse:
    """Show the description as pages to read, `/v1/docs/`; everything on them is served here."""
    answer = render(request, "api/docs.html")
    answer.headers["Content-Security-Policy"] = PAGE_POLICY
    return answer


def docs_script(request: HttpRequest) -> HttpResponse:
    """Tell the few lines that start the pages: no script stands within a page of ours."""
    return render(request, "api/docs.js", content_type="text/javascript")
