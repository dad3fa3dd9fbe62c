"""Callbacks that must change nothing: a wrong secret, an event nobody knows, another's event."""

import json
import secrets
import threading
from collections import Counter

import urllib3

KINDS = ("wrong secret", "unknown event", "another company's event", "no event")


class Forger(threading.Thread):
    """Sends forged callbacks all the time, on a thread of its own, until told to stop.

    `ids` are the events that must never be believed of the company. An event whose processor
    cannot be asked in time is answered 200, stored, and looked into later, so that answers say
    little: the judge looks at what became of the ids.
    """

    def __init__(self, world, *, company, other, every_seconds):
        super().__init__(name="forger", daemon=True)
        self._every_seconds = every_seconds
        self._stop_now = threading.Event()
        self.sent = Counter()
        self.ids = []
        self.company = world.made["companies"][company]["id"]
        self._pool = urllib3.PoolManager(retries=False)
        self._address = world.made["companies"][company]["callback"]
        self._other = world.till(other)

    def run(self):
        n = 0
        while not self._stop_now.wait(self._every_seconds):
            self.send(n)
            n += 1

    def stop(self):
        self._stop_now.set()
        self.join()

    def send(self, n):
        """Send one; one that meets a dead web server or a dead processor counts for nothing."""
        kind = KINDS[n % len(KINDS)]
        try:
            address, body = self._forged(kind)
            answer = self._pool.request("POST", address, body=body, timeout=5)
        except (urllib3.exceptions.HTTPError, RuntimeError):
            return
        if answer.status < 500:
            self.sent[kind] += 1
        if kind in {"wrong secret", "no event"} and answer.status < 300:
            self.sent[f"{kind}, BELIEVED"] += 1

    def _forged(self, kind):
        body = {"id": f"EV{secrets.token_hex(12)}", "type": "debit.succeeded"}
        if kind == "no event":
            return self._address, b'{"events": [{"id": "../cards"}]}'
        if kind == "another company's event":
            events = self._other.call("GET", "/events?limit=1")["events"]
            body = events[0] if events else body
        address = self._address
        if kind == "wrong secret":
            address = address.rstrip("/")[:-6] + secrets.token_hex(3) + "/"
        else:
            self.ids.append(body["id"])
        return address, json.dumps({"events": [body]}).encode()
