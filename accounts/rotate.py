"""Write every secret column anew under the first encryption key, so that an old key can go.

Rows are changed one by one, and only where they still hold what was read: whoever changes a secret
meanwhile writes it under the first key anyway. It may be cut off and run again at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connection

from accounts.secret import SecretField, UnreadableSecret, renewed
from audit.sets import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_SIZE = 500  # Rows that are read at once.


@dataclass(slots=True, kw_only=True)
class Rotation:
    """How far one column is."""

    column: str
    seen: int = 0
    renewed: int = 0
    unreadable: int = 0


def rotate(*, dry_run: bool = False) -> Iterator[Rotation]:
    """Write all secrets under the first key; yields the state of a column after each batch.

    What no key opens is counted and left as it is. With `dry_run` nothing is written.
    """
    for table, key, column in columns():
        state = Rotation(column=f"{table}.{column}")
        last: Any = None
        while rows := _batch(table, key, column, after=last):
            for identity, stored in rows:
                _renew(state, (table, key, column), identity, stored, dry_run=dry_run)
            last = rows[-1][0]
            yield state


def columns() -> list[tuple[str, str, str]]:
    """Return table, primary key and column of every secret."""
    return [
        (model._meta.db_table, str(model._meta.pk.column), str(field.column))
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, SecretField)
    ]


def _batch(table: str, key: str, column: str, *, after: Any) -> list[tuple[Any, ...]]:
    beyond = f'AND "{key}" > %s' if after is not None else ""
    return fetch(
        f'SELECT "{key}", "{column}" FROM "{table}" WHERE "{column}" <> \'\' {beyond}'
        f' ORDER BY "{key}" LIMIT {BATCH_SIZE}',
        [after] if after is not None else [],
    )


def _renew(
    state: Rotation, place: tuple[str, str, str], identity: Any, stored: str, *, dry_run: bool
) -> None:
    table, key, column = place
    state.seen += 1
    try:
        now_so = renewed(stored)
    except UnreadableSecret:
        state.unreadable += 1
        return
    if now_so == stored:
        return
    state.renewed += 1
    if dry_run:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{table}" SET "{column}" = %s WHERE "{key}" = %s AND "{column}" = %s',
            [now_so, identity, stored],
        )
