"""Who calls: the API key, what it may do, and how often."""

from __future__ import annotations

import base64
import binascii
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.throttling import BaseThrottle

from accounts import keys
from billy.api.problems import CHALLENGE, Problem
from webhooks.api import source_of
from webhooks.buckets import Shared

if TYPE_CHECKING:
    from accounts.models import ApiKey, Company

KEY = re.compile(r"[1-9A-HJ-NP-Za-km-z]{43,44}")  # As core.ids.api_key makes them.
# Who guesses at keys is slowed down long before that leads anywhere; good keys are not counted.
GUESSES_PER_SECOND = 20.0
GUESSES_AT_ONCE = 1_000


class ByKey(BaseAuthentication):
    """Basic with the key as user name (the password is passed over), or Bearer."""

    def authenticate(self, request: Any) -> tuple[Company, ApiKey]:
        """Return the company and the key; raises what becomes 401, or 429 for many bad ones."""
        clear = key_in(request.headers.get("Authorization", ""))
        if clear is None:
            raise exceptions.NotAuthenticated
        opened = keys.opened_by(clear) if KEY.fullmatch(clear) else None
        if opened is None:
            wait_seconds = buckets("guess").wait_seconds(source_of(request))
            if wait_seconds:
                raise exceptions.Throttled(wait_seconds)
            raise exceptions.AuthenticationFailed
        keys.used(opened.key, now=opened.at)
        request.asked_at = opened.at
        return opened.key.company, opened.key

    def authenticate_header(self, request: Any) -> str:
        """Return how to do better."""
        del request
        return CHALLENGE


class Scoped(BasePermission):
    """Each operation needs one scope, and the key has it or not."""

    def has_permission(self, request: Any, view: Any) -> bool:
        """Raise Problem (403) for a key that may not; what the address lacks is told by 405."""
        operation = view.operations.get(request.method.lower().replace("head", "get"))
        if operation is None or view.is_public or operation.scope in request.auth.scopes:
            return True
        needed = f"This API key may not do this: it needs the scope `{operation.scope}`."
        raise Problem(403, "Forbidden", needed)


class Paced(BaseThrottle):
    """A bucket for each key; for routes without one, a bucket for each source."""

    def __init__(self) -> None:
        """Have nobody waiting yet."""
        self._wait_seconds = 0

    def allow_request(self, request: Any, view: Any) -> bool:
        """Take a token."""
        kind, who = ("source", source_of(request)) if view.is_public else ("key", request.auth.pk)
        self._wait_seconds = buckets(kind).wait_seconds(who)
        return not self._wait_seconds

    def wait(self) -> float:
        """Return in how many seconds there will be a token."""
        return float(self._wait_seconds)


@cache
def buckets(kind: str) -> Shared:
    """Return the buckets of keys, of sources, or of those who guess."""
    guess = kind == "guess"
    return Shared(
        kind,
        url=settings.REDIS_URL,
        per_second=GUESSES_PER_SECOND if guess else settings.BILLY_REQUESTS_PER_SECOND,
        at_once=GUESSES_AT_ONCE if guess else settings.BILLY_REQUESTS_AT_ONCE,
    )


def key_in(header: str) -> str | None:
    """Return the key that an Authorization header carries, None where it carries none."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(rest.strip().encode("ascii"), validate=True)
    except (binascii.Error, ValueError):  # A header that is not ASCII is a ValueError.
        return None
    return decoded.partition(b":")[0].decode("latin-1") or None
