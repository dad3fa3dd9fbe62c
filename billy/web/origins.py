"""Which pages of other sites may call the API from a browser: those whose whole origin is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse

from billy.web.errors import API

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponseBase

METHODS = "GET, POST, PUT, DELETE, PATCH, OPTIONS"
# The original's two, and what is of use besides.
TAKEN = "Content-Type,Authorization,Idempotency-Key,If-Match,If-None-Match,X-Request-ID"
TOLD = "ETag,X-Request-ID,Retry-After,Idempotency-Replayed"


class AllowedOrigins:
    """Middleware: let a browser hand our answers to a page of an origin that is on the list."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep what answers."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer what a browser asks beforehand, and mark every answer for an allowed origin."""
        if not (request.path.startswith(API) or request.path == "/"):
            return self._get_response(request)
        if request.method == "OPTIONS" and "Origin" in request.headers:
            answer: HttpResponseBase = HttpResponse("{}", content_type="application/json")
        else:
            answer = self._get_response(request)
        origin = request.headers.get("Origin", "")
        if origin and origin in settings.BILLY_ALLOWED_ORIGINS:
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Allow-Credentials"] = "true"
            answer.headers["Access-Control-Allow-Methods"] = METHODS
            answer.headers["Access-Control-Allow-Headers"] = TAKEN
            answer.headers["Access-Control-Expose-Headers"] = TOLD
        if settings.BILLY_ALLOWED_ORIGINS:
            answer.headers["Vary"] = ", ".join(filter(None, [answer.headers.get("Vary"), "Origin"]))
        return answer
