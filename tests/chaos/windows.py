"""Bad weather that comes and goes, and the rewind: each begins at its share of the storm."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import psycopg2

BOTS_UNTIL, BOTS_FROM = 0.30, 0.60  # Of the storm: the bots rest while the database is set back.
LONGER_SECONDS = 30  # For a window that has done nothing yet; a busy machine is slow to suffer.
LOOK_SECONDS = 0.5
SHIFTS = (3600, 600, -600)  # F24: the database's clock an hour ahead; a worker's ten minutes off.
SLOW = {"p50_seconds": 0.3, "p99_seconds": 8}
STRIKES = {"F17 outage": "outage", "F17 black hole": "black_hole", "F18": "slow"}


@dataclass(frozen=True, kw_only=True)
class Window:
    """What begins at a share of the storm, and ends after so many seconds, or by itself (None)."""

    name: str
    at: float
    seconds: float | None
    begin: object
    end: object


class Windows:
    """The windows of a storm. `seconds` lasted by name, `spans` the last one of each name."""

    def __init__(self, storm):
        self.storm = storm
        self.seconds = Counter()
        self.spans = {}
        self._open = 0
        self._shifted = []
        self._waiting = self._windows()

    def open_due(self, share):
        """Open those whose time has come."""
        for window in [each for each in self._waiting if each.at <= share]:
            self._waiting.remove(window)
            self._open += 1
            self._begin(window)

    def are_left(self):
        """Say whether one is open, or still to come."""
        return bool(self._open or self._waiting)

    def _windows(self):
        plan = self.storm.plan
        found = [
            Window(name="F19", at=0.06, seconds=None, begin=self._wrong_bodies, end=_nothing),
            self._faulty("F17 outage", 0.12, plan.outage_seconds, {}),
            self._faulty("F17 black hole", 0.20, plan.outage_seconds, {}),
            Window(
                name="F13",
                at=0.26,
                seconds=plan.error_seconds,
                begin=self._begin_errors,
                end=self._end_errors,
            ),
            Window(name="F12", at=0.34, seconds=None, begin=self._rewind, end=_nothing),
            Window(
                name="F9",
                at=0.60,
                seconds=plan.beatless_seconds,
                begin=self._kill_beats,
                end=self._start_beats,
            ),
            self._faulty("F18", 0.70, plan.slow_seconds, SLOW),
            Window(
                name="F24",
                at=0.80,
                seconds=plan.skewed_seconds,
                begin=self._start_skewed,
                end=self._kill_skewed,
            ),
        ]
        if plan.outages > 1:
            found.append(self._faulty("F17 outage", 0.85, plan.outage_seconds, {}))
            found.append(self._faulty("F17 black hole", 0.90, plan.outage_seconds, {}))
        return found

    def _faulty(self, name, at, seconds, settings):
        fault = STRIKES[name]
        weather = self.storm.weather
        return Window(
            name=name,
            at=at,
            seconds=seconds,
            begin=lambda: weather.set(**{fault: settings}),
            end=lambda: weather.set(**{fault: None}),
        )

    def _begin(self, window):
        self.storm.told(f"{window.name} begins")
        started = time.monotonic()

        def close():
            lasted = time.monotonic() - started
            if (
                not self._has_struck(window.name)
                and lasted < (window.seconds or 0) + LONGER_SECONDS
            ):
                self.storm.later(LOOK_SECONDS, close)
                return
            window.end()
            self.seconds[window.name] += time.monotonic() - started
            self.storm.happened[window.name] += 1
            self.spans[window.name] = (started, time.monotonic())
            self._open -= 1

        if window.seconds is None:
            window.begin(close)
        else:
            window.begin()
            self.storm.later(window.seconds, close)

    def _has_struck(self, name):
        counts = self.storm.notebook.counts
        if name == "F24":
            return counts["shifted"] >= len(SHIFTS) and counts["alarmed"] > 0
        if name == "F13":
            return counts["failed"] > 0
        return name not in STRIKES or self.storm.weather.struck()[STRIKES[name]] > 0

    def _wrong_bodies(self, close):
        def next_kind():
            if self.storm.weather.next_wrong_body(self.storm.plan.wrong_bodies):
                self.storm.later(LOOK_SECONDS, next_kind)
            else:
                close()

        next_kind()

    def _begin_errors(self):
        self.storm.killer.last_cut = time.monotonic()
        (self.storm.world.folder / "armed" / "errors").touch()

    def _end_errors(self):
        self.storm.killer.last_cut = time.monotonic()
        (self.storm.world.folder / "armed" / "errors").unlink(missing_ok=True)

    def _kill_beats(self):
        children = self.storm.world.children
        for name in [each for each in children if each.startswith("beat")]:
            children.pop(name).kill()

    def _start_beats(self):
        for _ in range(self.storm.plan.beats):
            self.storm.world.start_beat()

    def _start_skewed(self):
        self._shifted = [
            self.storm.world.start_skewed(BILLY_CHAOS_SHIFT_SECONDS=str(seconds))
            for seconds in SHIFTS
        ]

    def _kill_skewed(self):
        for worker in self._shifted:
            worker.kill()
            del self.storm.world.children[worker.name]

    def _rewind(self, close):
        storm = self.storm

        def step():
            with suppress(psycopg2.Error):
                storm.rewind.step(quiet=storm.is_quiet())
            if storm.rewind.state == "over":
                storm.start_bots(1, storm.plan.seconds * (1 - BOTS_FROM))
                close()
            else:
                storm.later(LOOK_SECONDS, step)

        step()


def _nothing():
    """End what has ended by itself."""
