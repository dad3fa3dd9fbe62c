"""The processor in memory, in a mood: how it answers until its mood changes.

Its answers depend on the card or account and on how often that was used, never on the order in
which workers come by, so that a history can be told again.
"""

from __future__ import annotations

from collections import Counter
from threading import RLock

from processors.base import Busy, Kind, Misconfigured, NotSent, Rejected, Unknown
from processors.memory import (
    Conflict,
    Declined,
    Late,
    Lost,
    LostBefore,
    Memory,
    Pending,
    Refused,
    Succeeded,
    WrongBody,
)

NO_SUCH_CARD = Rejected("there is no such instrument", "not-found")
MOODS = {
    "well": (Succeeded,),
    "declining": (Declined,),
    "declining for good": (Declined(hard=True),),
    "declining for want of funds": (Declined(code="R01"), Succeeded),
    "declining now and then": (Declined, Succeeded),
    "losing answers": (Lost, LostBefore, Lost(after=Declined()), Lost(after=Pending())),
    "late": (Late, Late(after=Declined())),
    "pending": (Pending,),
    "busy": (Busy, Succeeded),
    "not to be reached": (Refused,),
    "talking nonsense": (WrongBody,),
    "in conflict": (Conflict, Succeeded),
    "misconfigured": (Misconfigured,),
    "rejecting": (Rejected, NO_SUCH_CARD),
    "mixed": (Lost, Succeeded, Declined, Pending, Busy, Late, Succeeded, LostBefore, Refused),
}
# A processor that keeps keys says none of these of a request that it has executed or has in hand.
LIES_ABOUT_KEPT = (Declined, Conflict, Rejected, Pending)
SILENT = {"busy": Busy, "not to be reached": NotSent, "talking nonsense": Unknown}


class Moody(Memory):
    """A processor with moods, and with boundaries at which a worker may die."""

    def __init__(self):
        super().__init__()
        self.mood = "well"
        self.device = None
        self.refused = set()
        """The keys of requests that were refused: proven not executed."""
        self._uses = Counter()
        self._one_at_a_time = RLock()

    def submit(self, order):
        return self._bounded(lambda: self._submit(order))

    def find(self, order):
        return self._bounded(lambda: self._find(order))

    def _bounded(self, effect):
        device = self.device
        return effect() if device is None else device.boundary("call", effect)

    def _submit(self, order):
        with self._one_at_a_time:
            self.script.clear()
            self.script.append(self._answer(order))
            try:
                return super().submit(order)
            except Rejected:
                self.refused.add(order.key)
                raise

    def _find(self, order):
        silent = SILENT.get(self.mood)
        if silent is not None:
            raise silent("it does not answer")
        return super().find(order)

    def _answer(self, order):
        answers = MOODS[self.mood]
        item = answers[self._uses[order.target_uri] % len(answers)]
        self._uses[order.target_uri] += 1
        kind = item if isinstance(item, type) else type(item)
        in_hand = any(late.key == order.key for late, _ in self._late)
        if issubclass(kind, LIES_ABOUT_KEPT) and (in_hand or self._ledger.under(order)):
            return LostBefore if in_hand and not self._ledger.under(order) else Succeeded
        gives_back = order.kind in {Kind.REFUND, Kind.REVERSAL}
        return LostBefore if kind is Late and gives_back else item
