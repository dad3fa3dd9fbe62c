"""A year at the speed of its work: from each instant at which something is due to the next one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import processors
from audit.sets import fetch
from invoices.models import Transaction
from invoices.settle import Looks
from invoices.states import LEASED
from schedulers import cycle
from schedulers.limits import Limits
from schedulers.models import Scheduler
from schedulers.states import TICKING
from webhooks import receive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from billy.demo.desk import Desk
    from billy.demo.mailbox import Letter, Mailbox
    from invoices.attempts import Held
    from invoices.settle import Settled

BANK_DELAY = timedelta(days=3)  # How long the sandbox's banks take, given to it at its start.
MOST_PASSES = 20  # More than this at one instant, and something goes round in circles.
CALLBACK_SECONDS = 5.0  # A callback that takes longer counts as lost: then we ask.
FINISH_SECONDS = 60.0
LOOK_SECONDS = 0.2

# Not those of the environment: the story is the same on every machine.
LIMITS = Limits(
    calls_at_once=8,
    # What is pending is asked for at every sweep: the sandbox's clock says when banks answer.
    looks=Looks(lost_seconds=(1, 2, 4, 8, 16), pending_seconds=0),
)


class Stuck(RuntimeError):
    """The cycle finds work at one instant again and again, or an answer never came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that people do, or that befalls them, at an instant."""

    at: datetime
    act: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """Who is told: of what the cycle settled, and of what a callback brought."""

    settled: Callable[[Settled], None]
    called_back: Callable[[Transaction], None]


class Year:
    """Moves the clocks, ours and the sandbox's, and runs the cycle as the worker does."""

    def __init__(
        self,
        *,
        desk: Desk,
        mailbox: Mailbox,
        ears: Ears,
        now: datetime,
        patience_seconds: float = CALLBACK_SECONDS,
    ) -> None:
        """Begin at `now`. A callback that takes longer than the patience counts as lost."""
        self.now = now
        self.passes = 0
        self.callbacks = 0
        self.processor = processors.load("balanced")
        self.limits = LIMITS
        self._desk = desk
        self._mailbox = mailbox
        self._ears = ears
        self._patience_seconds = patience_seconds
        self._expected: set[str] = set()

    def live(self, happenings: Sequence[Happening], *, until: datetime) -> None:
        """Live until an instant, through all that happens and all that is due before it.

        Raises Stuck where one instant never comes to rest.
        """
        waiting = sorted(happenings, key=lambda each: each.at)
        passes_at_once = 0
        while (at := _earliest(_next_due(), waiting, until=until)) < until:
            passes_at_once = passes_at_once + 1 if at <= self.now else 0
            if passes_at_once > MOST_PASSES:
                raise Stuck(f"{self.now:%Y-%m-%d %H:%M}: still at work after {MOST_PASSES} passes")
            self._move(at)
            while waiting and waiting[0].at <= self.now:
                waiting.pop(0).act()
            self._pass()
        self._finish()
        self._move(until)

    def expect(self, transaction: Transaction) -> None:
        """Say that something will be told of a transaction that was thought to be done."""
        self._expected.add(transaction.processor_uri or "")

    def run(self, held: Sequence[Held]) -> None:
        """Carry attempts that a person has asked for, and tell of them."""
        for each in cycle.run(held, processor=self.processor, now=self.now, limits=self.limits):
            self._ears.settled(each)

    def _move(self, at: datetime) -> None:
        self.now = max(at, self.now)
        self._desk.set_clock(self.now)

    def _pass(self) -> None:
        """Run what is due, then hear what banks have settled by now."""
        report = cycle.tick(processor=self.processor, now=self.now, limits=self.limits)
        self.passes += 1
        for each in report.settled:
            self._ears.settled(each)
        self._listen()

    def _finish(self) -> None:
        """Look up what was cut off, as the worker's sweep does: a machine may be very slow."""
        ends = time.monotonic() + FINISH_SECONDS
        while Transaction.objects.filter(state__in=LEASED).exists():
            if time.monotonic() > ends:
                raise Stuck(f"answers are still out after {FINISH_SECONDS:g} seconds")
            time.sleep(LOOK_SECONDS)
            cycle.sweep(processor=self.processor, now=self.now, limits=self.limits)

    def _listen(self) -> None:
        """Open the letters of what the banks have settled by now; ask where none has come."""
        waiting = self._answers_due() | self._expected
        self._expected = set()
        ends = time.monotonic() + self._patience_seconds
        while waiting:
            letter = self._mailbox.next(seconds=ends - time.monotonic())
            if letter is None:
                break
            if letter.about in waiting and self._open(letter):
                waiting.discard(letter.about)
        if waiting:
            self._ask(waiting)

    def _answers_due(self) -> set[str]:
        """Return the uris of what is pending, and which the banks have settled by now."""
        pending = Transaction.objects.filter(state="pending", updated_at__lte=self.now - BANK_DELAY)
        return {uri for uri in pending.values_list("processor_uri", flat=True) if uri}

    def _open(self, letter: Letter) -> bool:
        """Take a callback in as the web server does; returns whether it told anything new."""
        guid, _, key = letter.path.strip("/").removeprefix("v1/companies/").partition("/callbacks/")
        before = Transaction.objects.get(processor_uri=letter.about).state
        receive.receive(
            receive.company_at(guid, key),
            raw=letter.body,
            processor=self.processor,
            now=self.now,
            limits=self.limits,
        )
        transaction = _with_feed(letter.about)
        if transaction.state == before:
            return False
        self.callbacks += 1
        self._ears.called_back(transaction)
        return True

    def _ask(self, waiting: set[str]) -> None:
        """Look at what is pending ourselves: a lost callback must not leave it so for ever."""
        cycle.sweep(processor=self.processor, now=self.now, limits=self.limits)
        for uri in sorted(waiting):
            transaction = _with_feed(uri)
            if transaction.state == "pending":
                raise Stuck(f"{uri} should be settled by {self.now:%Y-%m-%d}, and is not")
            self._ears.called_back(transaction)


def _earliest(due: datetime | None, waiting: Sequence[Happening], *, until: datetime) -> datetime:
    """Return the next instant: of the cycle, of what happens, or of the end."""
    instants = [until, *(each.at for each in waiting[:1])]
    return min(instants if due is None else [due, *instants])


def _next_due() -> datetime | None:
    """Return the next instant at which the cycle, or a bank, has something to do."""
    at: datetime | None = fetch(NEXT_DUE, [list(TICKING), BANK_DELAY])[0][0]
    return at


def _with_feed(uri: str) -> Transaction:
    found = Transaction.objects.select_related("feed__customer", "instrument")
    return found.get(processor_uri=uri)


SCHEDULER = f'"{Scheduler._meta.db_table}"'
TRANSACTION = f'"{Transaction._meta.db_table}"'
NEXT_DUE = (
    f"SELECT least((SELECT min(next_run_at) FROM {SCHEDULER} WHERE state = ANY(%s)),"
    f" (SELECT min(due_at) FROM {TRANSACTION} WHERE state = 'queued'),"
    f" (SELECT min(updated_at) + %s FROM {TRANSACTION} WHERE state = 'pending'))"
)
