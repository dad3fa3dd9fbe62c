"""What the steps of a scenario are made of: passes of workers, requests of people, the world.

A step must be harmless when it is repeated, as beat and people do after a crash: a tick finds
nothing more to do, and what was done already is refused (`asks`).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from accounts.models import Company, FundingInstrument
from conftest import hasten
from core.invalid import Invalid
from core.money import Money
from invoices import collect, one_off, refund
from invoices.models import PayoutDay
from plans.models import Plan
from processors.base import Kind, Status
from schedulers import cycle, jobs, limits, rules
from schedulers.models import Scheduler
from tasks.pricing import Line
from tests.crash.stage import PERSON, START, WORKER, Step
from webhooks import jobs as webhook_jobs
from webhooks import receive

DAY = timedelta(days=1)
MONTH = timedelta(days=31)
LEASE_SECONDS = 120


# -- steps --------------------------------------------------------------------------------------


def ticks(*, after=timedelta(0)):
    """Let a worker make a pass, some time later."""

    def act(run):
        run.stage.tick(now=run.now)

    return *_later(after), Step(WORKER, act)


def sweeps():
    """Let a worker sweep once every look is due."""

    def act(run):
        run.stage.sweep(now=run.now)

    return Step(None, lambda _: hasten()), Step(WORKER, act)


def asks(act, *, after=timedelta(0)):
    """Let a person ask for something; what was done already is refused, and so it is said."""

    def ask(run):
        with suppress(Invalid):
            act(run)

    return *_later(after), Step(PERSON, ask)


def meanwhile(act):
    """Let a person ask for something while the next order is being answered."""

    def ask(run):
        with suppress(Invalid):
            act(run)

    return Step(None, lambda run: run.edge.meanwhile.append(lambda: run.person_acts(ask)))


def outside(act):
    """Let something happen in the world."""
    return Step(None, act)


def _later(span):
    return [Step(None, lambda run: setattr(run, "now", run.now + span))] if span else []


def bells():
    """Let a Celery worker hear its bells: it rings the next one itself, and beat rings the rest."""
    return tuple(
        Step(WORKER, lambda _, bell=bell: bell())
        for bell in (jobs.tick, jobs.tick, jobs.sweep, webhook_jobs.callbacks)
    )


def pays(run, held):
    """Send what a person's request holds, as a door does after its commit."""
    cycle.run(held, processor=limits.processor(), now=run.now, limits=limits.from_settings())


# -- what people ask for ------------------------------------------------------------------------


def cancels(run):
    rules.cancel(run.schedulers[0], now=run.now, at=rules.NOW)


def pauses(run):
    rules.pause(run.schedulers[0], now=run.now)


def resumes(run):
    rules.resume(run.schedulers[0], now=run.now)


def gives_back(run):
    feed = run.feeds().first()
    pays(run, [refund.give_back(feed, now=run.now, lease_seconds=LEASE_SECONDS)])


def raises_the_price(run):
    Plan.objects.filter(pk=run.schedulers[0].plan_id).update(amount=250, updated_at=run.now)


def replaces_the_instrument(run):
    scheduler, instrument = run.schedulers[0], newest(run)
    if Scheduler.objects.get(pk=scheduler.pk).instrument_id == instrument.pk:
        return
    owed = rules.use_instrument(scheduler, instrument, now=run.now)
    for feed in owed:
        collects(run, feed, instrument)


def collects_with_another_card(run):
    feed = run.feeds().get()
    if feed.instrument_id != newest(run).pk:
        collects(run, feed, newest(run))


def collects(run, feed, instrument):
    pays(
        run,
        collect.collect(feed, instrument=instrument, now=run.now, lease_seconds=LEASE_SECONDS),
    )


def issues_the_drafts(run):
    for feed in run.feeds():
        with suppress(Invalid):
            pays(run, collect.issue(feed, now=run.now, lease_seconds=LEASE_SECONDS))


def invoices_once(run):
    customer, card = run.customers[0], newest(run)
    line = Line(description="a goat", amount=Money(700, "USD"))
    _, held = one_off.invoice(
        customer,
        lines=[line],
        instrument=card,
        external_id="order-1",
        now=run.now,
        lease_seconds=LEASE_SECONDS,
    )
    pays(run, held)


def newest(run):
    of_customer = FundingInstrument.objects.filter(customer=run.customers[0])
    return of_customer.order_by("-created_at", "-id").first()


# -- what happens outside -----------------------------------------------------------------------


def the_bank_says(status, code=""):
    def act(run):
        for receipt in run.ledger:
            if receipt.kind is Kind.DEBIT and receipt.status is not Status.FAILED:
                run.edge.memory.settle(receipt.uri, status, code)

    return outside(act)


def is_called_back(run):
    """The processor calls with its newest word on the run's first object."""
    event = run.edge.memory.event_ids(run.ledger[0].uri)[-1]
    company = run.stage.company
    receive.receive(
        receive.company_at(company.guid, company.callback_key),
        raw=f'{{"id": "{event}"}}'.encode(),
        processor=limits.processor(),
        now=run.now,
        limits=limits.from_settings(),
    )


def gets_another_card(run):
    run.stage.instrument(run.customers[0])


def gets_a_cap(run, amount):
    """The company pays out so much a day from now on; what runs before had room for is over."""
    company = run.stage.company
    PayoutDay.objects.filter(company=company).delete()
    Company.objects.filter(pk=company.pk).update(payout_cap=amount)


def took_room_once(run):
    """Each payout of the run has room in one day: no crash took it twice, or let it leave without.

    It is a look, and changes nothing.
    """
    room = PayoutDay.objects.filter(company=run.stage.company).order_by("day")
    today = START.date()
    assert [(today, 90), (today + DAY, 90)] == list(room.values_list("day", "amount"))
