"""What a caller sees when something went wrong: a status, a few words, and the request's name.

No path, no statement, no secret, no value that was sent: what happened is in the log, under the
same name. Callers of the API get JSON, people get a small page.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError
from django.http import HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.utils.html import format_html

from billy.web.naming import current
from core.problem import CONTENT_TYPE, problem

if TYPE_CHECKING:
    from django.http import HttpRequest

log = logging.getLogger(__name__)

API = "/v1/"
# What a value that nothing refused becomes deep inside: in the database, in a codec, in arithmetic.
BAD_INPUT = (
    *(ValueError, ValidationError, DataError, OverflowError, RecursionError),
    FieldDoesNotExist,  # The admin takes names of fields from the address.
)
WORDS = {
    400: ("BadRequest", "This request cannot be understood."),
    403: ("Forbidden", "You may not do this."),
    404: ("NotFound", "There is nothing at this address."),
    422: ("CardNumber", "An address must not hold the number of a payment card."),
    500: ("InternalError", "Something went wrong here. It was noted."),
}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400."""
    del exception
    return answer(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    del exception
    return answer(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    del exception
    return answer(request, 404)


def failed(request: HttpRequest) -> HttpResponse:
    """Answer 500; or 400 where the error is one that bad input makes, and say so in the log.

    It is the last resort: whoever reads that line adds the check which was missing.
    """
    error = sys.exception()
    if isinstance(error, UnreadablePostError):
        return answer(request, 400)  # The sender broke off, and will not even read this.
    if isinstance(error, BAD_INPUT):
        log.error("ALARM: bad input was refused by nothing but %s", type(error).__name__)
        return answer(request, 400)
    return answer(request, 500)


def answer(request: HttpRequest, status: int) -> HttpResponse:
    """Return the body of an error."""
    kind, words = WORDS[status]
    name = current()
    if request.path.startswith(API):
        body = problem(status, kind, words, request_id=name)
        return JsonResponse(body, status=status, content_type=CONTENT_TYPE)
    page = format_html(
        '<!doctype html><html lang="en"><title>{0}</title><h1>{0}</h1><p>Request {1}</p></html>',
        words,
        name,
    )
    return HttpResponse(page, status=status)
