"""Secrets at rest: encrypted columns, and keys that are stored only as their fingerprint."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Text = models.TextField[str, str]
else:
    _Text = models.TextField

PREFIX = "fernet1:"  # Names the scheme, so that a later one can live beside it.


class UnreadableSecret(RuntimeError):
    """None of BILLY_ENCRYPTION_KEYS opens this column: the key that wrote it is missing."""


class SecretField(_Text):
    """Text that is encrypted in the database and clear in Python. Empty text stays empty."""

    def get_prep_value(self, value: Any) -> Any:  # Django's own signature.
        """Encrypt under the first key."""
        if not value:
            return value
        return PREFIX + _box().encrypt(str(value).encode()).decode()

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        """Decrypt with whichever key wrote it; raises UnreadableSecret."""
        if not value:
            return value
        try:
            return _box().decrypt(value.removeprefix(PREFIX).encode()).decode()
        except InvalidToken:
            raise UnreadableSecret(UnreadableSecret.__doc__) from None


def renewed(stored: str) -> str:
    """Return a stored secret as the first key would have written it; itself where it has.

    Raises UnreadableSecret.
    """
    token = stored.removeprefix(PREFIX).encode()
    try:
        Fernet(settings.BILLY_ENCRYPTION_KEYS[0]).decrypt(token)
    except InvalidToken:
        try:
            return PREFIX + _box().rotate(token).decode()
        except InvalidToken:
            raise UnreadableSecret(UnreadableSecret.__doc__) from None
    return stored


def fingerprints(secret: str) -> list[str]:
    """Return what a secret may be stored as, under each live pepper, the one in use first."""
    said = secret.encode("utf-8", "surrogatepass")  # Whatever was said opens nothing, or its door.
    return [
        hmac.new(pepper.encode(), said, hashlib.sha256).hexdigest()
        for pepper in settings.BILLY_API_KEY_PEPPERS.values()
    ]


def _box() -> MultiFernet:
    return _box_of(tuple(settings.BILLY_ENCRYPTION_KEYS))


@lru_cache(maxsize=8)
def _box_of(keys: Sequence[str]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
