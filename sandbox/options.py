"""What the sandbox is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of one process.

    `ledger` is the file that holds the state, or None to keep nothing. `seed` makes ids and chances
    repeatable. `ach_delay_seconds` None lets test numbers decide a bank movement at once; a number
    creates it pending and settles it after so many seconds of the sandbox's clock. Of those that
    succeed, `ach_return_fraction` (0 to 1) come back after `ach_return_after_seconds`.
    `key_life_seconds` None keeps Idempotency-Keys for ever; `hide_keys` ignores the header, as the
    historic server did.
    """

    host: str = "127.0.0.1"
    port: int = 0
    ledger: Path | None = None
    seed: str | None = None
    faults: Mapping[str, object] = field(default_factory=dict)
    ach_delay_seconds: float | None = None
    ach_return_fraction: float = 0
    ach_return_after_seconds: float = 0
    dispute_delay_seconds: float = 1
    hide_keys: bool = False
    key_life_seconds: float | None = None
    callback_retry_seconds: float = 600
