"""Somebody who looks at the web all the time, and notes how long each answer took."""

import threading
import time

import urllib3

EVERY_SECONDS = 0.1
PAGE = "/admin/login/"
ENOUGH = 5  # Answers without which a percentile says nothing.


class Probe(threading.Thread):
    """Asks for a page ten times a second; one that nobody answered is no answer."""

    def __init__(self, url):
        super().__init__(name="probe", daemon=True)
        self.answers = []  # (when, seconds, status)
        self._url = url + PAGE
        self._stop_now = threading.Event()
        self._pool = urllib3.PoolManager(retries=False)

    def run(self):
        while not self._stop_now.wait(EVERY_SECONDS):
            started = time.monotonic()
            try:
                answer = self._pool.request("GET", self._url, timeout=10)
            except urllib3.exceptions.HTTPError:
                continue
            self.answers.append((started, time.monotonic() - started, answer.status))

    def stop(self):
        self._stop_now.set()
        self.join()

    def slowest(self, span, *, inside):
        """Return the 95th percentile within a span of time, or outside of it; None for too few."""
        taken = sorted(
            seconds for at, seconds, _ in self.answers if (span[0] <= at <= span[1]) == inside
        )
        return taken[int(len(taken) * 0.95)] if len(taken) >= ENOUGH else None
