"""People and apps that use the product meanwhile, each in a process of its own.

`python -m tests.chaos.bots admin|clients COUNT SECONDS SEED FILE`: so many actions spread over so
many seconds. What was done is counted in FILE. A verb that meets a lost database is tried again
later, as a person would.
"""

import json
import os
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import urllib3

AT_ONCE = 8
TRIES = 150  # An outage of half a minute is outlived, twice.
# Every action may hit anyone but cancel and pause, which take the load away: they keep to these.
ONE_IN = 25


def main():
    """Do the actions, then write down how many of each were done."""
    what, count, seconds, seed, file = sys.argv[1:]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")
    import django

    django.setup()
    bot = BOTS[what](random.Random(f"{seed} {what}"), Path(file).parent)
    started = time.monotonic()
    for n in range(int(count)):
        until = started + float(seconds) * n / int(count)
        time.sleep(max(0.0, until - time.monotonic()))
        bot.act(n)
    Path(file).write_text(json.dumps(bot.done))


class Away(RuntimeError):
    """What was needed was away: later, then."""


class Bot:
    """What both have: chance, the companies, and patience with a database that is away."""

    def __init__(self, chance, folder):
        self.chance = chance
        self.done = Counter()
        self.made = json.loads((folder / "asked.made").read_text())
        self.asked = json.loads((folder / "asked.json").read_text())

    def act(self, n):
        """Do one thing; what the product refuses is counted as refused."""
        from core.invalid import Invalid

        name, action = self.choose(n)
        try:
            self.patient(action)
            self.done[name] += 1
        except Invalid:
            self.done[f"{name} refused"] += 1

    def patient(self, action):
        """Do it again where the database or the processor was away."""
        from django.db import InterfaceError, OperationalError, connection

        for tried in range(TRIES):
            try:
                return action()
            except (OperationalError, InterfaceError, RuntimeError, urllib3.exceptions.HTTPError):
                connection.close()
                if tried == TRIES - 1:
                    raise
                time.sleep(0.5)
        return None


class Admin(Bot):
    """Cancels, pauses, resumes, and gives other cards: F22."""

    def choose(self, n):
        from schedulers.models import Scheduler

        actions = (self.change_card, self.change_card, self.pause, self.resume, self.cancel)
        action = actions[n % len(actions)]
        payers = self.asked["payers"]
        if action != self.change_card:
            payers = payers[::ONE_IN]
        name = payers[self.chance.randrange(len(payers))]["name"]

        def act():
            scheduler = Scheduler.objects.filter(external_id=name).first()
            if scheduler is not None:
                action(scheduler)

        return action.__name__, act

    def pause(self, scheduler):
        from schedulers import rules

        rules.pause(scheduler, now=_now())

    def resume(self, scheduler):
        from schedulers import rules

        rules.resume(scheduler, now=_now())

    def cancel(self, scheduler):
        from schedulers import rules

        rules.cancel(scheduler, now=_now(), at=self.chance.choice(("now", "period_end")))

    def change_card(self, scheduler):
        """Give another card or account, and collect one invoice that is still owed with it."""
        from accounts import open as opening
        from accounts.models import FundingInstrument
        from invoices import collect
        from schedulers import limits, rules

        payer = next(p for p in self.asked["payers"] if p["name"] == scheduler.external_id)
        till = _till(self.asked, self.made, payer["company"])
        by_bank = payer["direction"] == "credit"
        uri = till.bank_account(verified=False) if by_bank else till.card()
        (instrument,) = opening.instruments(
            [(scheduler.customer, uri)],
            processor=limits.processor(),
            now=_now(),
            calls_at_once=1,
        )
        if not isinstance(instrument, FundingInstrument):
            raise Away(str(instrument))
        owed = rules.use_instrument(scheduler, instrument, now=_now())
        if owed:
            within = limits.from_settings()
            held = collect.collect(
                owed[0], instrument=instrument, now=_now(), lease_seconds=within.lease_seconds
            )
            self.done["collected"] += 1
            _send(held)


class Clients(Bot):
    """Asks for the same thing from eight threads at once: F23."""

    def choose(self, n):
        action = (self.one_off, self.refund, self.callback)[n % 3]
        return action.__name__, partial(action, n)

    def one_off(self, _):
        """One invoice by one external id."""
        from django.db.models import Q

        from accounts.models import FundingInstrument
        from invoices.models import AuditFeed

        usable = FundingInstrument.objects.filter(Q(state="active"), kind="card", can_debit=True)
        instrument = usable.order_by("?").first()
        name = f"one-off-{self.chance.random()}"
        answered = self.at_once(lambda: self.charge(instrument, name))
        made = AuditFeed.objects.filter(external_id=name).count()
        if made > 1:
            self.done["made twice"] += 1
        elif made == 0:
            self.done["lost"] += bool(answered)
            raise Away("the database")

    def charge(self, instrument, name):
        from core.money import Money
        from invoices import one_off
        from schedulers import limits
        from tasks.pricing import Line

        line = Line(description="One-off", amount=Money(777, "USD"))
        _, held = one_off.invoice(
            instrument.customer,
            lines=[line],
            now=_now(),
            lease_seconds=limits.from_settings().lease_seconds,
            instrument=instrument,
            external_id=name,
        )
        _send(held)

    def refund(self, _):
        """All of an invoice's money back: once."""
        from invoices.models import AuditFeed, Transaction

        paid = AuditFeed.objects.filter(state="settled", direction="debit", refunded=0)
        given = Transaction.objects.filter(kind="refund").values("feed")
        feed = paid.exclude(pk__in=given).order_by("-id").first()
        if feed is not None:
            self.at_once(lambda: self.give_back(feed))

    def give_back(self, feed):
        from invoices import refund
        from schedulers import limits

        within = limits.from_settings()
        _send([refund.give_back(feed, now=_now(), lease_seconds=within.lease_seconds)])

    def callback(self, n):
        """One event, told eight times at once."""
        company = self.asked["listening"][0]
        till = _till(self.asked, self.made, company)
        events = till.call("GET", "/events?limit=20")["events"]
        if events:
            body = json.dumps({"events": [events[n % len(events)]]})
            address = self.made["companies"][company]["callback"]

            def tell():
                till.pool.request("POST", address, body=body, timeout=20)

            self.at_once(tell)

    def at_once(self, action):
        """Do it in eight threads; returns how many of them were told that it was done."""
        from django.db import connection

        from core.invalid import Invalid

        def alone():
            try:
                action()
            except Invalid:
                return 0
            finally:
                connection.close()
            return 1

        answered = 0
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for each in [threads.submit(alone) for _ in range(AT_ONCE)]:
                with suppress(Exception):  # One that failed is not repeated: the others did it.
                    answered += each.result()
        return answered


def _send(held):
    from schedulers import cycle, limits

    cycle.run(held, processor=limits.processor(), now=_now(), limits=limits.from_settings())


def _now():
    from accounts.clock import database_now

    return database_now()


def _till(asked, made, company):
    from tests.chaos.till import Till

    return Till(asked["sandbox"], made["companies"][company]["secret"])


BOTS = {"admin": Admin, "clients": Clients}

if __name__ == "__main__":
    main()
