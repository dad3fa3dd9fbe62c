"""The processor as a process meets it: each call is sent, arrives, and is answered.

The twin in memory stands behind it. A request that was sent by a process that died on the spot is
on the wire: it arrives later, while others recover. That is the worst that a network can do.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from itertools import count

from processors.memory import Memory
from tests.crash import boundaries

PATHS = {"card": "/cards/CC", "bank account": "/bank_accounts/BA"}
_numbers = count(1)


class Edge:
    """Implements `Processor`, over a twin that answers new orders as `answers` says."""

    name = "memory"
    key_life_seconds = None

    def __init__(self, *, hide_keys=False):
        self.memory = Memory(hide_keys=hide_keys)
        self.key_class = self.memory.key_class
        self.answers = defaultdict(deque)
        """What the new orders of an instrument are answered, in order; then they succeed."""
        self.meanwhile = deque()
        """What happens elsewhere while the next order is being answered, once each."""
        self.account = self.memory.open_account(url="memory:")
        self._first_object = 0
        self._wire = []
        self._lock = threading.Lock()

    # -- what Billy asks ------------------------------------------------------------------------

    def submit(self, order):
        return self._call(order.kind, lambda: self._arrived(order), interrupted=True)

    def find(self, order):
        return self._call(f"look for {order.kind}", lambda: self.memory.find(order))

    def fetch(self, *, account, uri):
        return self._call("fetch", lambda: self.memory.fetch(account=account, uri=uri))

    def event(self, *, account, event_id):
        return self._call("event", lambda: self.memory.event(account=account, event_id=event_id))

    def listed(self, **asked):
        return iter(self._call("list", lambda: list(self.memory.listed(**asked))))

    def instrument(self, *, account, uri):
        return self._call("instrument", lambda: self.memory.instrument(account=account, uri=uri))

    def create_customer(self, **asked):
        return self._call("customer", lambda: self.memory.create_customer(**asked))

    def customer(self, **asked):
        return self._call("look for a customer", lambda: self.memory.customer(**asked))

    def associate(self, **asked):
        return self._call("associate", lambda: self.memory.associate(**asked))

    def register_callback(self, **asked):
        return self._call("callback", lambda: self.memory.register_callback(**asked))

    def open_account(self, *, url):
        return self._call("account", lambda: self.memory.open_account(url=url))

    def identify(self, *, account):
        return self._call("identify", lambda: self.memory.identify(account=account))

    # -- what the stage arranges ----------------------------------------------------------------

    def uri(self, kind):
        """Return a new instrument: this processor takes any uri for a good one."""
        return f"{PATHS[kind]}{next(_numbers):020d}"

    def begin(self):
        """Begin a new run: what was done before is not its own."""
        self._first_object = len(self.memory.ledger)

    def ledger(self, instruments):
        """Return what was done for this run, as the processor says it: nobody else is at it."""
        del instruments
        return self.memory.ledger[self._first_object :]

    def deliver(self):
        """Let what is still on the wire arrive: nobody hears the answers."""
        with self._lock:
            late, self._wire = self._wire, []
        for request in late:
            _answered(request)

    def hang_up(self):
        """No process keeps a connection here."""

    def clear(self):
        """Forget what was arranged and did not happen."""
        self.meanwhile.clear()
        self.answers.clear()
        self._wire.clear()

    def close(self):
        """There is nothing to let go of."""

    def _call(self, what, request, *, interrupted=False):
        process = boundaries.current()
        if process is None:
            return request()
        process.cross(f"HTTP send: {what}", lambda: self._wire.append(request))
        with self._lock:
            self._wire.remove(request)
        answer = _answered(request)
        while interrupted and self.meanwhile:
            self.meanwhile.popleft()()
        return process.cross(f"HTTP receive: {what}", answer)

    def _arrived(self, order):
        """Execute an order; what is planned is for new ones, a key that is kept is replayed."""
        with self._lock:
            planned = self.answers[order.target_uri]
            if planned and self.memory.find(order) is None:
                self.memory.script.append(planned.popleft())
            return self.memory.submit(order)


def _answered(request):
    """Return what gives the answer to a request when it is called: a result or an error."""
    try:
        result = request()
    except Exception as error:  # noqa: BLE001  # It is the answer.
        return _raising(error)
    return lambda: result


def _raising(error):
    def answer():
        raise error

    return answer


def door():
    """Return what the settings name as the processor: the edge of the stage that is set."""
    return EDGES[-1]


EDGES: list[object] = []
