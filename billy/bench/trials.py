"""What was tried, as things that a process of the benchmark can be asked to do."""

from __future__ import annotations

import io
import json
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import urllib3
from django.db import connection, transaction

from audit.chain import Fact, canonical
from audit.record import EVENT_COLUMNS
from audit.sets import execute, fetch, insert
from billy.bench import limit, stage
from billy.bench.measure import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Rows = list[tuple[Any, ...]]

EVENT = "billy_audit_auditevent"
BATCH = 500
FIRST_SEQ = 100  # Of the trials' events, so that they follow upon none and disturb none.


def write_events(*, way: str, cycles: int) -> dict[str, Any]:
    """Write events in batches, all constraints on: by unnest, by VALUES or by COPY."""
    write: Callable[[Rows], None] = {"unnest": _unnest, "values": _values, "copy": _copy}[way]
    rows = list(islice(_events(), cycles))
    with Meter() as meter:
        for start in range(0, cycles, BATCH):
            with transaction.atomic():
                write(rows[start : start + BATCH])
    ((count,),) = fetch(f"SELECT count(*) FROM {EVENT} WHERE seq >= %s", [FIRST_SEQ])
    meter.sample.cycles = count
    return meter.sample.told()


def encode(*, way: str, cycles: int) -> dict[str, Any]:
    """Write the canonical text of a body: by the encoder, by it alone, or by hand."""
    body = {"amount": 1500, "attempt": 1, "uri": "/debits/WD00000000000000000001"}
    plain = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
    ways: dict[str, Callable[[], str]] = {
        "canonical": partial(canonical, body),
        "encoder": partial(plain, body),
        "by hand": lambda: (
            f'{{"amount":{body["amount"]},"attempt":{body["attempt"]},'
            f'"uri":{json.dumps(body["uri"], ensure_ascii=False)}}}'
        ),
    }
    write = ways[way]
    with Meter() as meter:
        for _ in range(cycles):
            text = write()
    if text != canonical(body):
        raise AssertionError(text)
    meter.sample.cycles = cycles
    return meter.sample.told()


def store_bodies(*, kind: str, cycles: int) -> dict[str, Any]:
    """Write bodies into a column of that type."""
    body = canonical({"amount": 1500, "attempt": 1, "uri": "/debits/WD00000000000000000001"})
    execute(f"CREATE TABLE trial (id uuid PRIMARY KEY, body {kind} NOT NULL)")
    columns = {"id": "uuid", "body": kind}
    rows = [(uuid4(), body) for _ in range(cycles)]
    with Meter() as meter:
        for start in range(0, cycles, BATCH):
            insert("trial", columns, rows[start : start + BATCH])
    meter.sample.cycles = cycles
    return meter.sample.told()


def limit_without(*, index: str, cycles: int) -> dict[str, Any]:
    """Measure the limit without one index, or without the foreign keys."""
    for (statement,) in fetch(WITHOUT, {"index": index}):  # psycopg2 takes names too.
        execute(statement)
    with Meter() as meter:
        meter.sample.cycles = limit.run(now=stage.DUE_AT, batch_size=BATCH, cycles=cycles)
    return meter.sample.told()


def plan_limit(*, cycles: int) -> dict[str, float]:
    """Return the milliseconds that planning and executing one batch of the limit takes."""
    told = {"planning": 0.0, "executing": 0.0}
    del cycles
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {limit.INTENT}",
            {"now": stage.DUE_AT, "limit": BATCH, "share": BATCH // 4, "lease": 60, "token": 1},
        )
        ((found,),) = cursor.fetchall()
        plan = (json.loads(found) if isinstance(found, str) else found)[0]
        told["planning"] = plan["Planning Time"]
        told["executing"] = plan["Execution Time"]
        transaction.set_rollback(True)
    return told


def call_sandbox(*, address: str, keep: bool, cycles: int) -> dict[str, Any]:
    """Ask the sandbox small questions over one kept connection, or over a new one each."""
    pool = urllib3.PoolManager(maxsize=1, retries=False)
    headers = {} if keep else {"Connection": "close"}
    with Meter() as meter:
        for _ in range(cycles):
            pool.request("GET", f"{address}/_sandbox/clock", headers=headers)
    meter.sample.cycles = cycles
    return meter.sample.told()


def _unnest(rows: Rows) -> None:
    insert(EVENT, EVENT_COLUMNS, rows)


def _values(rows: Rows) -> None:
    one = "(" + ", ".join(f"%s::{kind}" for kind in EVENT_COLUMNS.values()) + ")"
    values = [str(value) if name == "id" else value for row in rows for name, value in _told(row)]
    names = ", ".join(EVENT_COLUMNS)
    execute(f"INSERT INTO {EVENT} ({names}) VALUES {', '.join([one] * len(rows))}", values)


def _told(row: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    for name, value in zip(EVENT_COLUMNS, row, strict=True):
        yield name, str(value) if EVENT_COLUMNS[name] == "uuid" and value is not None else value


def _copy(rows: Rows) -> None:
    text = "".join("\t".join(map(_copied, row)) + "\n" for row in rows)
    with connection.cursor() as cursor:
        cursor.copy_expert(
            f"COPY {EVENT} ({', '.join(EVENT_COLUMNS)}) FROM STDIN", io.StringIO(text)
        )


def _copied(value: Any) -> str:
    if value is None:
        return "\\N"
    return f"\\\\x{value.hex()}" if isinstance(value, bytes) else str(value).replace("\\", "\\\\")


def _events() -> Iterator[tuple[Any, ...]]:
    """Yield rows like those of successful charges, of every trail in turn."""
    trails = fetch("SELECT id, company_id FROM billy_audit_audittrail WHERE head_seq > 0")
    fact = partial(Fact, kind="debit.succeeded", currency="USD", body={})
    seq = FIRST_SEQ
    while True:
        for trail, company in trails:
            said = fact(trail_id=trail, company_id=company, dedupe=f"trial/{seq}")
            body = canonical(
                {"amount": 1500, "attempt": 1, "uri": "/debits/WD00000000000000000001"}
            )
            yield (uuid4(), company, trail, seq, said.kind, uuid4(), uuid4(), 0, 1500, "USD", body,
                   "billy", stage.DUE_AT, said.dedupe, b"p" * 32, b"h" * 32)  # fmt: skip
        seq += 1


WITHOUT = """
SELECT CASE WHEN c.oid IS NULL THEN format('DROP INDEX %%I', x.relname)
  ELSE format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.conrelid::regclass, c.conname) END
FROM pg_class x LEFT JOIN pg_constraint c ON c.conindid = x.oid AND c.contype IN ('u', 'p')
WHERE x.relkind = 'i' AND x.relname = %(index)s
UNION ALL
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname)
FROM pg_constraint WHERE contype = 'f' AND %(index)s = 'foreign keys'
"""
