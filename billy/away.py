"""What the web answers while the database is away: that it is, and to come again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError
from django.http import JsonResponse

from billy.web.naming import current
from core.problem import CONTENT_TYPE, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponseBase

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5  # A server that crashed has recovered by then, as a rule.
LOST = (OperationalError, InterfaceError)  # The database is away, or took another's side.


class DatabaseAway:
    """Turns a lost database into 503: whoever asked may ask again, and nothing of ours is broken.

    A 500 would also have Django log the whole address, and a callback's address holds a secret.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on."""
        return self._get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> JsonResponse | None:
        """Answer 503 where the database is away; any other error is not ours to answer."""
        if not isinstance(error, LOST):
            return None
        logger.warning("a request was answered 503: %s", str(error).strip())
        words = "the database is away: ask again"
        answer = JsonResponse(
            problem(503, "Unavailable", words, request_id=current()),
            status=503,
            content_type=CONTENT_TYPE,
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
        answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  # Its only switch.
        return answer
