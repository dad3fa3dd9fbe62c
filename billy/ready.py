"""Make a plain script ready: Django set up, the database there, its tables in place."""

from __future__ import annotations

import os

MIGRATING = 0x42494C4C59  # "BILLY", as the number of an advisory lock.


def ensure() -> None:
    """Set Django up where nobody has; migrate a database that has no tables of ours yet."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")
    import django
    from django.apps import apps

    if apps.ready or apps.loading:
        return  # Inside a Django process: it looks after its own database.
    django.setup()
    migrate_if_empty()


def migrate_if_empty() -> None:
    """Make the tables where there are none; else migrating is the operator's choice.

    One process at a time: of several that start on an empty database, the first makes the tables
    and the others wait until all of them are there.
    """
    from django.core.management import call_command
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATING])
        try:
            if "billy_audit_audittrail" not in connection.introspection.table_names(cursor):
                call_command("migrate", interactive=False, verbosity=0)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATING])
            cursor.execute("RESET lock_timeout; RESET statement_timeout")
