"""Histories: what may happen to two companies, in any order, and what must hold after each step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from processors.base import Kind, Status
from tests.machine.breaks import KINDS, Break
from tests.machine.moody import MOODS
from tests.machine.office import Office
from tests.machine.rest import come_to_rest

SOME = st.integers(0, 11)  # Which of several: counted around.
YES = st.booleans()
JUMPS = {
    "a second": timedelta(seconds=1),
    "five minutes back": -timedelta(minutes=5),
    "an hour": timedelta(hours=1),
    "a day": timedelta(days=1),
    "a week": timedelta(days=7),
    "a month": timedelta(days=31),
    "a quarter": timedelta(days=92),
    "400 days": timedelta(days=400),
}
# Just after the clocks of New York and Berlin are changed.
CHANGES = [
    datetime(2026, 3, 8, 7, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
    datetime(2027, 3, 14, 7, 30, tzinfo=UTC),
    datetime(2027, 3, 28, 1, 30, tzinfo=UTC),
]
MOST_PEOPLE = 8
MOST_COPIES = 4  # Of the database, in one history: they take most of its time.
LATEST = datetime(2029, 1, 1, tzinfo=UTC)  # Longer histories say nothing new and take long.
WAYS = st.fixed_dictionaries(
    {
        "company": st.integers(0, 1),
        "timer": st.sampled_from(
            [("daily", 10), ("weekly", 1), ("monthly", 1), ("monthly", 3), ("yearly", 1)]
        ),
        "zone": st.sampled_from(
            ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Tokyo"]
        ),
        "who": st.sampled_from(["card", "card", "bank account", "payee", "nobody"]),
        "starts": st.sampled_from(["now", "31 January", "before the clocks change", "lately"]),
        "trial_days": st.sampled_from([0, 0, 3, 30]),
        "catch_up": st.sampled_from(["auto", "each", "collapse", "latest", "hold"]),
        "ends_after": st.sampled_from([None, None, 1, 4]),
        "end_of_dunning": st.sampled_from(["pause", "cancel", "leave"]),
        "share": st.sampled_from([0, 0, 50]),
        "has_own_task": st.sampled_from([False, False, True]),
        "without_instrument": st.sampled_from(["pause", "cancel", "invoice"]),
    }
)
BOUNDARY = st.tuples(st.sampled_from(KINDS), st.integers(1, 9), YES)  # The kind, which, after it.


def instant(starts, zone, now):
    """Return when a subscription begins, None for now."""
    there = ZoneInfo(zone)
    return {
        "now": None,
        "31 January": datetime(now.year, 1, 31, 2, 30, tzinfo=there),
        "before the clocks change": datetime(now.year, 3, 1, 2, 30, tzinfo=there),
        "lately": now - timedelta(days=40),
    }[starts]


class Histories(RuleBasedStateMachine):
    """One history. A test gives it a world (`make`), and it gives it back."""

    make = None

    def __init__(self):
        super().__init__()
        self.world = type(self).make()
        self.office = Office(self.world)
        self.is_broken = False

    def does(self, sentence, act, futures=None, *, together=False):
        """Take one step and compare everything."""
        try:
            self.world.told(sentence)
            act()
            self.world.check(futures() if callable(futures) else futures, together=together)
        except BaseException:
            self.is_broken = True
            raise

    @initialize(ways=st.lists(WAYS, min_size=1, max_size=3), mood=st.sampled_from(sorted(MOODS)))
    def people_sign_up(self, ways, mood):
        """Begin with something that is due, and a processor that is as it is."""
        for way in ways:
            self.signs_up(way)
        self.the_processor_is(mood)
        self.a_worker_ticks()

    # -- workers ---------------------------------------------------------------------------------

    @rule(jump=st.sampled_from(sorted(JUMPS)), works=st.sampled_from([True, True, False]))
    def time_passes(self, jump, works):
        if self.world.now + JUMPS[jump] > LATEST:
            return
        self.world.now += JUMPS[jump]
        if JUMPS[jump] > timedelta(minutes=1):
            self.world.a_while_passes()
        self.does(f"{jump} passes", lambda: None)
        if works:
            self.a_worker_ticks()

    @precondition(lambda self: self.world.now < CHANGES[-1])
    @rule()
    def the_clocks_change(self):
        self.world.now = next(each for each in CHANGES if each > self.world.now)
        self.world.a_while_passes()
        self.does("the clocks change", lambda: None)
        self.a_worker_ticks()

    @rule()
    def a_worker_ticks(self):
        futures = self.world.ticked()
        self.does("a worker ticks", lambda: self.world.work("tick"), futures)

    @rule(where=BOUNDARY, how=st.sampled_from(["dies", "dies", "loses its connection"]))
    def a_worker_breaks(self, where, how):
        kind, number, after = where
        how = "dies" if kind == "call" else how
        broken = Break(kind=kind, number=number, after=after, how=how)
        futures = self.world.ticked((1, 0))
        self.does(
            f"a worker ticks and {broken}",
            lambda: self.world.work("tick", broken),
            lambda: futures if broken.fired else {pk: each[-1:] for pk, each in futures.items()},
            together=True,
        )

    @rule(leases_end=YES)
    def a_worker_sweeps(self, leases_end):
        if leases_end:
            self.world.a_while_passes()
        self.does(f"a worker sweeps ({leases_end=})", lambda: self.world.work("sweep"))

    @rule(where=BOUNDARY, how=st.sampled_from(["dies", "loses its connection"]))
    def a_sweeper_breaks(self, where, how):
        kind, number, after = where
        self.world.a_while_passes()
        how = "dies" if kind == "call" else how
        broken = Break(kind=kind, number=number, after=after, how=how)
        self.does(f"a worker sweeps and {broken}", lambda: self.world.work("sweep", broken))

    @rule(
        where=BOUNDARY,
        other=st.sampled_from(["ticks", "takes over", "cancels", "pauses", "is told"]),
        which=SOME,
    )
    def two_at_once(self, where, other, which):
        """Let somebody act while a worker stands still in the middle of its tick."""
        self.office.meets(self.does, where, other, which)

    # -- the processor ---------------------------------------------------------------------------

    @rule(mood=st.sampled_from(sorted(MOODS)))
    def the_processor_is(self, mood):
        self.world.memory.mood = mood
        self.does(f"the processor is {mood}", lambda: None)

    @rule(well=YES)
    def pending_ones_come_true(self, well):
        status = Status.SUCCEEDED if well else Status.FAILED
        for receipt in self.world.memory.ledger:
            if receipt.status is Status.PENDING:
                self.world.memory.settle(receipt.uri, status, "" if well else "R01")
        self.world.a_while_passes()
        self.does(f"what was pending has {status}", lambda: self.world.work("sweep"))

    @rule()
    def late_ones_arrive(self):
        self.does("what was late arrives", self.world.memory.arrive)

    @rule(which=SOME, code=st.sampled_from(["R01", "R10"]))
    def a_bank_takes_it_back(self, which, code):
        kinds = {Kind.DEBIT, Kind.CREDIT}
        paid = [
            each
            for each in self.world.memory.ledger
            if each.status is Status.SUCCEEDED and each.kind in kinds
        ]
        if paid:
            receipt = paid[-1 - which % len(paid)]
            self.world.memory.settle(receipt.uri, Status.FAILED, code)
            self.world.late_news.add(receipt.key)
            self.does(f"a bank takes {receipt.uri} back ({code})", lambda: None)

    @rule(which=SOME, event=SOME, how=st.sampled_from(["well", "well", "forged", "misdirected"]))
    def a_callback_comes(self, which, event, how):
        ledger = self.world.memory.ledger
        if ledger:
            receipt = ledger[-1 - which % len(ledger)]
            events = self.world.memory.event_ids(receipt.uri)
            named = events[-1 - event % len(events)]
            self.does(
                f"a callback comes of {named} ({how})",
                lambda: self.office.callback(receipt, named, how),
            )

    # -- people ----------------------------------------------------------------------------------

    @rule(way=WAYS)
    def somebody_signs_up(self, way):
        if len(self.office.people()) < MOST_PEOPLE:
            self.signs_up(way)

    def signs_up(self, way):
        way = way | {"starts": instant(way["starts"], way["zone"], self.world.now)}
        self.does(f"somebody signs up: {way}", lambda: self.office.sign_up(**way))

    @rule(which=SOME, what=st.sampled_from(["pause", "resume", "cancel", "cancel now"]))
    def a_person_decides(self, which, what):
        pk = self.office.chosen(which)
        if pk is not None:
            futures = {pk: [self.office.decided(pk, what)]}
            self.does(f"{self.office.name(pk)}: {what}", lambda: self.office.do(pk, what), futures)

    @rule(which=SOME, percent=st.sampled_from([50, 110, 200]))
    def a_price_is_edited(self, which, percent):
        """What is open keeps its amount; the next occurrence has the new one."""
        pk = self.office.chosen(which)
        if pk is not None:
            before = self.world.mind.promises[pk]
            # Even, as all amounts here: half of it is a payee's share.
            after = before.priced(max(2, before.amount * percent // 200 * 2))
            self.does(
                f"{before.name}: its price becomes {after.amount}",
                lambda: self.office.edit_price(pk, after.amount),
                {pk: [after]},
            )

    @rule(which=SOME, collects=YES)
    def another_card_is_given(self, which, collects):
        pk = self.office.chosen(which)
        if pk is not None:
            self.does(
                f"{self.office.name(pk)} gets another instrument ({collects=})",
                lambda: self.office.use_instrument(pk, collects=collects),
                {pk: [self.office.decided(pk, "use instrument")]},
            )

    @rule(
        which=SOME,
        what=st.sampled_from(["issue", "waive", "collect", "give back", "refund 7"]),
        sent=st.sampled_from([True, True, False]),
    )
    def a_person_takes_an_invoice(self, which, what, sent):
        feed = self.office.invoice(which, what)
        if feed is not None:
            self.does(
                f"a person takes {feed} of {feed.occurrence}: {what} ({sent=})",
                lambda: self.office.take(feed, what, sent=sent),
            )

    @rule(which=SOME, sent=YES)
    def a_one_off_is_asked_for(self, which, sent):
        if self.office.people():
            self.does(
                f"one-off {which} is asked for ({sent=})",
                lambda: self.office.one_off(which, sent=sent),
            )

    # -- the database ----------------------------------------------------------------------------

    @precondition(lambda self: self.world.copies < MOST_COPIES)
    @rule()
    def a_backup_is_made(self):
        self.does("a backup is made", self.world.back_up)

    @precondition(lambda self: self.world.backup and self.world.copies < MOST_COPIES)
    @rule()
    def the_backup_is_restored(self):
        self.does("the backup is restored", self.world.restore)

    @precondition(lambda self: self.world.copies + 2 <= MOST_COPIES)
    @rule(jump=st.sampled_from(["an hour", "a week", "a month"]))
    def the_last_commits_are_lost(self, jump):
        """As when a standby takes over that had not heard of them: the processor had."""
        self.a_backup_is_made()
        self.time_passes(jump, works=True)
        self.the_backup_is_restored()
        self.a_worker_ticks()

    def teardown(self):
        try:
            if not self.is_broken:
                come_to_rest(self.world, self.office)
        finally:
            self.world.close()
