"""The run itself: a steady rain of kills, windows of bad weather, a rewind, and then calm.

Everything happens on one thread, in small steps, because the kernel ties children to the thread
that started them. Times are seconds since the storm began.
"""

import heapq
import json
import math
import time
from collections import Counter
from contextlib import closing, suppress
from itertools import count

import psycopg2

from tests.chaos.forger import Forger
from tests.chaos.killer import Killer
from tests.chaos.notebook import Notebook
from tests.chaos.plan import POINTS
from tests.chaos.rewind import Rewind
from tests.chaos.weather import Weather
from tests.chaos.windows import BOTS_UNTIL, Windows

STEP_SECONDS = 0.03
TOLD_SECONDS = 5
LOOK_SECONDS = 1
LISTENING, OTHER = 1, 2  # The company whose callbacks are registered, and one that forgers copy.
CALM_BELOW = 400  # Occurrences left: a matter of seconds, so the last fault comes before the end.
CALM_SECONDS = 120
EPSILON = 1e-9
AHEAD = 0.06  # The clock may be so far ahead of the money: the first faults find no work done.
QUICKEST = 1.5  # Times as fast as planned, where the machine is fast: else the work ends before.
HITS_UNTIL = 0.75  # Of the storm: a worker can die in a T1 only while something is due.
DONE_SHARE = 0.85  # Of the load; what is then left is done under the last kills.
LEFT = (
    "SELECT coalesce(sum(ends_after - occurrence), 0) FROM billy_schedulers_scheduler"
    " WHERE state IN ('trialing', 'active', 'past_due') AND next_run_at <= now()"
)
OPEN = (
    "SELECT count(*) FILTER (WHERE state IN ('intent', 'unknown')),"
    " count(*) FILTER (WHERE state = 'pending'),"
    " count(*) FILTER (WHERE state = 'queued' AND due_at < now() + interval '30 minutes'),"
    " count(*) FILTER (WHERE state = 'succeeded') FROM billy_invoices_transaction"
)
WAITING = "SELECT count(*) FROM billy_webhooks_inbound WHERE done_at IS NULL"


class Storm:
    """One run over a world that stands ready, its first wave imported."""

    def __init__(self, world, plan, *, chance, told):
        self.world, self.plan, self.told = world, plan, told
        self.notebook = Notebook(world.folder / "notes")
        self.killer = Killer(
            world, chance=chance, later=self.later, notebook=self.notebook, told=told
        )
        self.happened = self.killer.happened
        callbacks = {"duplicate": 3, "shuffle_seconds": plan.shuffle_seconds, "early": 0.05}
        self.weather = Weather(world, callbacks=callbacks)
        self.forger = Forger(
            world,
            company=LISTENING,
            other=OTHER,
            every_seconds=plan.seconds / QUICKEST / plan.forged / FORGED_MORE,
        )
        self.rewind = Rewind(world, lost=plan.lost, told=told)
        self.windows = Windows(self)
        self.bots = Counter()
        self.wave = 1
        self.share = 0.0  # How much of the storm is over, by its own clock.
        self._wound_at = 0.0
        self.left, self.leased, self.pending, self.queued, self.succeeded = 1, 0, 0, 0, 0
        self.calm_seconds = {}
        self._timers, self._numbers = [], count()
        self._bot_files = []
        self._fallen = Counter()

    # --- The parts of a run --------------------------------------------------------------------

    def run(self):
        """Let it rage until everything has happened, then wait until all is calm."""
        self.started = time.monotonic()
        self.weather.tell()
        self.forger.start()
        self.start_bots(0, self.plan.seconds * BOTS_UNTIL / QUICKEST)
        told_at = looked_at = 0.0
        while not self._is_over():
            now = time.monotonic() - self.started
            self._wind(now)
            self._ring(now)
            self.windows.open_due(self.share)
            self._fall()
            if now - looked_at > LOOK_SECONDS:
                looked_at = now
                self._look()
            if now - told_at > TOLD_SECONDS:
                told_at = now
                self.tell()
            time.sleep(STEP_SECONDS)
        self.storm_seconds = time.monotonic() - self.started
        self._calm()

    def later(self, seconds, action):
        """Do something after so many seconds."""
        at = time.monotonic() - self.started + seconds
        heapq.heappush(self._timers, (at, next(self._numbers), action))

    def _is_over(self):
        now = time.monotonic() - self.started
        if now > self.plan.cap_seconds:
            return True
        if self.share < 1 or self._timers or self.windows.are_left() or self.bots_live():
            return False
        waiting = self.wave < self.plan.waves or "import" in self.world.children
        hits = all(self.notebook.hits[point] >= self.plan.point_hits for point in POINTS)
        ready = hits and self.rewind.state == "over" and not waiting
        lacking = any(self._lacks(name) for name in self._rain())
        return ready and not lacking and self.left < CALM_BELOW

    # --- The rain ------------------------------------------------------------------------------

    def _wind(self, now):
        """Wind the storm's clock: it runs with the money that moves, within a limit of speed.

        On a machine that is busy with other things the faults would else come faster than any work
        could be done between them, and on a fast one after all of it. After its end the clock goes
        on with the machine's, for the last kills.
        """
        total = self.plan.schedulers * self.plan.periods
        moved = AHEAD + self.succeeded / total * (1 + AHEAD) / DONE_SHARE
        if self.share >= 1:
            self.share += (now - self._wound_at) / self.plan.seconds
        else:
            self.share = max(self.share, min(1.0, QUICKEST * now / self.plan.seconds, moved))
        self._wound_at = now

    def _fall(self):
        """Do what is due by now: each kind falls evenly over the storm, and not all at once."""
        share = min(1.0, self.share)
        self.killer.arm(math.ceil(self.plan.point_hits * min(1.0, share / HITS_UNTIL)))
        for name, (planned, offset, action) in self._rain().items():
            endless = name == "F1"  # It goes on until the load is done.
            due = planned * self.share if endless else min(planned * share + offset, planned)
            if self._fallen[name] < due - 1 + EPSILON:
                self._fallen[name] += 1
                action()
            elif share == 1.0 and self._lacks(name) and not self._timers:
                action()  # It met something that was down already, and is done once more.

    def _lacks(self, name):
        return self.happened[name] < self._rain()[name][0]

    def _rain(self):
        """Return, for each fault: how often, how much earlier than at even distances, and how."""
        plan, killer = self.plan, self.killer
        return {
            "F1": (plan.child_kills, 0, killer.kill_child),
            "F2": (plan.worker_kills, 0, killer.kill_worker),
            "F4": (plan.freezes, 0.7, killer.freeze),
            "F5": (plan.deploys, 0.5, killer.deploy),
            "F6": (plan.web_kills, 0.3, killer.kill_web),
            "F7": (plan.redis_deaths, 0.5, self._kill_redis),
            "F8 flush": (plan.flushes, 0.1, killer.flush_redis),
            "F8 stall": (plan.redis_stalls, 0.25, killer.stall_redis),
            "F10": (plan.crashes, 0.4, killer.crash_database),
            "F11": (plan.cuts, 0, killer.cut),
            "F20 restart": (plan.sandbox_restarts, 0.85, self._restart_sandbox),
        }

    def _kill_redis(self):
        self.killer.kill_redis(min(20, self.plan.seconds / 12))

    def _restart_sandbox(self):
        self.weather.will_forget()
        self.world.children["sandbox"].kill()
        self.world.start_sandbox()
        self.weather.tell()
        self.happened["F20 restart"] += 1

    # --- Bots, waves, looks --------------------------------------------------------------------

    def start_bots(self, session, seconds):
        for what, total in (
            ("admin", self.plan.admin_actions),
            ("clients", self.plan.client_calls),
        ):
            some = math.ceil(total / 2)
            file = self.world.folder / f"{what}-{session}.json"
            arguments = (what, some, seconds, f"{self.world.seed}-{session}", file)
            self.world.start_bot(f"bot-{what}", "tests.chaos.bots", *arguments)
            self._bot_files.append(file)

    def bots_live(self):
        """Say whether bots are still acting; one that failed is told."""
        for name in [each for each in self.world.children if each.startswith("bot-")]:
            child = self.world.children[name]
            if not child.lives:
                del self.world.children[name]
                status = child.kill()
                if status:
                    self.killer.complaints.append(f"{name} ended with {status}")
        return any(each.startswith("bot-") for each in self.world.children)

    def is_quiet(self):
        """Say whether nobody but the workers acts, and enough is left to be lost."""
        busy = self.bots_live() or "import" in self.world.children
        return not busy and self.left > 2 * self.plan.lost

    def _look(self):
        """See how far the load is, bring more of it, and put back up what fell by itself."""
        self.notebook.read()
        with suppress(psycopg2.Error), closing(self.world.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(LEFT)
            (self.left,) = cursor.fetchone()
            cursor.execute(OPEN)
            self.leased, self.pending, self.queued, self.succeeded = cursor.fetchone()
        self._bring_more()
        for worker in self.world.workers():
            if not worker.lives:
                del self.world.children[worker.name]
                self.world.start_worker()
        if not self.world.children["web"].lives:
            self.world.start_web()

    def _bring_more(self):
        running = self.world.children.get("import")
        if running is not None and not running.lives:
            del self.world.children["import"]
            if running.kill() == 0:
                self.wave += 1
            else:
                self.world.start_import(self.wave)
            return
        is_time = self.share > self.wave / self.plan.waves
        low = self.left < self.plan.lost * 2.5 + CALM_BELOW
        calm = self.rewind.state in {"waiting", "over"}
        is_last = self.wave == self.plan.waves - 1
        early = self.bots_live() or self.share < BOTS_UNTIL
        if is_last and early and self.rewind.state == "waiting":
            return  # Enough must be left to be lost (F12) when the bots rest.
        if running is None and calm and self.wave < self.plan.waves and (low or is_time):
            self.world.start_import(self.wave)

    def tell(self):
        kills = self.happened["F1"] + self.happened["F2"] + sum(self.notebook.hits.values())
        self.told(
            f"{min(1, self.share):4.0%}  {self.succeeded:,} moved, {self.left:,} to open, "
            f"{self.leased + self.pending:,} under way; {kills:,} kills, "
            f"{self.notebook.recovered:,} taken over"
        )

    def _ring(self, now):
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    # --- Calm ----------------------------------------------------------------------------------

    def _calm(self):
        """End all faults, and see how long it takes until nothing is left to do."""
        self.forger.stop()
        self.killer.disarm()
        self.weather.clear()
        started = time.monotonic()
        self.told("the last fault is over")
        while time.monotonic() - started < CALM_SECONDS and len(self.calm_seconds) < len(CALMS):
            time.sleep(LOOK_SECONDS)
            self._look()
            after = time.monotonic() - started
            for name in [each for each in CALMS if self._is_calm(each)]:
                self.calm_seconds.setdefault(name, after)
        for file in self._bot_files:
            if file.exists():
                self.bots += Counter(json.loads(file.read_text()))
        self.weather.struck()

    def _is_calm(self, name):
        if name == "backlog":
            return self.left == 0 and self.queued == 0
        if name == "attempts":
            return self.leased == 0
        if name == "pending":
            return self.left == 0 and self.leased + self.pending + self.queued == 0
        with suppress(psycopg2.Error), closing(self.world.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(WAITING)
            return cursor.fetchone()[0] == 0
        return False


CALMS = ("backlog", "attempts", "pending", "callbacks")
FORGED_MORE = 1.5  # Some meet a web or a processor that is down, and count for nothing.
