"""Signatures as Standard Webhooks has them, by its own library: any of its libraries checks ours.

A secret is `whsec_` and base 64. While one is replaced there are two signatures, with a blank
between, and a receiver takes either.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

from standardwebhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a secret: 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signatures(keys: Iterable[str], *, message_id: str, at: datetime, body: bytes) -> str:
    """Return the value of `webhook-signature`; `at` is in UTC, and told in whole seconds."""
    text = body.decode()
    return " ".join(Webhook(key).sign(message_id, at, text) for key in keys)
