"""One method for each thing that breaks; each does it once and counts it as happened."""

import os
import signal
import time
from collections import Counter
from contextlib import closing, suppress

import psycopg2
import redis

from tests.chaos.plan import LEASE_SECONDS, POINTS

FROZEN_SECONDS = LEASE_SECONDS * 1.5
STALLED_SECONDS = 10
COMMIT_LOOKS = 25
CUT = "SELECT pg_terminate_backend(%s)"
COMMITTING = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'billy' AND state = 'active'"
    " AND query ILIKE 'commit%' LIMIT 1"
)
ANY = "SELECT pid FROM pg_stat_activity WHERE application_name = 'billy' ORDER BY random() LIMIT 1"
HELD = (
    "SELECT count(*) FROM billy_invoices_transaction WHERE lease_token = ANY(%s) AND"
    " (state = 'intent' OR (state = 'unknown' AND lease_until > clock_timestamp()))"
)


class Killer:
    """Breaks a world. `later` calls something after so many seconds, on the main thread."""

    def __init__(self, world, *, chance, later, notebook, told):
        self.world = world
        self.chance = chance
        self.later = later
        self.notebook = notebook
        self.told = told
        self.happened = Counter()
        self.complaints = []
        self.frozen = set()
        self.last_cut = 0.0
        self.redis_windows = []

    def kill_child(self):
        """F1."""
        busy = [child for worker in self._workers() for child in worker.children()]
        if busy:
            with suppress(ProcessLookupError):
                os.kill(self.chance.choice(busy), signal.SIGKILL)
                self.happened["F1"] += 1

    def kill_worker(self):
        """F2: with all of its children; another takes its place."""
        workers = self._workers()
        if workers:
            worker = self.chance.choice(workers)
            worker.kill()
            del self.world.children[worker.name]
            self.world.start_worker()
            self.happened["F2"] += 1

    def arm(self, allowed):
        """F3: let every point that was hit less often than allowed kill whoever comes by next."""
        for point in POINTS:
            armed = self.world.folder / "armed" / point
            if self.notebook.hits[point] < allowed and not armed.exists():
                armed.touch()

    def disarm(self):
        for armed in (self.world.folder / "armed").iterdir():
            armed.unlink(missing_ok=True)

    def freeze(self):
        """F4: a worker stands still beyond its leases, then goes on with its old answers."""
        workers = self._workers()
        if not workers:
            return
        worker = self.chance.choice(workers)
        worker.signal_all(signal.SIGSTOP)
        self.frozen.add(worker.name)

        def thaw():
            worker.signal_all(signal.SIGCONT)
            self.frozen.discard(worker.name)
            self.happened["F4"] += 1

        self.later(FROZEN_SECONDS, thaw)

    def deploy(self):
        """F5: a worker is told to end in the middle of its batch, and another takes its place."""
        workers = [each for each in self._workers() if each.children()]
        if not workers:
            return
        worker = self.chance.choice(workers)
        del self.world.children[worker.name]
        self.world.leaving.append(worker)
        processes = worker.children()
        worker.signal(signal.SIGTERM)
        self.world.start_worker()
        told_at = time.monotonic()
        self.later(0.2, lambda: self._left(worker, processes, told_at))

    def _left(self, worker, processes, told_at):
        """See whether it is gone, and whether it left anything for its leases to expire."""
        if worker.lives and time.monotonic() - told_at < 40:
            self.later(0.2, lambda: self._left(worker, processes, told_at))
            return
        self.world.leaving.remove(worker)
        self.happened["F5"] += 1
        kept_waiting = worker.lives
        if kept_waiting:
            self.count_end(worker.name, self.world.put_down(worker))
        self.notebook.read()
        tokens = [token for process in processes for token in self.notebook.tokens[process]]
        if kept_waiting or self._disturbed(processes, told_at) or not tokens:
            return
        with suppress(psycopg2.Error), closing(self.world.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(HELD, [tokens])
            (left,) = cursor.fetchone()
            self.happened["F5 undisturbed"] += 1
            if left:
                self.complaints.append(f"{worker.name} was told to end and left {left} attempts")

    def count_end(self, name, how):
        """Note how a worker that was told to end did so; those that had to be killed are told."""
        self.happened[f"workers that were {how}"] += 1
        if how != "ended":
            self.told(f"{name} was {how} and did not end after SIGTERM")

    def _disturbed(self, processes, told_at):
        """Say whether something else killed it, or cut its database, while it was ending."""
        last = max(self.last_cut, self.world.cluster.last_stop)
        erring = (self.world.folder / "armed" / "errors").exists()
        dead = any(each in self.notebook.dead for each in processes)
        return last > told_at - 2 or erring or dead

    def kill_web(self):
        """F6."""
        self.world.children["web"].kill()
        self.world.start_web()
        self.happened["F6"] += 1

    def kill_redis(self, seconds):
        """F7: it dies, and comes back empty after a while; meanwhile the workers must go on."""
        self.world.children["redis"].kill()
        started = time.monotonic()

        def back():
            self.redis_windows.append((started, time.monotonic()))
            self.world.start_redis()
            self.happened["F7"] += 1

        self.later(seconds, back)

    def flush_redis(self):
        """F8: everything that Redis holds is gone."""
        with suppress(redis.RedisError), closing(self.world.redis()) as client:
            client.flushall()
            self.happened["F8 flush"] += 1

    def stall_redis(self):
        """F8: it is there and answers nobody."""
        child = self.world.children["redis"]
        child.signal(signal.SIGSTOP)

        def go_on():
            child.signal(signal.SIGCONT)
            self.happened["F8 stall"] += 1

        self.later(STALLED_SECONDS, go_on)

    def crash_database(self):
        """F10: as `pg_ctl -m immediate` does; it must recover from its log."""
        self.world.cluster.stop(hard=True)
        self.world.cluster.start()
        self.happened["F10"] += 1

    def cut(self):
        """F11: cut a connection of Billy's, one that is committing if there is one soon."""
        with suppress(psycopg2.Error), closing(self.world.connect()) as connection:
            cursor = connection.cursor()
            for look in range(COMMIT_LOOKS):
                cursor.execute(COMMITTING)
                row = cursor.fetchone()
                if row is not None:
                    self.happened["F11 in COMMIT"] += 1
                    break
                if look == COMMIT_LOOKS - 1:
                    cursor.execute(ANY)
                    row = cursor.fetchone()
            if row is not None:
                cursor.execute(CUT, row)
                self.last_cut = time.monotonic()
                self.happened["F11"] += 1

    def _workers(self):
        return [
            each for each in self.world.workers() if each.lives and each.name not in self.frozen
        ]
