"""Two companies, their customers and a processor; a database that can be put back; a clock.

What is done here is done through Billy's own doors. What it must lead to is the model's to say.
"""

from __future__ import annotations

import copy
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import Thread
from uuid import UUID

import psycopg2
from django.db import Error, connection, connections

from audit.models import AuditEvent
from conftest import LIMITS, abandon, hasten, open_company, unpause
from invoices.models import AuditFeed, Transaction
from invoices.settle import Looks
from schedulers import cycle
from schedulers.models import Scheduler
from tests.isolation import connected_to
from tests.machine.breaks import Crash
from tests.machine.laws import Books, broken_chains, broken_laws
from tests.machine.promise import TICKING, Promise
from webhooks import receive

START = datetime(2026, 1, 30, 12, tzinfo=UTC)
# Leases and looks go by the database's clock, which no history moves: an hour is for ever, until
# a step ends them. So it does not matter how fast the machine is that tells the history.
LOOKS = Looks(lost_seconds=(3600,) * 200, pending_seconds=3600)
LIMITS_HERE = partial(LIMITS, lease_seconds=3600, looks=LOOKS)
NOES = ("declined", "rejected", "returned")
MONEY_BACK = "the charge that started it came back"


def heard(*, company_guid, key, **told):
    """Take a callback in as the door does: the address first."""
    return receive.receive(receive.company_at(company_guid, key), **told)


@dataclass(frozen=True, slots=True)
class Engine:
    """The doors that a history goes through: a test swaps one for a broken one."""

    tick: object = cycle.tick
    sweep: object = cycle.sweep
    receive: object = heard
    promise: type = Promise
    restored: object = lambda: None  # What is done to a backup that was put back.


class Broken(AssertionError):
    """A law does not hold, or a promise was not kept."""


@dataclass
class Mind:
    """What the world knows that a restored backup must forget."""

    promises: dict[UUID, Promise] = field(default_factory=dict)
    noes: dict[UUID, int] = field(default_factory=dict)
    chains: dict[UUID, tuple[int, bytes]] = field(default_factory=dict)


class World:
    def __init__(self, *, workshop, template, engine, processor):
        self.workshop, self.engine, self.memory = workshop, engine, processor
        self.now = START
        self.story = []
        self.mind = Mind()
        self.backup, self.copies = None, 0
        self.lost, self.late_news, self.weak = set(), set(), set()
        self._pointing = ExitStack()
        self._use(workshop.copy(template))
        self._watcher = psycopg2.connect(workshop.url)
        self._watcher.autocommit = True
        zones = ("UTC", "Europe/Berlin")
        self.companies = [
            open_company(f"Company {zone}", now=START, time_zone=zone).pk for zone in zones
        ]

    def close(self):
        self._watcher.close()
        self._pointing.close()
        for each in (self.database, self.backup and self.backup.database):
            if each:
                self.workshop.drop(each)

    # -- the database ----------------------------------------------------------------------------

    def _use(self, database):
        self._pointing.close()
        self.database = database
        self._pointing.enter_context(connected_to(database))

    def back_up(self):
        self.copies += 1
        connections.close_all()
        if self.backup:
            self.workshop.drop(self.backup.database)
        copied = self.workshop.copy(self.database.name)
        self.backup = Backup(copied, copy.deepcopy(self.mind), len(self.memory.orders))

    def restore(self):
        """Put the backup back; what the processor did since stays done."""
        self.copies += 1
        self.lost |= {order.key for order in self.memory.orders[self.backup.orders :]}
        self.weak |= weak_invoices()
        before = self.database
        self._use(self.workshop.copy(self.backup.database.name))
        self.workshop.drop(before)
        self.engine.restored()
        self.mind = copy.deepcopy(self.backup.mind)

    # -- workers ---------------------------------------------------------------------------------

    def limits(self):
        return LIMITS_HERE()

    def work(self, what, broken=None):
        """Let a worker do a pass; returns the report, or None where it did not come back."""
        door = getattr(self.engine, what)
        go = partial(door, processor=self.memory, now=self.now, limits=self.limits())
        if broken is None:
            return go()
        try:
            with broken.on(self.memory):
                return go()
        except (Crash, Error):
            return None
        finally:
            connection.close()

    def aside(self, what):
        """Do something on another connection; goes on before its end where it waits for ours."""
        worker = Aside(what)
        worker.start()
        while worker.is_alive():
            worker.join(0.01)
            if worker.pid is not None and self._waits(worker.pid):
                break
        return worker

    def _waits(self, pid):
        with self._watcher.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [pid])
            return cursor.fetchone()[0]

    def a_while_passes(self):
        """Let every lease end, every look be due, and every company be called again."""
        abandon()
        hasten()
        unpause()

    def calling(self):
        """The places of the companies whose calls are not on hold."""
        waiting = "SELECT id FROM billy_accounts_company WHERE calls_paused_until > now()"
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            held = {row[0] for row in cursor.fetchall()}
        return {place for place, pk in enumerate(self.companies) if pk not in held}

    # -- what must be ----------------------------------------------------------------------------

    def ticked(self, times=(1,)):
        """What each scheduler may be after so many passes of a worker."""
        calling = self.calling()
        futures = {}
        for pk, promise in self.mind.promises.items():
            options, after = [], promise
            for count in range(max(times) + 1):
                if count in times:
                    options.append(after)
                after = after.tick(self.now) if promise.company in calling else after
            futures[pk] = options
        return futures

    def check(self, futures=None, *, together=False):
        """Compare the rows with the model and with the processor, and raise what is broken.

        `futures` are the states that a scheduler may be in after this step, the likeliest first:
        as it was, where it is not named. `together`: all went on, or none did.
        """
        problems = [*broken_laws(), *broken_chains(self.mind.chains)]
        problems += self.books().problems()
        problems += Look(self).compare(futures or {}, together=together)
        if problems:
            raise Broken("\n".join([*problems, "", *self.story]))

    def books(self):
        weak = self.weak | self.called_off()
        return Books(self.memory, lost=self.lost, late_news=self.late_news, weak=weak)

    def called_off(self):
        """Return invoices with an attempt that was called off though it had been paid.

        The restored database knows it as queued, so as unsent. Whoever calls it off, to collect
        with another key, has not compared with the processor first, as docs/operating.md says.
        """
        voided = Transaction.objects.filter(state="voided", key__in=self.lost)
        return {each.feed.guid for each in voided.select_related("feed")}

    def told(self, sentence):
        self.story.append(f"{self.now:%Y-%m-%d %H:%M} {sentence}")


@dataclass
class Backup:
    database: object
    mind: Mind
    orders: int


def weak_invoices():
    """Return invoices with an attempt that was never executed under its key.

    A processor keeps no answer for those, so after a restore that key is sent as if for the first
    time, whatever a later key did. Only what the processor's own list says could tell.
    """
    unkept = Transaction.objects.filter(state__in=["rejected", "voided"])
    return {each.feed.guid for each in unkept.select_related("feed")}


class Aside(Thread):
    """Another worker or person, on a connection of their own."""

    def __init__(self, what):
        super().__init__(daemon=True)
        self.what, self.pid, self.result, self.error = what, None, None, None

    def run(self):
        try:
            connection.ensure_connection()
            self.pid = connection.connection.info.backend_pid
            self.result = self.what()
        except Exception as error:  # noqa: BLE001  # Told to whoever joins it.
            self.error = error
        finally:
            connection.close()


class Look:
    """The schedulers as they stand in the database, beside what was promised."""

    def __init__(self, world):
        self.world = world
        self.rows = {row.pk: row for row in Scheduler.objects.all()}
        self.feeds = {}
        for feed in AuditFeed.objects.filter(kind="period"):
            self.feeds.setdefault(feed.trail_id, {})[feed.occurrence] = feed
        self.skipped = {}
        for event in AuditEvent.objects.filter(kind="occurrences.skipped"):
            named = range(event.body["from"], event.body["to"] + 1)
            self.skipped.setdefault(event.trail_id, {}).update(
                dict.fromkeys(named, event.body["reason"])
            )
        self.noes, self.back = {}, {}
        refused = Transaction.objects.filter(state__in=NOES, kind__in=["debit", "credit"])
        for trail, occurrence, state in refused.values_list(
            "feed__trail_id", "feed__occurrence", "state"
        ):
            self.noes[trail] = self.noes.get(trail, 0) + 1
            if state == "returned":
                self.back.setdefault(trail, set()).add(occurrence)

    def compare(self, futures, *, together):
        promises = self.world.mind.promises
        problems = [f"{promises[pk].name} is gone" for pk in promises.keys() - self.rows.keys()]
        moved = set()
        for pk, row in self.rows.items():
            if pk in promises:
                problems += self._follow(row, futures.get(pk, [promises[pk]]), moved)
        for pk, row in self.rows.items():
            if pk not in promises:
                problems += self._born(row)
        if together and len(moved) > 1:
            problems.append("some of a batch were opened and some were not")
        self.world.mind.noes = self.noes
        return [*problems, *self._children()]

    def _follow(self, row, options, moved):
        """Take the state that a scheduler is in for the true one, if it is one of these."""
        promises = self.world.mind.promises
        kept = next((each for each in options if self._keeps(each, row)), None)
        if kept is None:
            return self._differs(options[0], row)
        if len({repr(each) for each in options}) > 1:  # It was due, and could go either way.
            moved.add(options.index(kept))
        promises[row.pk] = kept.copy()
        promises[row.pk].state, promises[row.pk].only_if_stopped = row.state, False
        return []

    def _keeps(self, promise, row):
        return self._stand(row) == promised(promise) and self._may_be(promise, row)

    def _stand(self, row):
        feeds = self.feeds.get(row.pk, {})
        opened = {n: (f.period_start, f.period_end, f.total) for n, f in feeds.items()}
        return row.occurrence, row.next_run_at, row.cancel_at, opened, self.skipped.get(row.pk, {})

    def _may_be(self, promise, row):
        """Whether the processor's answers may have led from the promised state to this one."""
        before, after = promise.state, row.state
        drafts = [n for n, f in self.feeds.get(row.pk, {}).items() if f.state == "draft"]
        if any(not promise.opened[n].draft for n in drafts):
            return False
        if promise.only_if_stopped and after in TICKING:
            return False
        if before == after:
            return True
        if promise.parent and {before, after} == {"active", "paused"}:
            parent, occurrence = row.parent_id, row.parent_occurrence
            return occurrence in self.back.get(parent, ())
        if (before, after) == ("past_due", "active"):
            return True
        new_no = self.noes.get(row.pk, 0) > self.world.mind.noes.get(row.pk, 0)
        ends = {"pause": "paused", "cancel": "canceled"}.get(promise.end_of_dunning)
        allowed = {"past_due", "errored", "held"} | {ends}
        ticks = before in TICKING and before != "trialing"
        stands = before in {"paused", "held", "errored"} and after == "canceled"
        return new_no and after in allowed and (ticks or stands)

    def _differs(self, promise, row):
        said = (*promised(promise), promise.state)
        names = (
            "the counter",
            "the next run",
            "the planned end",
            "what was opened",
            "skipped",
            "the state",
        )
        for name, ours, theirs in zip(names, said, (*self._stand(row), row.state), strict=True):
            if ours != theirs:
                yield f"{promise.name}: {name} must be {ours} and is {theirs}"
        yield f"{promise.name} does not stand as promised"

    # -- schedulers that were started by others --------------------------------------------------

    def _born(self, row):
        parent = self.world.mind.promises.get(row.parent_id)
        if parent is None or not parent.share or row.parent_occurrence not in parent.opened:
            return [f"nobody asked for {row.guid}"]
        amount = parent.opened[row.parent_occurrence].total * parent.share // 100
        if (row.amount, row.direction) != (amount, "credit"):
            return [f"{parent.name} starts a {row.direction} of {row.amount}, not of {amount}"]
        child = self.world.engine.promise(
            name=f"what {parent.name} shares of {row.parent_occurrence}",
            parent=parent.name,
            company=parent.company,
            amount=amount,
            frequency="daily",
            interval=1,
            zone=parent.zone,
            started_at=row.started_at,
            ends_after=1,
            catch_up="each",
            direction="credit",
        )
        self.world.mind.promises[row.pk] = child
        # A second worker may have run it by now.
        return self._follow(row, [child, child.tick(self.world.now)], set())

    def _children(self):
        """Each charge that was ever settled has started its payout, and no other has."""
        started = {(row.parent_id, row.parent_occurrence) for row in self.rows.values()}
        for pk, promise in self.world.mind.promises.items():
            feeds = self.feeds.get(pk, {}) if promise.share else {}
            for occurrence, feed in feeds.items():
                paid = feed.captured > 0
                if paid != ((pk, occurrence) in started):
                    yield f"{promise.name} {occurrence}: paid is {paid}, its payout is not so"


def promised(promise):
    opened = {n: (o.start, o.end, o.total) for n, o in promise.opened.items()}
    return promise.counter, promise.next_run, promise.cancel_at, opened, promise.skipped
