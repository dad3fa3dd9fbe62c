"""I25 and I26: whether the database is what the migrations made, safe, and the primary.

What the migrations make is written in `schema.json`, which `manage.py verify --write-schema` makes
from a freshly migrated database; a test compares the two.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from accounts import wall
from audit.findings import Check, Finding, Scope, Weight
from audit.sets import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Schema = dict[str, str]

SCHEMA: Final = Path(__file__).with_name("schema.json")
BROKER_SECONDS: Final = 2

# Every object of our tables: a name that is there once, and what it says.
PRESENT: Final = r"""
SELECT 'constraint ' || c.conrelid::regclass || '.' || c.conname,
       pg_get_constraintdef(c.oid)
  FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
 WHERE t.relname LIKE 'billy\_%%' AND c.contype IN ('c', 'f', 'p', 'u', 'x')
   AND t.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'index ' || i.indexrelid::regclass, pg_get_indexdef(i.indexrelid)
       || CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN '' ELSE ' INVALID' END
  FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
 WHERE t.relname LIKE 'billy\_%%' AND t.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'trigger ' || g.tgrelid::regclass || '.' || g.tgname,
       pg_get_triggerdef(g.oid) || CASE g.tgenabled WHEN 'A' THEN ' ALWAYS' WHEN 'O' THEN ''
                                   ELSE ' DISABLED' END
  FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
 WHERE t.relname LIKE 'billy\_%%' AND NOT g.tgisinternal
   AND t.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'policy ' || p.polrelid::regclass || '.' || p.polname,
       pg_get_expr(p.polqual, p.polrelid) || CASE WHEN t.relrowsecurity THEN '' ELSE ' DISABLED' END
  FROM pg_policy p JOIN pg_class t ON t.oid = p.polrelid
 WHERE t.relname LIKE 'billy\_%%' AND t.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'function ' || p.proname, md5(p.prosrc) FROM pg_proc p
 WHERE p.proname LIKE 'billy\_%%' AND p.pronamespace = current_schema()::regnamespace
UNION ALL
SELECT 'column ' || a.attrelid::regclass || '.' || a.attname,
       format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
  FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
 WHERE t.relname LIKE 'billy\_%%' AND t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
   AND t.relnamespace = current_schema()::regnamespace
"""
# Foreign keys are kept by triggers of PostgreSQL's own, which a superuser can turn off.
ASLEEP: Final = r"""
SELECT DISTINCT 'constraint ' || c.conrelid::regclass || '.' || c.conname
  FROM pg_trigger g JOIN pg_constraint c ON c.oid = g.tgconstraint
  JOIN pg_class t ON t.oid = c.conrelid
 WHERE g.tgisinternal AND g.tgenabled = 'D' AND t.relname LIKE 'billy\_%%'
"""
# Without these an answer of "committed" may be lost with the power.
DURABLE: Final = ("fsync", "full_page_writes", "synchronous_commit")
# A session that waits for ever can stop the others. The session's own, not this snapshot's.
PATIENCE: Final = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
)


def present() -> Schema:
    """Return each constraint, index, trigger, policy, function and column, by its name."""
    schema = str(fetch("SELECT current_schema()")[0][0])
    return {
        name.replace(f" {schema}.", " "): definition.replace(f" {schema}.", " ")
        for name, definition in fetch(PRESENT)
    }


def expected() -> Schema:
    """Return what the migrations make, as it was written down."""
    made: Schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return made


def write_schema() -> int:
    """Write down what is present as what is expected; returns how many things that is."""
    found = dict(sorted(present().items()))
    SCHEMA.write_text(json.dumps(found, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(found)


def _schema(_scope: Scope) -> Iterator[Finding]:
    there = present()
    for name, definition in expected().items():
        if name not in there:
            yield Finding(name, "is not there")
        elif there[name] != definition:
            yield Finding(name, f"is not as it was made: {there[name]}")
    for (name,) in fetch(ASLEEP):
        yield Finding(name, "is turned off")
    applied = set(fetch("SELECT app, name FROM django_migrations"))
    for app, name in sorted(_migrations() - applied):
        yield Finding(f"migration {app}.{name}", "is not applied")


@lru_cache(maxsize=1)
def _migrations() -> frozenset[tuple[str, str]]:
    """Return the migrations of this source: reading them takes longer than all other checks."""
    return frozenset(MigrationLoader(None).disk_migrations)


def _settings(_scope: Scope) -> Iterator[Finding]:
    values = dict(fetch("SELECT name, setting FROM pg_settings"))
    for name in DURABLE:
        if values[name] == "off":
            yield Finding(name, "is off: what was committed can be lost")
    resets = dict(fetch("SELECT name, reset_val FROM pg_settings"))
    for name in PATIENCE:
        if resets[name] == "0":
            yield Finding(name, "is 0: one that is stuck can stop the rest", Weight.WARNING)
    if values["data_checksums"] == "off":
        yield Finding("data_checksums", "is off: a bad disk is not noticed", Weight.WARNING)
    yield from _role()
    if not wall.is_there():
        why = "is missing, or may not be taken: companies are kept apart by queries alone"
        yield Finding(f"role {wall.ROLE}", why, Weight.WARNING)
    yield from _broker()


def _role() -> Iterator[Finding]:
    ((role, is_superuser),) = fetch(
        "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user"
    )
    if is_superuser:
        yield Finding(f"role {role}", "is a superuser, whom no trigger stops", Weight.WARNING)
    owned = fetch(
        "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        r" WHERE r.rolname = current_user AND c.relkind = 'r' AND c.relname LIKE 'billy\_%%'",
        {},
    )
    if owned[0][0]:
        yield Finding(
            f"role {role}", "owns the tables, and may drop their triggers", Weight.WARNING
        )


def _broker() -> Iterator[Finding]:
    """Ask the broker only where there is one."""
    if not settings.CELERY_BROKER_URL:
        return
    import redis

    timeouts: dict[str, Any] = {
        "socket_timeout": BROKER_SECONDS,
        "socket_connect_timeout": BROKER_SECONDS,
    }
    client = redis.Redis.from_url(settings.CELERY_BROKER_URL, **timeouts)
    try:
        answer: Any = client.config_get("maxmemory-policy")
    except redis.RedisError as error:
        yield Finding("broker", f"cannot be asked: {error}", Weight.WARNING)
        return
    finally:
        client.close()
    policy = answer.get("maxmemory-policy", "")
    if policy != "noeviction":
        yield Finding("broker", f"its maxmemory-policy is {policy}, not noeviction", Weight.WARNING)


def _primary(_scope: Scope) -> Iterator[Finding]:
    ((is_standby,),) = fetch("SELECT pg_is_in_recovery()")
    if is_standby:
        yield Finding("database", "is a standby: it may lag, and it cannot claim work")


def differences(there: Schema, wanted: Schema) -> Iterable[str]:
    """Return the names that are not alike on both sides, sorted."""
    return sorted(
        name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name)
    )


CHECKS = (
    Check(id="I25", title="tables as the migrations made them", depth="fast", find=_schema),
    Check(id="I25", title="settings of the database", depth="env", find=_settings),
    Check(id="I26", title="the primary", depth="fast", find=_primary),
)
