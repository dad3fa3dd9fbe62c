"""What one run costs: time, processor time, memory, statements, commits, rows and WAL."""

from __future__ import annotations

import resource
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import connection

from audit.sets import fetch
from billy.bench.counted import Count

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

KILOBYTES = 1024
FLUSHING_SINCE = 150_000  # PostgreSQL 15: a session can make its own counts known at once.
WAL_BY_SESSION_SINCE = 180_000  # PostgreSQL 18 tells what a session wrote, whatever others do.


@dataclass(slots=True, kw_only=True)
class Sample:
    """One run, as its process saw it. `began` and `ended` are of the machine's steady clock."""

    cycles: int = 0
    began: float = 0.0
    ended: float = 0.0
    cpu_seconds: float = 0.0
    statements: int = 0
    commits: int = 0
    rows: int = 0
    wal_bytes: int = 0
    wal_is_own: bool = False  # Of this session alone, and not of the whole server.
    peak_mb: float = 0.0
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return self.ended - self.began

    @property
    def rate(self) -> float:
        """Return cycles per second."""
        return self.cycles / self.seconds if self.seconds else 0.0

    def told(self) -> dict[str, Any]:
        """Return it for another process."""
        return asdict(self)

    def and_beside(self, other: Sample) -> Sample:
        """Return two processes that ran at the same time as one run: memory adds up as well."""
        return Sample(
            cycles=self.cycles + other.cycles,
            began=min(self.began, other.began),
            ended=max(self.ended, other.ended),
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            statements=self.statements + other.statements,
            commits=self.commits + other.commits,
            rows=max(self.rows, other.rows),
            wal_bytes=(sum if self.wal_is_own else max)((self.wal_bytes, other.wal_bytes)),
            wal_is_own=self.wal_is_own,
            peak_mb=self.peak_mb + other.peak_mb,
        )


class Meter:
    """Measures the block that it stands before; `sample` holds the result afterwards.

    WAL and rows are the server's own counts. Rows are those of this database. WAL is that of this
    session from PostgreSQL 18 on; before, it is the whole server's, and shows what others do.
    """

    def __init__(self) -> None:
        """Measure nothing yet."""
        self.sample = Sample()

    def __enter__(self) -> Self:
        """Begin."""
        self._rows, self._wal = rows_written(), wal_written()
        self._statements, self._commits = Count.taken()
        self._cpu = time.process_time()
        self.sample.began = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End: the clocks first, then what has to be asked for."""
        sample = self.sample
        sample.ended = time.monotonic()
        sample.cpu_seconds = time.process_time() - self._cpu
        statements, commits = Count.taken()
        sample.statements, sample.commits = statements - self._statements, commits - self._commits
        sample.peak_mb = peak_mb()
        if error is None:
            sample.wal_bytes = wal_written() - self._wal
            sample.wal_is_own = server_version() >= WAL_BY_SESSION_SINCE
            sample.rows = rows_written() - self._rows


def peak_mb() -> float:
    """Return the most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES


def memory_mb() -> float:
    """Return the memory that this process holds now, in MB."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  # No path of ours.
        pages = int(file.read().split()[1])
    return pages * resource.getpagesize() / KILOBYTES**2


def wal_written() -> int:
    """Return the bytes of WAL that this session has written, or the whole server where it is old.

    Only differences mean anything.
    """
    if server_version() >= WAL_BY_SESSION_SINCE:
        fetch("SELECT pg_stat_force_next_flush()")
        question = "SELECT wal_bytes::bigint FROM pg_stat_get_backend_wal(pg_backend_pid())"
    else:
        question = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
    ((written,),) = fetch(question)
    return int(written)


def server_version() -> int:
    """Return the server's version as PostgreSQL counts it: 180004 is 18.4."""
    connection.ensure_connection()
    return int(connection.connection.server_version)


def rows_written() -> int:
    """Return how many rows were inserted and updated in this database, by whatever session."""
    if server_version() >= FLUSHING_SINCE:
        fetch("SELECT pg_stat_force_next_flush()")
    else:
        time.sleep(1)  # A session tells its counts after half a second of nothing.
    ((rows,),) = fetch(
        "SELECT coalesce(sum(n_tup_ins + n_tup_upd), 0)::bigint FROM pg_stat_user_tables"
    )
    return int(rows)
