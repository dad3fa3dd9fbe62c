"""The address that the processor calls: no key, the path is the secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.http import JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from accounts.clock import database_now
from core.invalid import Invalid
from schedulers import limits
from webhooks import receive

if TYPE_CHECKING:
    from django.http import HttpRequest

log = logging.getLogger(__name__)

LARGEST_BODY = 256 * 1024


@method_decorator(csrf_exempt, name="dispatch")
class Callback(View):
    """`POST /v1/companies/{guid}/callbacks/{key}`: take an event in."""

    http_method_names = ("post",)

    def post(self, request: HttpRequest, guid: str, key: str) -> JsonResponse:
        """Answer `{"code": "ok" | "ignore"}`, 404 for a wrong address, 400 for no event."""
        try:
            raw = _body(request)
        except OSError:
            return _error(400, "InvalidCallbackPayload", "body: ended before its time")
        if len(raw) > LARGEST_BODY:
            return _error(413, "PayloadTooLarge", f"body: at most {LARGEST_BODY} bytes are taken")
        try:
            code = receive.receive(
                company_guid=guid,
                key=key,
                raw=raw,
                processor=limits.processor(),
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


def _body(request: HttpRequest) -> bytes:
    """Read the body, and one byte more than the limit at most, whatever the headers say of it.

    Django trusts Content-Length alone, so it takes a chunked body for an empty one. A server that
    ends the stream itself says so. Raises OSError where the sender breaks off.
    """
    stream = request.META["wsgi.input"] if request.META.get("wsgi.input_terminated") else request
    raw: bytes = stream.read(LARGEST_BODY + 1)
    return raw


def _error(status: int, kind: str, message: str) -> JsonResponse:
    answer = JsonResponse({"error_class": kind, "error_message": message}, status=status)
    # Django would write a line with the whole address, and the address holds the secret.
    answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  # Its only switch.
    log.warning("a callback was answered %s: %s", status, message)
    return answer
