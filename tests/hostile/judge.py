"""The judge: what came back is compared with what may come back; nothing else may have changed."""

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from threading import Lock

from django.db import connection

from tests.hostile.framing import send
from tests.hostile.values import FORGED_LINE

ATTACKERS = 8
LONGEST_P99_SECONDS = 3.0  # As long as a callback may wait for the processor.
LONGEST_P99_MEDIANS = 30  # On a machine that is busy with other things, everything takes longer.
OURS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 [A-Z]+ [\w.]+ \[[\w.-]+\]: ")
# They change by right: a session or key is used, a callback is kept, staff may edit users.
MAY_CHANGE = (
    *("billy_webhooks_inbound", "billy_accounts_apikey", "django_session"),
    *("django_admin_log", "auth_"),
)
NOT_IMPLEMENTED = 501  # The server's own answer to a transfer coding that does not exist.
MOST_TOLD = 20
REAPED_SECONDS = 1.0  # One that died is listed until its master has looked.


@dataclass(slots=True)
class Verdict:
    """What was counted, and everything that must not be."""

    counts: dict[str, Counter[int]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    routes: set[str] = field(default_factory=set)

    def add(self, shot, reply, found):
        """Count one reply, and note what is wrong with it."""
        self.counts.setdefault(shot.kind, Counter())[reply.status] += 1
        self.seconds.append(reply.seconds)
        self.routes.add(shot.route)
        self.complaints += found

    @property
    def p99(self):
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)] if self.seconds else 0.0

    def __str__(self):
        statuses = sorted({status for counts in self.counts.values() for status in counts})
        head = [f"{'':26}", *(f"{status or 'closed':>7}" for status in statuses)]
        lines = ["".join(head)]
        for kind, counts in sorted(self.counts.items()):
            lines.append(f"{kind:26}" + "".join(f"{counts[each] or '':>7}" for each in statuses))
        lines.append(
            f"{len(self.seconds):,} requests, median {median(self.seconds or [0]):.3f} s, "
            f"p99 {self.p99:.3f} s, longest "
            f"{max(self.seconds, default=0):.3f} s, {len(self.complaints)} complaints"
        )
        return "\n".join([*lines, *self.complaints[:MOST_TOLD]])


def judged(shots, *, world, web):
    """Fire all shots at the web processes and return the verdict."""
    verdict, lock, supply = Verdict(), Lock(), iter(shots)
    hidden = world.secrets()
    before = hashes()

    def attack():
        while True:
            with lock:
                shot = next(supply, None)
            if shot is None:
                return
            reply = send(web.port, shot.raw)
            unseen = hidden if shot.is_staff else hidden | world.not_ours()
            found = complaints_of(shot, reply, unseen)
            with lock:
                verdict.add(shot, reply, found)

    with ThreadPoolExecutor(ATTACKERS) as attackers:
        for each in [attackers.submit(attack) for _ in range(ATTACKERS)]:
            each.result()
    verdict.complaints += _aftermath(before, hidden, web=web)
    if verdict.p99 > max(LONGEST_P99_SECONDS, LONGEST_P99_MEDIANS * median(verdict.seconds)):
        verdict.complaints.append(f"one in a hundred waits {verdict.p99:.1f} s and longer")
    return verdict


def complaints_of(shot, reply, unseen):
    """Return what is wrong with one reply."""
    found = []
    if reply.status >= 500 and not (reply.status == NOT_IMPLEMENTED and shot.may_close):
        found.append(f"answered {reply.status}")
    if reply.is_late:
        found.append("not answered in time")
    elif reply.status == 0 and not shot.may_close:
        found.append("closed without an answer")
    found += [f"told {name}" for name, secret in unseen.items() if secret in reply.raw]
    return [f"{shot.kind} at {shot.route}: {what}: {shot.raw[:300]!r}" for what in found]


def _aftermath(before, hidden, *, web):
    time.sleep(REAPED_SECONDS)
    found = [f"changed {table}" for table, hashed in hashes().items() if before[table] != hashed]
    if web.process.poll() is not None or web.workers() != web.born:
        found.append("a web process died")
    found += log_complaints(web.path.read_bytes(), hidden)
    dump = dumped()
    found += [f"the database holds {name}" for name, secret in hidden.items() if secret in dump]
    return found


def log_complaints(log, hidden):
    """Return what is wrong with a log: a secret, a line that was forged, one without a head."""
    found = [f"the log holds {name}" for name, secret in hidden.items() if secret in log]
    # Split at line feeds only: that is what a reader of logs does.
    lines = log.decode("utf-8", "replace").split("\n")
    strange = [
        each for each in lines if each and (each.startswith(FORGED_LINE) or not OURS.match(each))
    ]
    return [*found, *(f"a line of the log is not ours: {each[:200]!r}" for each in strange)]


def hashes():
    """Return a hash of all rows of each table that no request may change."""
    return {
        table: _ask(f'SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM "{table}" t')
        for table in _tables()
        if not table.startswith(MAY_CHANGE)
    }


def dumped():
    """Return every row of every table as text."""
    texts = [
        _ask(f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM \"{table}\" t")
        for table in _tables()
    ]
    return "\n".join(texts).encode()


def _tables():
    return sorted(connection.introspection.table_names())


def _ask(question):
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]
