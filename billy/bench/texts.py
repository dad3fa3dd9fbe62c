"""Texts of SQL that compute what Billy computes in Python: derived ids and the hashes of events.

Both come out the same as Billy's own, to the last bit: a test compares them, and `audit.verify`
finds nothing to complain about in a trail that was written by them.
"""

from __future__ import annotations


def uuid_of(*, at: str, digest: str) -> str:
    """Return SQL for the derived UUID (`core.ids.derived`) of an instant and a SHA-256 in hex."""
    return (
        f"(lpad(to_hex({milliseconds(at)}), 12, '0') || '8' || substr({digest}, 1, 3)"
        f" || translate(substr({digest}, 17, 1), '0123456789abcdef', '89ab89ab89ab89ab')"
        f" || substr({digest}, 18, 15))::uuid"
    )


def digest_of(*parts: str) -> str:
    """Return SQL for the SHA-256, in hex, of parts (SQL texts), each with its length in front."""
    text = " || ".join(f"length({part}) || ':' || {part}" for part in parts)
    return f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')"


def milliseconds(at: str) -> str:
    """Return SQL for the whole milliseconds since 1970 of an instant."""
    return f"floor(extract(epoch FROM {at}) * 1000)::bigint"


def microseconds(at: str) -> str:
    """Return SQL for the whole microseconds since 1970 of an instant."""
    return f"(extract(epoch FROM {at}) * 1000000)::bigint"


def iso(at: str) -> str:
    """Return SQL for an instant without fractions, as Python writes it in UTC."""
    return f"to_char({at} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '+00:00'"


def canonical_event(**columns: str | None) -> str:
    """Return SQL for the canonical JSON of an event, as `audit.chain.content` writes it.

    The columns are SQL; None is null. `body` is the canonical JSON of the body, as text.
    """
    bare = {"amount", "body", "moved", "seq"}
    parts = ['\'{"actor":"billy"\'']
    for name, value in sorted(columns.items()):
        if value is None:
            parts.append(f"',\"{name}\":null'")
        elif name == "at":
            parts.append(f"',\"at\":' || {microseconds(value)}")
        elif name in bare:
            parts.append(f"',\"{name}\":' || {value}")
        else:
            parts.append(f"',\"{name}\":\"' || {value} || '\"'")
    return " || ".join([*parts, "'}'"])
