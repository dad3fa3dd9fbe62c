"""What people do to the companies of a history, through the verbs that the doors call."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

from django.db import Error

from accounts.models import Company, Customer, FundingInstrument
from audit.sets import fetch
from conftest import give_instrument
from core.frequency import Frequency
from core.invalid import Invalid
from core.money import Money
from invoices import collect, one_off, refund
from invoices.models import AuditFeed, Transaction
from plans.models import Payout, Plan
from schedulers import cycle, rules
from schedulers.models import Scheduler
from schedulers.subscribe import Subscription
from schedulers.subscribe import subscribe as put_on
from tasks.kinds import DebitTask, PayoutTask, task
from tasks.pricing import Line
from tests.machine.breaks import Break
from webhooks.receive import NoSuchAddress

LEASE = 3600
FITS = {
    "issue": {"state": "draft"},
    "waive": {"state__in": ["draft", "open"]},
    "collect": {"state__in": ["open", "uncollected"], "total__gt": 0},
    "give back": {"captured__gt": 0},
    "refund 7": {"captured__gt": 0},
}


class Asked:
    """A price by code: what the offer asks, so that it may be edited like any other."""

    def price(self, context):
        return [context.line("asked", unit_amount=Money(context.amount, context.currency))]


@task("asked-charge")
class AskedCharge(Asked, DebitTask):
    """Charge it."""


@task("asked-payout")
class AskedPayout(Asked, PayoutTask):
    """Pay it out."""


class Office:
    def __init__(self, world):
        self.world = world
        self.made = 0

    def people(self):
        """The schedulers that somebody asked for, in the order in which they came."""
        return [pk for pk, each in self.world.mind.promises.items() if not each.parent]

    def name(self, pk):
        return self.world.mind.promises[pk].name

    # -- signing up ------------------------------------------------------------------------------

    def sign_up(self, *, company, timer, zone, who, starts, share, has_own_task, **way):
        self.made += 1
        frequency, interval = timer
        owner = Company.objects.get(pk=self.world.companies[company])
        amount = 100 + 2 * self.made
        now = self.world.now
        pays = who != "payee"
        own = {"task": "asked-charge" if pays else "asked-payout"} if has_own_task else {}
        offer = (Plan if pays else Payout).create(
            **own,
            company=owner,
            amount=amount,
            description=f"offer {self.made}",
            frequency=Frequency(frequency),
            interval=interval,
            trial_period=way["trial_days"] or None,
            now=now,
        )
        customer = Customer.create(company=owner, name=f"C{self.made}", now=now)
        share = share if pays else 0
        scheduler = put_on(
            Subscription(
                plan=offer,
                customer=customer,
                instrument=None if who == "nobody" else self.instrument(customer, who),
                started_at=starts,
                time_zone=zone,
                ends_after=way["ends_after"],
                catch_up=way["catch_up"],
                without_instrument=way["without_instrument"],
                retry_policy={"days": [1, 3], "end": way["end_of_dunning"]},
                follow_ups=[self._payee(owner)] if share else (),
            ),
            now=now,
        )
        promise = self.world.engine.promise(
            name=f"{who} {self.made}",
            company=company,
            amount=amount,
            frequency=frequency,
            interval=interval,
            zone=zone,
            started_at=starts or now,
            direction="debit" if pays else "credit",
            has_instrument=who != "nobody",
            share=share,
            **way,
        )
        self.world.mind.promises[scheduler.pk] = promise

    def instrument(self, customer, who):
        memory = self.world.memory
        is_card = who in {"card", "nobody"}
        uri = memory.add_card() if is_card else memory.add_bank_account()
        return give_instrument(customer, uri, memory=memory, now=self.world.now)

    def _payee(self, owner):
        payee = Customer.create(company=owner, name=f"P{self.made}", now=self.world.now)
        account = self.instrument(payee, "payee")
        return {"role": "seller", "customer": payee, "instrument": account, "share": 5000}

    # -- what is decided about a scheduler -------------------------------------------------------

    def chosen(self, which):
        """Return one of the schedulers that somebody asked for, None where there is none."""
        people = self.people()
        return people[which % len(people)] if people else None

    def decided(self, pk, what):
        before = self.world.mind.promises[pk]
        after = {
            "pause": before.pause,
            "resume": lambda: before.resume(self.world.now),
            "cancel": lambda: before.cancel(at_once=False),
            "cancel now": lambda: before.cancel(at_once=True),
            "use instrument": before.use_instrument,
        }[what]()
        return before if after is None else after

    def do(self, pk, what):
        """Do it; refused moves are the model's to judge, since then nothing may change."""
        scheduler = Scheduler.objects.get(pk=pk)
        act = {
            "pause": lambda: rules.pause(scheduler, now=self.world.now),
            "resume": lambda: rules.resume(scheduler, now=self.world.now),
            "cancel": lambda: rules.cancel(scheduler, now=self.world.now),
            "cancel now": lambda: rules.cancel(scheduler, now=self.world.now, at="now"),
        }[what]
        with suppress(Invalid):
            act()

    def edit_price(self, pk, amount):
        """Change the offer's row, as no verb does yet: whoever edits it, what is open stays."""
        offer = Scheduler.objects.get(pk=pk).plan_id
        Plan.objects.filter(pk=offer).update(amount=amount, updated_at=self.world.now)

    def use_instrument(self, pk, *, collects):
        scheduler = Scheduler.objects.get(pk=pk)
        who = self.name(pk).rpartition(" ")[0]
        instrument = self.instrument(scheduler.customer, who)
        with suppress(Invalid):
            owed = rules.use_instrument(scheduler, instrument, now=self.world.now)
            for feed in owed if collects else ():
                with suppress(Invalid):
                    self._send(
                        collect.collect(
                            feed, instrument=instrument, now=self.world.now, lease_seconds=LEASE
                        )
                    )

    def meets(self, does, where, other, which):
        """Let a worker stand still at a boundary of its tick while somebody else acts."""
        pk, (kind, number, after) = self.chosen(which), where
        acts = {
            "ticks": lambda: self.world.work("tick"),
            "takes over": self._take_over,
            "cancels": lambda: pk and self.do(pk, "cancel now"),
            "pauses": lambda: pk and self.do(pk, "pause"),
            "is told": self._newest_callback,
        }
        asides = []
        broken = Break(
            kind=kind,
            number=number,
            after=after,
            how="waits",
            meanwhile=lambda: asides.append(self.world.aside(acts[other])),
        )
        futures = self._either_order(pk, other)

        def act():
            self.world.work("tick", broken)
            for each in asides:
                each.join()
                if each.error is not None and not isinstance(each.error, Error):
                    raise each.error

        does(
            f"a worker ticks; while it {broken}, another {other} (of {pk and self.name(pk)})",
            act,
            futures,
        )

    def _take_over(self):
        self.world.a_while_passes()
        self.world.work("sweep")

    def _newest_callback(self):
        for receipt in self.world.memory.ledger[-1:]:
            self.callback(receipt, self.world.memory.event_ids(receipt.uri)[-1], "well")

    def _either_order(self, pk, other):
        futures = self.world.ticked((1, 2) if other == "ticks" else (1,))
        if other in {"takes over", "is told"}:  # A no that is heard first may stop a scheduler.
            for each, promise in self.world.mind.promises.items():
                futures[each].append(replace(promise.copy(), only_if_stopped=True))
                futures[each].append(promise.tick(self.world.now))  # It may have been on hold.
        what = {"cancels": "cancel now", "pauses": "pause"}.get(other)
        if pk is not None and what:
            before = self.world.mind.promises[pk]
            first = self.decided(pk, what)
            calls = before.company in self.world.calling()
            ticked = futures[pk][0]
            self.world.mind.promises[pk] = ticked
            last = self.decided(pk, what)
            self.world.mind.promises[pk] = before
            futures[pk] = [last, first.tick(self.world.now) if calls else first, ticked]
        return futures

    # -- invoices --------------------------------------------------------------------------------

    def invoice(self, which, what):
        found = list(AuditFeed.objects.filter(**FITS[what]).order_by("due_at", "total"))
        return found[which % len(found)] if found else None

    def take(self, feed, what, *, sent):
        now = self.world.now
        with suppress(Invalid):
            if what == "issue":
                held = collect.issue(feed, now=now, lease_seconds=LEASE)
            elif what == "waive":
                collect.waive(feed, now=now, reason="kindness")
                held = []
            elif what == "collect":
                held = self._collect(feed)
            else:
                amount = 7 if what == "refund 7" else None
                held = [refund.give_back(feed, amount=amount, now=now, lease_seconds=LEASE)]
            if sent:
                self._send(held)

    def _collect(self, feed):
        usable = FundingInstrument.objects.filter(customer=feed.customer_id, state="active")
        instrument = usable.order_by("-id").first()
        if instrument is None:
            return []
        return collect.collect(feed, instrument=instrument, now=self.world.now, lease_seconds=LEASE)

    def one_off(self, which, *, sent):
        """Ask for an invoice under one of a few names: a client that repeats itself gets one."""
        customer = Scheduler.objects.get(pk=self.chosen(which)).customer
        usable = FundingInstrument.objects.filter(customer=customer, state="active", can_debit=True)
        line = Line(description="a one-off", amount=Money(12, customer.company.currency))
        with suppress(Invalid):
            _, held = one_off.invoice(
                customer,
                lines=[line],
                now=self.world.now,
                lease_seconds=LEASE,
                instrument=usable.order_by("id").first(),
                external_id=f"one-off {which}",
            )
            if sent:
                self._send(held)

    def _send(self, held):
        """Carry attempts out at once, as the door does that was asked for them."""
        cycle.run(held, processor=self.world.memory, now=self.world.now, limits=self.world.limits())

    # -- callbacks -------------------------------------------------------------------------------

    def callback(self, receipt, event, how):
        """Send a callback; one that is forged, or for another company, must change nothing."""
        order = next(each for each in self.world.memory.orders if each.key == receipt.key)
        owners = [Company.objects.get(pk=pk) for pk in self.world.companies]
        owner = next(each for each in owners if each.processor_key == order.account.secret)
        other = next(each for each in owners if each.pk != owner.pk)
        before = self._fingerprint()
        if how == "well":
            answer = self._tell(owner, owner.callback_key, event)
            known = Transaction.objects.filter(key=receipt.key).exists()
            assert answer == ("ok" if known else "ignore"), answer
            return
        with suppress(Invalid, NoSuchAddress):
            if how == "misdirected":
                self._tell(other, other.callback_key, event)
            else:
                self._tell(owner, other.callback_key, event)
            raise AssertionError(f"a callback that is {how} was taken for a true one")
        assert before == self._fingerprint(), f"a callback that is {how} changed something"

    def _tell(self, company, key, event):
        return self.world.engine.receive(
            company_guid=company.guid,
            key=key,
            raw=json.dumps({"id": event}).encode(),
            processor=self.world.memory,
            now=self.world.now,
            limits=self.world.limits(),
        )

    def _fingerprint(self):
        return fetch(
            "SELECT (SELECT sum(head_seq) FROM billy_audit_audittrail),"
            " (SELECT string_agg(id || state, ',' ORDER BY id) FROM billy_invoices_transaction)",
            [],
        )
