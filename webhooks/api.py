"""The address that the processor calls: no key, the path is the secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

import processors
from accounts.clock import database_now
from core.invalid import Invalid
from schedulers import limits
from webhooks import receive

if TYPE_CHECKING:
    from django.http import HttpRequest

LARGEST_BODY = 256 * 1024


@method_decorator(csrf_exempt, name="dispatch")
class Callback(View):
    """`POST /v1/companies/{guid}/callbacks/{key}`: take an event in."""

    http_method_names = ("post",)

    def post(self, request: HttpRequest, guid: str, key: str) -> JsonResponse:
        """Answer `{"code": "ok" | "ignore"}`, 404 for a wrong address, 400 for no event."""
        if int(request.headers.get("Content-Length") or 0) > LARGEST_BODY:
            return _error(413, "PayloadTooLarge", f"body: at most {LARGEST_BODY} bytes are taken")
        try:
            code = receive.receive(
                company_guid=guid,
                key=key,
                raw=request.body,
                processor=processors.load(settings.BILLY_PROCESSOR),
                now=database_now(),
                limits=limits.from_settings(),
            )
        except receive.NoSuchAddress:
            return _error(404, "NotFound", "there is nothing at this address")
        except Invalid as invalid:
            return _error(400, "InvalidCallbackPayload", str(invalid))
        return JsonResponse({"code": code})

    def http_method_not_allowed(self, *_: object, **__: object) -> JsonResponse:
        """Answer 404, as the original did."""
        return _error(404, "NotFound", "there is nothing at this address")


def _error(status: int, kind: str, message: str) -> JsonResponse:
    return JsonResponse({"error_class": kind, "error_message": message}, status=status)
