"""Idempotency-Keys: which answer was given to which key.

Only a digest and the place of the answer in the ledger are held in memory. The answer itself is
made again from the line there, byte for byte.
"""

import json
import struct
from dataclasses import dataclass
from hashlib import blake2b

from sandbox.clock import instant
from sandbox.errors import Refusal
from sandbox.ledger import Place
from sandbox.wire import Json

DIGEST_BYTES = 16
canonical = json.JSONEncoder(separators=(",", ":"), sort_keys=True, check_circular=False).encode
PACKED = struct.Struct(f"<{DIGEST_BYTES}sQId")  # Digest, offset, length, seconds since 1970.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A key that is being worked on."""

    scope: str
    key: str
    fingerprint: bytes

    def stored(self) -> dict[str, Json]:
        """What the ledger keeps of it."""
        return {"scope": self.scope, "key": self.key, "fingerprint": self.fingerprint.hex()}

    @classmethod
    def restored(cls, answer: dict[str, Json]) -> "Ticket":
        """The ticket of an answer in the ledger."""
        return cls(
            scope=answer["scope"],
            key=answer["key"],
            fingerprint=bytes.fromhex(answer["fingerprint"]),
        )


def fingerprint(method: str, path: str, body: Json) -> bytes:
    """A digest of what was asked, the same for the same JSON however it is written."""
    asked = f"{method} {path} {canonical(body)}"
    return blake2b(asked.encode(), digest_size=DIGEST_BYTES).digest()


class Keys:
    """The keys of all scopes; a scope is a marketplace, or an API key that has none."""

    def __init__(self, *, life_seconds: float | None) -> None:
        self._life_seconds = life_seconds
        self._done: dict[str, dict[str, bytes]] = {}
        self._in_flight: set[tuple[str, str]] = set()

    def take(self, ticket: Ticket, *, at: str) -> Place | None:
        """Reserve a key; returns where its answer lies if it has one.

        Raises Refusal `idempotency-key-in-use` while another request holds it, and
        `idempotency-key-reused` if it was used for something else.
        """
        packed = self._done.get(ticket.scope, {}).get(ticket.key)
        if packed is not None:
            digest, offset, length, used_at = PACKED.unpack(packed)
            if not self._is_over(used_at, at):
                if digest != ticket.fingerprint:
                    raise Refusal("idempotency-key-reused")
                return Place(offset=offset, length=length)
        if (ticket.scope, ticket.key) in self._in_flight:
            raise Refusal("idempotency-key-in-use")
        self._in_flight.add((ticket.scope, ticket.key))
        return None

    def release(self, ticket: Ticket) -> None:
        """Give a reserved key free again."""
        self._in_flight.discard((ticket.scope, ticket.key))

    def remember(self, ticket: Ticket, place: Place, *, at: str) -> None:
        """Store where the answer to a key lies."""
        packed = PACKED.pack(
            ticket.fingerprint, place.offset, place.length, instant(at).timestamp()
        )
        self._done.setdefault(ticket.scope, {})[ticket.key] = packed

    def count(self) -> int:
        """How many keys have an answer."""
        return sum(len(keys) for keys in self._done.values())

    def _is_over(self, used_at: float, at: str) -> bool:
        if self._life_seconds is None:
            return False
        return bool(instant(at).timestamp() - used_at > self._life_seconds)
