"""Each request has a name, `X-Request-ID`: the sender's, or one of ours; answers and logs tell it.

The name comes from outside, so only letters, digits and `._-` are taken, and not many of them.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from core.cards import contains_card_number
from core.problem import request_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
TAKEN = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestName:
    """Middleware: name the request before anything else may fail or write a line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep what answers."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer under a name, which stays until the next: Django and gunicorn log afterwards."""
        name = chosen(request.headers.get(HEADER, ""))
        request_name.set(name)
        response = self._get_response(request)
        response.headers[HEADER] = name
        return response


def chosen(offered: str) -> str:
    """Return the name that was offered, or one of ours where that cannot be told on."""
    sound = TAKEN.fullmatch(offered) and not contains_card_number(offered)
    return offered if sound else uuid.uuid4().hex


def current() -> str:
    """Return the name of the request that this thread works on, `-` for none."""
    return request_name.get()
