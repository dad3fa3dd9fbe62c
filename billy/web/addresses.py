"""No address may hold the number of a payment card: addresses end up in logs, ours and others'."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from billy.web.errors import answer
from core.cards import contains_card_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse


class NoCardNumbers:
    """Middleware: refuse such a request before anything repeats its address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep what answers."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 422 for a card number in the path or in the query, however it is written there."""
        query = request.META.get("QUERY_STRING", "")
        if contains_card_number(request.path) or contains_card_number(unquote_plus(query)):
            return answer(request, 422)
        return self._get_response(request)
