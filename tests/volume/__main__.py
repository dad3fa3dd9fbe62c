"""Make the database, then measure `verify` on it: seconds, and CPU of client and server."""

import argparse
import os
import sys
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import django

TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Make what is missing, and print a line for each run."""
    parser = argparse.ArgumentParser(prog="python -m tests.volume", description=__doc__)
    parser.add_argument("--occurrences", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=10, help="occurrences of a scheduler")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--depths", default="fast,full")
    parser.add_argument("--fresh", action="store_true", help="make the database anew")
    parser.add_argument("--checks", action="store_true", help="tell the seconds of each invariant")
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")
    django.setup()
    name = f"billy_volume_{given.occurrences}"
    point_at(name, fresh=given.fresh)
    prepared(given.occurrences, given.each)
    for depth in given.depths.split(","):
        for _ in range(given.runs):
            say(measured(depth, checks=given.checks))


def point_at(name: str, *, fresh: bool) -> None:
    """Lead Django's connection to a database of this name, which the embedded server makes."""
    from django.db import connection, connections

    if fresh:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    connections.close_all()
    connections.settings["default"]["NAME"] = name
    connections["default"].settings_dict["NAME"] = name


def prepared(occurrences: int, each: int) -> None:
    """Migrate and fill the database unless that was done before."""
    from django.core.management import call_command

    from schedulers.models import Scheduler
    from tests.volume import past

    call_command("migrate", verbosity=0, interactive=False)
    if Scheduler.objects.exists():
        return
    began = time.monotonic()

    def told(company: str, count: int) -> None:
        say(f"{company}: {count:,} in {time.monotonic() - began:,.0f} s")

    past.fill(occurrences=occurrences, each=each, told=told)
    say(f"made in {time.monotonic() - began:,.0f} s")


def measured(depth: str, *, checks: bool) -> str:
    """Run one depth and say what it took."""
    from audit.sets import fetch
    from billy.verification import examine
    from tests.volume import past

    now = past.START + timedelta(days=1)  # Long before anything is due again.
    server = Server(int(fetch("SELECT pg_backend_pid()")[0][0]))
    marks: list[tuple[str, float]] = []

    def told(title: str, rows: int) -> None:
        if not rows:
            marks.append((title, time.monotonic()))

    wall, client, of_server = time.monotonic(), time.process_time(), server.cpu()
    results = examine(depth=depth, now=now, told=told if checks else None)
    wall, client = time.monotonic() - wall, time.process_time() - client
    of_server = server.cpu() - of_server
    bad = [each.id for each in results if each.status != "clean"]
    for (title, began), (_, ended) in pairwise(marks):
        say(f"    {ended - began:6.2f} s  {title}")
    return (
        f"{depth}: {wall:.2f} s, client CPU {client:.2f} s, server CPU {of_server:.2f} s, "
        f"not clean: {', '.join(bad) or 'none'}"
    )


def say(line: str) -> None:
    """Write a line at once: these runs are long."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Server:
    """The CPU of a PostgreSQL server: its postmaster, its children, and those that have ended."""

    def __init__(self, backend: int) -> None:
        """Find the postmaster by one of its backends."""
        self.postmaster = int(_stat(backend)[1])

    def cpu(self) -> float:
        """Return CPU seconds since the server began."""
        total = sum(map(int, _stat(self.postmaster)[11:15]))
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    found = _stat(int(folder.name))
                except OSError:
                    continue
                if int(found[1]) == self.postmaster:
                    total += sum(map(int, found[11:13]))
        return total / TICKS


def _stat(process: int) -> list[str]:
    """Return the fields after the name: state, parent, …, user and system time."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


if __name__ == "__main__":
    main()
