"""Errors, as the API answers them: whatever is raised below becomes one kind of body."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse
from rest_framework import exceptions

from billy.web.naming import current
from core.invalid import CardNumber, Invalid, Taken
from core.problem import CONTENT_TYPE, problem
from processors.base import ProcessorError

if TYPE_CHECKING:
    from collections.abc import Mapping

AGAIN_SECONDS = 5  # When to ask again, where the processor could not be reached.
CHALLENGE = 'Basic realm="Billy", Bearer realm="Billy"'
NO_KEY = "An API key is needed: as the user name of Basic, or as a Bearer token."
BAD_KEY = "This API key opens nothing: it is unknown, expired or revoked."

# What is raised by the framework, and how it is told.
KNOWN: dict[type[Exception], tuple[int, str, str]] = {
    Http404: (404, "NotFound", "There is no such thing."),
    exceptions.NotAuthenticated: (401, "Unauthorized", NO_KEY),
    exceptions.AuthenticationFailed: (401, "Unauthorized", BAD_KEY),
    exceptions.PermissionDenied: (403, "Forbidden", "This API key may not do this."),
    exceptions.MethodNotAllowed: (405, "MethodNotAllowed", "This address has no such method."),
    exceptions.Throttled: (429, "TooManyRequests", "Too many requests: come again later."),
}


class Problem(Exception):  # What the caller is told.
    """A request that is answered with an error; `errors` maps what was sent to what is wrong."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        errors: Mapping[str, str] | None = None,
        where: str = "pointer",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what is to be answered."""
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message
        self.errors, self.where, self.headers = dict(errors or {}), where, dict(headers or {})

    @classmethod
    def of(
        cls, invalid: Invalid, *, kind: str = "InvalidParameters", where: str = "pointer"
    ) -> Problem:
        """Return what bad input is answered with: 400; 409 for a name that is taken, 422 for cards.

        `kind` is the class that is told where neither is the case.
        """
        status = 400
        if isinstance(invalid, CardNumber):
            status, kind = 422, "CardNumber"
        elif isinstance(invalid, Taken):
            status, kind = 409, "DuplicateExternalIDError"
        elif "dispatch" in invalid.errors:  # The fence: a person must look, and nothing is sent.
            status, kind = 503, "DispatchFrozen"
        return cls(status, kind, str(invalid), errors=invalid.errors, where=where)


def operation(invalid: Invalid) -> Problem:
    """Return what is answered where the state of a thing forbids what was asked."""
    return Problem.of(invalid, kind="InvalidOperationError")


def answered(error: Exception) -> HttpResponse | None:
    """Return the answer to an error; None for one that is no fault of the request."""
    found = _problem(error)
    return None if found is None else response(found)


def response(found: Problem) -> HttpResponse:
    """Return a problem as an answer."""
    body = problem(
        found.status,
        found.kind,
        found.message,
        request_id=current(),
        errors=found.errors,
        where=found.where,
    )
    answer = HttpResponse(
        json.dumps(body, separators=(",", ":"), sort_keys=True),
        status=found.status,
        content_type=CONTENT_TYPE,
    )
    for name, value in found.headers.items():
        answer.headers[name] = value
    return answer


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, Invalid):
        return Problem.of(error)
    if isinstance(error, ProcessorError):
        return _of_processor(error)
    for kind, (status, name, words) in KNOWN.items():
        if isinstance(error, kind):
            return Problem(status, name, words, headers=_headers(error))
    return None


def _of_processor(error: ProcessorError) -> Problem:
    words = f"The processor did not answer as it should: {error.reason}"
    headers = {"Retry-After": str(AGAIN_SECONDS)}
    return Problem(503, "ProcessorUnavailable", words, headers=headers)


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        return {"WWW-Authenticate": CHALLENGE}
    if isinstance(error, exceptions.Throttled):
        return {"Retry-After": str(max(1, math.ceil(getattr(error, "wait", 1) or 1)))}
    return {}
