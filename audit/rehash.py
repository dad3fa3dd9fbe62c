"""Every chain computed anew, where the events are: by the database, in sets.

The canonical JSON of an event is built in SQL and hashed there. An event whose hash comes out right
is right, since there is no other text with that hash. All others (damaged, or of a form that the
SQL does not write as Python does) are computed again by `audit.chain`, which has the last word.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from audit.chain import Fact, digest
from audit.findings import Finding, Scope, offenders
from audit.models import AuditEvent, AuditTrail
from audit.sets import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

    Row = dict[str, Any]

EVENT = f'"{AuditEvent._meta.db_table}"'
TRAIL = f'"{AuditTrail._meta.db_table}"'
COLUMNS = (
    "trail_id",
    "seq",
    "company_id",
    "kind",
    "feed_id",
    "transaction_id",
    "amount",
    "moved",
    "currency",
    "body",
    "actor",
    "at",
    "dedupe",
    "prev",
    "hash",
)


def _scalar(value: str) -> str:
    return (
        f"CASE WHEN jsonb_typeof({value}) IN ('object', 'array') THEN NULL ELSE {value}::text END"
    )


def _object(value: str, inner: str, alias: str) -> str:
    """Return the SQL of an object's canonical text; null where a value of it has none."""
    return (
        f"(SELECT CASE WHEN count(*) = count(t) THEN '{{' || coalesce(string_agg("
        f"to_json({alias}.k)::text || ':' || t, ',' ORDER BY {alias}.k COLLATE \"C\"), '')"
        f" || '}}' END FROM jsonb_each({value}) AS {alias}(k, v), LATERAL (SELECT {inner}) AS x(t))"
    )


def _array(value: str, inner: str, alias: str) -> str:
    return (
        f"(SELECT CASE WHEN count(*) = count(t) THEN '[' || coalesce(string_agg("
        f"t, ',' ORDER BY {alias}.n), '') || ']' END"
        f" FROM jsonb_array_elements({value}) WITH ORDINALITY AS {alias}(v, n),"
        f" LATERAL (SELECT {inner}) AS x(t))"
    )


def _value(value: str, alias: str) -> str:
    """Return the SQL of a value that may be an object or array of plain values."""
    return (
        f"CASE jsonb_typeof({value})"
        f" WHEN 'object' THEN {_object(value, _scalar(alias + '.v'), alias)}"
        f" WHEN 'array' THEN {_array(value, _scalar(alias + '.v'), alias)}"
        f" ELSE {value}::text END"
    )


# The keys in the order of `chain.content`, whose canonical JSON sorts them.
CONTENT = f"""
'{{"actor":' || to_json(e.actor)::text || ',"amount":' || e.amount
|| ',"at":' || (extract(epoch FROM e.at) * 1000000)::bigint
|| ',"body":' || {_object("e.body", _value("o.v", "i"), "o")}
|| ',"company":"' || e.company_id || '","currency":' || to_json(e.currency)::text
|| ',"dedupe":' || to_json(e.dedupe)::text
|| ',"feed":' || coalesce('"' || e.feed_id || '"', 'null')
|| ',"kind":' || to_json(e.kind)::text || ',"moved":' || coalesce(e.moved::text, 'null')
|| ',"seq":' || e.seq || ',"trail":"' || e.trail_id
|| '","transaction":' || coalesce('"' || e.transaction_id || '"', 'null') || '}}'
"""
DOUBTFUL = (
    f"SELECT {', '.join(f'e.{column}' for column in COLUMNS)} FROM {EVENT} e"
    f" WHERE e.hash IS DISTINCT FROM sha256(e.prev || convert_to({CONTENT}, 'UTF8'))"
)

UNCHAINED = f"""
SELECT t.subject, e.trail_id, CASE WHEN e.seq = 1 THEN 'event 1 is chained to something'
       WHEN p.seq IS NULL THEN 'events are missing before event ' || e.seq
       ELSE 'event ' || e.seq || ' is not chained to the event before it' END
  FROM {EVENT} e LEFT JOIN {EVENT} p ON p.trail_id = e.trail_id AND p.seq = e.seq - 1
  LEFT JOIN {TRAIL} t ON t.id = e.trail_id
 WHERE e.prev <> coalesce(p.hash, ''::bytea) OR (e.seq <> 1 AND p.seq IS NULL)
UNION ALL
SELECT t.subject, t.id, 'has ' || coalesce(e.count, 0) || ' events up to ' || coalesce(e.last, 0)
       || ', and its head says ' || t.head_seq
  FROM {TRAIL} t LEFT JOIN
       (SELECT trail_id, count(*), max(seq) last FROM {EVENT} GROUP BY trail_id) e
    ON e.trail_id = t.id
 WHERE (coalesce(e.count, 0), coalesce(e.last, 0)) <> (t.head_seq, t.head_seq)
"""


def chains(scope: Scope) -> Iterator[Finding]:
    """Yield every event that is missing, changed, or not chained to the one before it."""
    for values in fetch(DOUBTFUL, {}):
        row: Row = dict(zip(COLUMNS, values, strict=True))
        if bytes(row["hash"]) != digest_of(row):
            where = f"trail {row['trail_id']} #{row['seq']}"
            yield Finding(where, "was changed after it was written")
    yield from offenders(UNCHAINED, scope)


def digest_of(row: Row) -> bytes:
    """Return the hash that the event must have; nothing for what has no canonical form."""
    fact = Fact(
        trail_id=row["trail_id"],
        company_id=row["company_id"],
        kind=row["kind"],
        currency=row["currency"],
        dedupe=row["dedupe"],
        amount=row["amount"],
        moved=row["moved"],
        feed_id=row["feed_id"],
        transaction_id=row["transaction_id"],
        body=json.loads(row["body"]),
        actor=row["actor"],
    )
    try:
        return digest(prev=bytes(row["prev"]), seq=row["seq"], at=row["at"], fact=fact)
    except ValueError:
        return b""  # Such an event is never written.
