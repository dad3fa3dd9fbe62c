"""A small living database: two companies, and every state that an invoice or an attempt may be in.

It is made by the verbs of production and a processor in memory, so that what `verify --self-test`
damages is what really exists.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from accounts import open as opening
from accounts.enroll import enroll
from accounts.models import Company, Customer, FundingInstrument
from audit import checkpoints
from audit.sets import execute
from core.frequency import Frequency
from core.money import Money
from invoices import collect, one_off, refund
from invoices.models import AuditFeed, Transaction
from plans.models import Payout, Plan
from processors.base import Account, Kind, Receipt, Status
from processors.memory import Conflict, Declined, Lost, Memory, Pending, Rejected, Succeeded
from schedulers import cycle, rules, usage
from schedulers.limits import Limits
from schedulers.models import Scheduler
from schedulers.subscribe import Subscription, subscribe
from tasks.pricing import Line
from webhooks.models import Inbound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processors.memory import Item

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
END = START + timedelta(days=95)
LIMITS = Limits(calls_at_once=1)
DAY = timedelta(days=1)


class Twin(Memory):
    """A processor in memory that can list what it has, and whose cards may think again."""

    def answer(self, customer: Customer, item: Item) -> None:
        """Let charges of the customer's instrument be answered so from now on."""
        self._answers[_of(customer).uri] = item

    def listed(
        self, *, account: Account, kind: Kind, since: datetime | None = None
    ) -> Iterator[Receipt]:
        """Yield the account's objects of a kind; it has no clock, so `since` changes nothing."""
        del since
        for entry in list(self._ledger.entries.values()):
            if entry.order.account.secret == account.secret and entry.receipt.kind is kind:
                yield entry.receipt


def live(twin: Twin) -> None:
    """Fill the empty database that Django points at; the story ends at END."""
    market, other = _company("The marketplace", twin), _company("The other one", twin)
    Company.objects.filter(pk=market.pk).update(listens=True)
    market.refresh_from_db()
    for tell in (_good, _bad, _stopped, _late, _by_hand):
        tell(market, twin)
    logging.getLogger(checkpoints.__name__).setLevel(logging.WARNING)  # They are no one's.
    checkpoints.take(now=END - DAY)
    _good(other, twin)
    _pass(twin, END)
    _unanswered(market, twin)
    checkpoints.take(now=END)
    Inbound.objects.create(
        processor="memory",
        company=market,
        event_id="EV1",
        received_at=END,
        body_sha256="0" * 64,
        raw="{}",
        done_at=END,
        result="ok",
    )


def _good(company: Company, twin: Twin) -> None:
    """Alice pays each month and Carol gets her share; one charge and one payout are given back."""
    alice, carol = _payer(company, "Alice", twin), _payee(company, "Carol", twin)
    share = {"customer": _guid(carol), "instrument": _of(carol).guid, "share": 8500}
    goat = _plan(company, "the goat")
    first = _put(goat, alice, follow_ups=({**share, "role": "seller", "after_days": 1},))
    payroll = Payout.create(
        company=company, amount=90, description="payroll", frequency="monthly", now=START
    )
    paid = _put(payroll, carol)
    usage.record(
        first,
        usage.Used(metric="storage_gb", quantity="1.5", at=START, external_id="report-1"),
        now=START,
    )
    _put(goat, _payer(company, "Trent", twin), trial_period=10, time_zone="Europe/Berlin")
    for month in range(3):
        _pass(twin, START + month * 31 * DAY)
        _pass(twin, START + (month * 31 + 2) * DAY)
    for scheduler, amount in ((first, 40), (paid, None)):
        feed = _newest(scheduler)
        held = refund.give_back(feed, amount=amount, now=END, lease_seconds=120)
        cycle.run([held], processor=twin, now=END, limits=LIMITS)


def _bad(company: Company, twin: Twin) -> None:
    """Declines of every kind: paid later, given up, to be tried again; a return; a key conflict."""
    plan = _plan(company, "the bull")
    dan = _payer(company, "Dan", twin, answer=Declined())
    _put(plan, dan, started_at=START + DAY)
    _pass(twin, START + DAY)
    twin.answer(dan, Succeeded())
    _pass(twin, START + 4 * DAY)
    given_up = _put(plan, _payer(company, "Erin", twin, answer=Declined()))
    for day in range(40):
        _pass(twin, START + day * DAY)
    held = collect.collect(
        _newest(given_up),
        instrument=_of(_payer_again(given_up, twin)),
        now=START + 41 * DAY,
        lease_seconds=120,
    )
    cycle.run(held, processor=twin, now=START + 41 * DAY, limits=LIMITS)
    returned = _put(plan, _payer(company, "Grace", twin), started_at=START + 43 * DAY)
    _pass(twin, START + 43 * DAY)
    came_back = Transaction.objects.get(feed=_newest(returned), state="succeeded")
    receipt = twin.settle(str(came_back.processor_uri), Status.FAILED, "R01")
    cycle.believe(came_back.pk, receipt, now=START + 44 * DAY, limits=LIMITS)
    for answer in (Conflict(), Rejected("it is gone", "not-found")):
        heidi = _payer(company, "Heidi", twin, answer=answer)
        _put(plan, heidi, started_at=START + 46 * DAY)
    _pass(twin, START + 46 * DAY)


def _stopped(company: Company, twin: Twin) -> None:
    """Pauses that skip, cancels now and later, an end, a trial nobody pays, a row that is bad."""
    plan = _plan(company, "the ram")
    paused = _put(plan, _payer(company, "Ivan", twin))
    _pass(twin, START)
    rules.pause(paused, now=START + 3 * DAY)
    rules.resume(paused, now=START + 70 * DAY)
    judy = _payer(company, "Judy", twin, answer=Declined())
    now_over = _put(plan, judy, started_at=START + 70 * DAY)
    _pass(twin, START + 70 * DAY)
    rules.cancel(now_over, at=rules.NOW, now=START + 71 * DAY)
    later = _put(plan, _payer(company, "Kim", twin), started_at=START + 50 * DAY)
    _pass(twin, START + 71 * DAY)
    rules.cancel(later, now=START + 72 * DAY)
    _put(plan, _payer(company, "Leo", twin), ends_after=2, catch_up="each")
    _put(plan, Customer.create(company=company, name="Mia", now=START), trial_period=5)
    bad = _put(plan, _payer(company, "Nina", twin), started_at=START + 73 * DAY)
    Scheduler.objects.filter(pk=bad.pk).update(retry_policy={"days": "soon"})
    _pass(twin, START + 73 * DAY)


def _late(company: Company, twin: Twin) -> None:
    """Three occurrences were missed: drafted, collapsed, all but the latest passed over."""
    plan = Plan.create(
        company=company, amount=700, description="hay", frequency=Frequency.WEEKLY, now=START
    )
    start = {"started_at": START + 60 * DAY}
    held = _put(plan, _payer(company, "Olga", twin), catch_up="hold", **start)
    for name in ("collapse", "latest", "each"):
        _put(plan, _payer(company, name, twin), catch_up=name, **start)
    _pass(twin, START + 75 * DAY)
    first, second, *_ = AuditFeed.objects.filter(trail_id=held.pk).order_by("occurrence")
    issued = collect.issue(first, now=START + 75 * DAY, lease_seconds=120)
    cycle.run(issued, processor=twin, now=START + 75 * DAY, limits=LIMITS)
    collect.waive(second, now=START + 75 * DAY, reason="a gift")


def _by_hand(company: Company, twin: Twin) -> None:
    """One-off invoices: paid, of nothing, and without an instrument."""
    pat = _payer(company, "Pat", twin)
    for amount, name, instrument in ((250, "oats", _of(pat)), (0, None, None), (99, "salt", None)):
        _, held = one_off.invoice(
            pat,
            lines=[Line(description=str(name), amount=Money(amount, "USD"))],
            now=END - DAY,
            lease_seconds=120,
            external_id=name,
            instrument=instrument,
        )
        cycle.run(held, processor=twin, now=END - DAY, limits=LIMITS)


def _unanswered(company: Company, twin: Twin) -> None:
    """What is under way when the story ends: with a bank, to be tried again, without an answer."""
    plan = _plan(company, "the ewe")
    _put(plan, _payer(company, "Quentin", twin, answer=Pending()), started_at=END - DAY)
    _pass(twin, END)
    _put(plan, _payer(company, "Frank", twin, answer=Declined()), started_at=END)
    _pass(twin, END)
    _put(plan, _payer(company, "Ruth", twin, answer=Lost()), started_at=END - DAY)
    cycle.tick(processor=twin, now=END, limits=LIMITS)


# --- Who acts, and what they do -----------------------------------------------------------------


def _company(name: str, twin: Twin) -> Company:
    account = twin.open_account(url="memory:")
    return enroll(name=name, account=account, processor=twin, now=START)[0]


def _plan(company: Company, description: str) -> Plan:
    return Plan.create(
        company=company, amount=1000, description=description, frequency="monthly", now=START
    )


def _payer(company: Company, name: str, twin: Twin, *, answer: Item = Succeeded) -> Customer:
    customer = Customer.create(company=company, name=name, now=START)
    card = twin.add_card(answer=answer)
    opening.instrument(card, customer=customer, processor=twin, now=START)
    return customer


def _payer_again(scheduler: Scheduler, twin: Twin) -> Customer:
    """Give the customer of a scheduler another card, which is a good one."""
    customer = scheduler.customer
    opening.instrument(twin.add_card(), customer=customer, processor=twin, now=START)
    return customer


def _payee(company: Company, name: str, twin: Twin) -> Customer:
    customer = Customer.create(company=company, name=name, now=START)
    account = twin.add_bank_account(can_debit=False)
    opening.instrument(account, customer=customer, processor=twin, now=START)
    return customer


def _of(customer: Customer) -> FundingInstrument:
    return FundingInstrument.objects.filter(customer=customer).order_by("-pk")[0]


def _guid(customer: Customer) -> str:
    return customer.guid


def _put(plan: Plan, customer: Customer, **terms: Any) -> Scheduler:
    terms = {"instrument": FundingInstrument.objects.filter(customer=customer).first(), **terms}
    terms.setdefault("started_at", START)
    return subscribe(Subscription(plan=plan, customer=customer, **terms), now=START)


def _newest(scheduler: Scheduler) -> AuditFeed:
    return AuditFeed.objects.filter(trail_id=scheduler.pk).order_by("-occurrence")[0]


def _pass(twin: Twin, now: datetime) -> None:
    """Let everything happen that is due at an instant."""
    while cycle.tick(processor=twin, now=now, limits=LIMITS).worked:
        pass
    execute(
        "UPDATE billy_invoices_transaction SET next_look_at = clock_timestamp() - interval '1 s'"
        " WHERE state = 'pending'"
    )
    for each in list(twin.ledger):
        if each.status is Status.PENDING and now < END:
            twin.settle(each.uri, Status.SUCCEEDED)
    cycle.sweep(processor=twin, now=now, limits=LIMITS)
