"""The address that the processor calls: no key, the path is the secret."""

from __future__ import annotations

import logging
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from accounts import wall
from accounts.clock import database_now
from core.invalid import Invalid
from core.problem import CONTENT_TYPE, problem
from schedulers import limits
from webhooks import receive
from webhooks.buckets import Shared

if TYPE_CHECKING:
    from django.http import HttpRequest

    from accounts.models import Company

log = logging.getLogger(__name__)

LARGEST_BODY = 256 * 1024
NETWORK_BITS = 64  # An IPv6 host has as many addresses as it likes below these.


@method_decorator(csrf_exempt, name="dispatch")
class Callback(View):
    """`POST /v1/companies/{guid}/callbacks/{key}`: take an event in."""

    http_method_names = ("post",)

    def post(self, request: HttpRequest, guid: str, key: str) -> JsonResponse:
        """Answer `{"code": "ok" | "ignore"}`, 404 for a wrong address, 400 for no event.

        Whoever calls too often is answered 429 before anything is read or asked for.
        """
        wait_seconds = buckets("address").wait_seconds(source_of(request))
        if wait_seconds:
            return _slower(wait_seconds)
        try:
            raw = body_within(request, LARGEST_BODY)
        except BrokenBody:
            return _error(400, "InvalidCallbackPayload", "body: ended before its time")
        if len(raw) > LARGEST_BODY:
            return _error(413, "PayloadTooLarge", f"body: at most {LARGEST_BODY} bytes are taken")
        try:
            company = receive.company_at(guid, key)
        except receive.NoSuchAddress:
            return _error(404, "NotFound", "there is nothing at this address")
        # Only now: nobody else can use up what a company may send.
        wait_seconds = buckets("company").wait_seconds(company.pk)
        return _slower(wait_seconds) if wait_seconds else _taken(company, raw)

    def http_method_not_allowed(self, *_: object, **__: object) -> JsonResponse:
        """Answer 404, as the original did."""
        return _error(404, "NotFound", "there is nothing at this address")


@cache
def buckets(kind: str) -> Shared:
    """Return the buckets of callbacks, one for each address or for each company."""
    return Shared(
        kind,
        url=settings.REDIS_URL,
        per_second=settings.BILLY_CALLBACKS_PER_SECOND,
        at_once=settings.BILLY_CALLBACKS_AT_ONCE,
    )


def source_of(request: HttpRequest) -> str:
    """Return whom a request comes from: an IPv4 address, or an IPv6 network.

    Behind a proxy that is trusted, it is what the proxy saw: the last entry, which it wrote itself.
    """
    seen = str(request.META.get("REMOTE_ADDR", ""))
    if settings.BILLY_BEHIND_PROXY:
        seen = request.headers.get("X-Forwarded-For", seen).rpartition(",")[2].strip()
    try:
        address = ip_address(seen)
    except ValueError:
        return ""  # A socket of this machine has no address; all of them count as one.
    packed = address.packed if address.version == 4 else address.packed[: NETWORK_BITS // 8]  # noqa: PLR2004
    return packed.hex()


def _taken(company: Company, raw: bytes) -> JsonResponse:
    try:
        with wall.within(company.pk):
            code = receive.receive(
                company,
                raw=raw,
                processor=limits.processor(),
                now=database_now(),
                limits=limits.from_settings(),
            )
    except Invalid as invalid:
        return _error(400, "InvalidCallbackPayload", str(invalid))
    except receive.Crowded:
        return _slower(receive.CROWDED_SECONDS)
    return JsonResponse({"code": code})


def _slower(wait_seconds: int) -> JsonResponse:
    answer = _error(429, "TooManyRequests", f"try again in {wait_seconds} seconds")
    answer.headers["Retry-After"] = str(wait_seconds)
    return answer


class BrokenBody(Exception):  # The sender broke off, or framed it wrongly.
    """A body that cannot be read."""


def body_within(request: HttpRequest, limit: int) -> bytes:
    """Read the body, and one byte more than the limit at most, whatever the headers say of it.

    Django trusts Content-Length alone, so it takes a chunked body for an empty one. A server that
    ends the stream itself says so. Raises BrokenBody.
    """
    stream = request.META["wsgi.input"] if request.META.get("wsgi.input_terminated") else request
    try:
        raw: bytes = stream.read(limit + 1)
    except Exception:  # noqa: BLE001  # Every server has its own for a chunk that is none.
        raise BrokenBody from None
    return raw


def _error(status: int, kind: str, message: str) -> JsonResponse:
    body = problem(status, kind, message)
    answer = JsonResponse(body, status=status, content_type=CONTENT_TYPE)
    # Django would write a line with the whole address, and the address holds the secret.
    answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  # Its only switch.
    log.warning("a callback was answered %s: %s", status, message)
    return answer
