"""What an order came to: frozen results that the cycle writes down."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from core.light import light

if TYPE_CHECKING:
    from uuid import UUID

    from processors.base import Order

DEADLINE = "deadline"  # The code of what was given back before any call began.


class Verdict(StrEnum):
    """What is known after a call, and so what may be done next."""

    SUCCEEDED = "succeeded"  # The money moved.
    PENDING = "pending"  # Accepted; the processor will say later.
    DECLINED = "declined"  # Executed, and the answer is no. A new attempt needs a new key.
    REJECTED = "rejected"  # Proven not executed, and would be refused again as it stands.
    RETURNED = "returned"  # Came back after it had succeeded.
    UNKNOWN = "unknown"  # Perhaps executed. Look it up; never send another.
    ABSENT = "absent"  # Looked up and not found, but it may not be sent again.
    NOT_SENT = "not_sent"  # Nothing left this machine. The same key later.
    BUSY = "busy"  # The processor asked us to wait. The same key later.
    MISCONFIGURED = "misconfigured"  # The key does not open the account. Stop and call a person.
    CONFLICT = "conflict"  # Same key, other request: our bug or a rewound database. Park it.


@light(frozen=True, slots=True, kw_only=True)
class Job:
    """An order in hand, and how far it has come.

    `look` says that it may have been sent before: look it up by its key first. `resend` says
    whether, not found, the same request may go out again under the same key.
    """

    transaction_id: UUID
    order: Order | None  # None where the company has no key: nothing can be sent.
    look: bool = False
    resend: bool = True
    uri: str = ""  # Where the processor keeps it, if it ever said.


@light(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job came to. `reason` is for people, `code` is the processor's."""

    transaction_id: UUID
    verdict: Verdict
    uri: str = ""
    code: str = ""
    reason: str = ""
    hard: bool = False
    retry_after_seconds: float = 0.0
