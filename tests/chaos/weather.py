"""The processor's weather: its standing faults, and those that come and go."""

from collections import Counter
from contextlib import suppress

import urllib3

from sandbox.faults import WRONG_BODIES
from tests.chaos.plan import WEATHER


class Weather:
    """What the sandbox does wrong at the moment, and how often each thing has struck so far.

    The sandbox forgets both when it dies, so the counts are read before it is made to.
    """

    def __init__(self, world, *, standing=WEATHER, callbacks=None):
        self._till = world.till()
        self._standing = standing | ({"callbacks": callbacks} if callbacks else {})
        self._passing = {}
        self._before = Counter()
        self._now = Counter()

    def set(self, **faults):
        """Let something come; None lets it go."""
        for name, settings in faults.items():
            if settings is None:
                self._passing.pop(name, None)
            else:
                self._passing[name] = settings
        self.tell()

    def tell(self):
        """Tell the sandbox what it is to do wrong from now on."""
        self._till.call("PUT", "/_sandbox/faults", **(self._standing | self._passing))

    def clear(self):
        """Let the sun shine: only declines are left, which are no faults."""
        decline = {name: told for name, told in self._standing.items() if name == "decline"}
        self._standing, self._passing = decline, {}
        self.tell()

    def struck(self):
        """Return how often each fault has struck."""
        with suppress(urllib3.exceptions.HTTPError, RuntimeError):
            told = self._till.call("GET", "/_sandbox/faults")["happened"]
            self._now = Counter(told)
        return self._before + self._now

    def will_forget(self):
        """Keep the counts of a sandbox that is about to die."""
        self._before, self._now = self.struck(), Counter()

    def next_wrong_body(self, wanted):
        """Let the next kind of wrong body come that is still wanted; returns whether there is."""
        struck = self.struck()
        for kind in WRONG_BODIES:
            left = wanted - struck[f"wrong_body.{kind}"]
            if left > 0:
                self.set(wrong_body={"kinds": [kind], "count": left, "probability": 0.2})
                return True
        self.set(wrong_body=None)
        return False
