"""Reads what the processes of the test build noted, as it comes."""

from collections import Counter, defaultdict
from itertools import pairwise


class Notebook:
    """The notes so far: counts by kind, hits by point, the ticks' longest gap, lease tokens."""

    def __init__(self, path):
        self.counts = Counter()
        self.hits = Counter()
        self.dead = {}  # Processes that killed themselves, and when.
        self.tokens = defaultdict(list)  # By process.
        self.recovered = 0  # Attempts whose lease had ended and that were taken over.
        self.fenced = 0  # Outcomes that came too late, and changed nothing.
        self.ticks = []  # When each tick began, by the machine's monotonic clock.
        self._path = path
        self._place = 0

    def read(self):
        """Take in what was added since the last time."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._place)
            data = file.read()
        whole = data.rpartition(b"\n")[0]
        self._place += len(whole) + bool(whole)
        for line in whole.decode().splitlines():
            kind, process, at, *rest = line.split()
            self.counts[kind] += 1
            note = getattr(self, f"_{kind}", None)
            if note is not None:
                note(int(process), float(at), rest)

    def longest_gap(self, since, until):
        """Return the longest time without a tick between two instants, in seconds."""
        within = [since, *(at for at in sorted(self.ticks) if since < at < until), until]
        return max(after - before for before, after in pairwise(within))

    def _hit(self, process, at, rest):
        self.hits[rest[0]] += 1
        self.dead[process] = at

    def _tick(self, _, at, __):
        self.ticks.append(at)

    def _token(self, process, _, rest):
        self.tokens[process].append(int(rest[0]))

    def _recovered(self, _, __, rest):
        self.recovered += int(rest[0])

    def _fenced(self, _, __, rest):
        self.fenced += int(rest[0])
