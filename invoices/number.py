"""Invoice numbers: gapless per company and series, given when an invoice opens for payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.sets import fetch, table_of
from invoices.models import NumberSeries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

SERIES = {"debit": "INV", "credit": "PAY"}  # Invoices and payout statements count apart.


def take(counts: Mapping[tuple[UUID, str], int]) -> dict[tuple[UUID, str], int]:
    """Take so many numbers of each (company, series); returns the first one of each.

    The counters stay locked until the caller's transaction ends, so take them last: that is what
    makes the series gapless, and it is the only lock that two batches of a company share.
    """
    if not counts:
        return {}
    columns = {"company_id": "uuid", "series": "text", "last": "bigint"}
    table = f'"{NumberSeries._meta.db_table}"'
    rows = [(company, series, count) for (company, series), count in sorted(counts.items())]
    given = table_of(columns, rows)
    taken = fetch(
        f"INSERT INTO {table} AS s (company_id, series, last) SELECT * FROM {given.sql} "
        "ON CONFLICT (company_id, series) DO UPDATE SET last = s.last + excluded.last "
        "RETURNING company_id, series, last",
        given.parameters,
    )
    return {
        (company, series): last - counts[company, series] + 1 for company, series, last in taken
    }
