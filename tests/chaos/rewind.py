"""F12: the database is set back, and what it lost must be found again, once.

The fence must see it and freeze; an operator compares with the processor and opens it again.

Nobody but the workers may act between the copy and the finding: what a person did meanwhile and
the database forgot is for that person to do again.
"""

import json
import time
from contextlib import closing

SETTLED = "SELECT count(*) FROM billy_invoices_auditfeed WHERE state = 'settled'"
EVERY = "SELECT count(*) FROM billy_invoices_transaction"
DONE = EVERY + " WHERE state NOT IN ('queued', 'intent', 'unknown')"
FOUND = (
    "SELECT count(*) FROM billy_invoices_transaction WHERE key = ANY(%s)"
    " AND state NOT IN ('queued', 'intent', 'unknown')"
)
KNOWN = "SELECT key FROM billy_invoices_transaction WHERE key = ANY(%s)"
MONEY = frozenset({"debit", "credit", "refund", "reversal"})


class Rewind:
    """Waits for quiet, copies, waits until enough was settled, sets back, waits until it is found.

    `step` is called again and again; `state` is waiting, going on, finding or over. `operator` is
    what the operator saw: why dispatch was frozen, after how long, and what comparing came to.
    """

    def __init__(self, world, *, lost, told):
        self.world = world
        self.wanted = lost
        self.told = told
        self.state = "waiting"
        self.settled_lost = 0
        self.keys_lost = []
        self.found_seconds = 0.0
        self.operator = {}
        self._at_copy = 0
        self._attempts_at_copy = 0
        self._set_back_at = 0.0

    def step(self, *, quiet):
        """Go on where something can be done."""
        if self.state == "waiting" and quiet:
            self.world.cluster.take_copy()
            self._at_copy = self._ask(SETTLED)
            self._attempts_at_copy = self._ask(EVERY)
            self.state = "going on"
            self.told(f"F12: copied with {self._at_copy:,} invoices settled")
        elif self.state == "going on" and self._is_enough():
            self._set_back()
        elif self.state == "finding" and self._is_open() and self._is_found():
            self.found_seconds = time.monotonic() - self._set_back_at
            self.state = "over"
            self.told(f"F12: found again after {self.found_seconds:.0f} s")

    def _is_enough(self):
        """Say whether so many attempts were both opened and done since the copy."""
        opened_and_done = self._ask(DONE) - self._attempts_at_copy
        settled = self._ask(SETTLED) - self._at_copy
        return min(opened_and_done, settled) >= self.wanted

    def _set_back(self):
        settled = self._ask(SETTLED)
        self.world.cluster.set_back()
        self._set_back_at = time.monotonic()
        self.settled_lost = settled - self._ask(SETTLED)
        there = keys_of(self.world.ledger)
        with closing(self.world.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(KNOWN, [list(there)])
            self.keys_lost = sorted(there - {row[0] for row in cursor.fetchall()})
        self.state = "finding"
        self.world.start_bot("operator", "tests.chaos.operator", self._file)
        self.told(
            f"F12: set back; {self.settled_lost:,} settled invoices"
            f" and {len(self.keys_lost):,} attempts are lost"
        )

    @property
    def _file(self):
        return self.world.folder / "operator.json"

    def _is_open(self):
        """Say whether the operator is done; raises where that ended badly."""
        operator = self.world.children.get("operator")
        if operator is not None and not operator.lives:
            del self.world.children["operator"]
            if operator.kill():
                raise RuntimeError("the operator could not open dispatch: see operator.log")
            self.operator = json.loads(self._file.read_text())
            self.told(f"F12: frozen: {self.operator['reason'][:48]}…")
            self.told("F12: the operator has compared, and opened dispatch")
        return bool(self.operator)

    def _is_found(self):
        return self._ask(FOUND, [self.keys_lost]) == len(self.keys_lost)

    def _ask(self, statement, parameters=()):
        with closing(self.world.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            return cursor.fetchone()[0]


def keys_of(ledger):
    """Return the keys under which the sandbox has made money objects."""
    found = set()
    with ledger.open(encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            if line["type"] in MONEY:
                found.add(line["key"])
    return found
