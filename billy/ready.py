"""Make a plain script ready: Django set up, the database there, its tables in place."""

from __future__ import annotations

import os


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
    """Make the tables where there are none; else migrating is the operator's choice."""
    from django.core.management import call_command
    from django.db import connection

    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    if "billy_audit_audittrail" not in tables:
        call_command("migrate", interactive=False, verbosity=0)
