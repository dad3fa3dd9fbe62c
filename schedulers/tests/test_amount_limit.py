"""More than a company moves in one payment is refused where it is said, and parked where it comes.

The goat plan is a dollar, payroll is ninety cents.
"""

import pytest

from accounts.limits import change as limit
from audit.models import AuditEvent
from conftest import give_instrument, instrument_of, subscribe, tick
from core.frequency import Frequency
from core.invalid import Invalid
from core.money import Money
from invoices import collect, one_off
from invoices.models import AuditFeed
from plans.models import Payout, Plan
from processors.base import Kind
from processors.memory import Declined
from schedulers import usage
from schedulers.models import Scheduler
from tasks.kinds import DebitTask, task
from tasks.pricing import Line

pytestmark = pytest.mark.django_db


@task("test-limited-storage")
class Storage(DebitTask):
    """Charge two cents for each gigabyte."""

    def price(self, context):
        gigabytes = context.usage("storage_gb")
        return context.line("Storage", quantity=gigabytes, unit_amount=Money(2, "USD"))


@pytest.fixture
def marketplace(marketplace, now):
    """The marketplace, which moves a dollar at once and no more."""
    return limit(marketplace, {"amount_limit": 100}, now=now)


@pytest.mark.parametrize("offer", [Plan, Payout])
def test_an_offer_above_the_limit_is_refused(offer, marketplace, now):
    with pytest.raises(Invalid, match=r"amount: is above the company's limit: a .* at most 100 "):
        offer.create(company=marketplace, amount=101, frequency=Frequency.DAILY, now=now)

    assert offer.create(company=marketplace, amount=100, frequency=Frequency.DAILY, now=now)


def test_a_payout_above_a_whole_day_s_cap_is_refused_and_a_plan_is_not(marketplace, now):
    limit(marketplace, {"payout_cap": 50}, now=now)
    marketplace.refresh_from_db()

    with pytest.raises(Invalid, match=r"amount: .* a payout may be at most 50 minor units"):
        Payout.create(company=marketplace, amount=51, frequency=Frequency.DAILY, now=now)

    assert Plan.create(company=marketplace, amount=51, frequency=Frequency.DAILY, now=now)


def test_a_subscription_above_the_limit_is_refused(goat, alice, now):
    with pytest.raises(Invalid, match="amount: is above the company's limit"):
        subscribe(goat, alice, now=now, amount=101)

    assert subscribe(goat, alice, now=now, amount=100)


def test_a_subscription_to_an_offer_above_the_limit_is_refused(goat, alice, now):
    limit(goat.company, {"amount_limit": 99}, now=now)
    goat.refresh_from_db()

    with pytest.raises(Invalid, match=r"amount: .* a charge may be at most 99 minor units"):
        subscribe(goat, alice, now=now)

    assert subscribe(goat, alice, now=now, amount=99)


def test_a_follow_up_above_the_limit_is_refused(goat, alice, carol, now):
    rule = {"role": "seller", "customer": carol.guid, "instrument": instrument_of(carol).guid}

    with pytest.raises(Invalid, match=r"follow_ups\[0\].amount: is above the company's limit"):
        subscribe(goat, alice, now=now, follow_ups=[rule | {"amount": 101}])


def test_a_one_off_above_the_limit_is_refused(alice, now):
    lines = [Line(description="Hay", amount=Money(each, "USD")) for each in (70, 31)]

    with pytest.raises(Invalid, match="amount: is above the company's limit"):
        one_off.invoice(alice, lines=lines, now=now, lease_seconds=120)

    assert not AuditFeed.objects.exists()


def test_a_price_that_grew_above_the_limit_parks_its_scheduler(marketplace, alice, memory, now):
    metered = Plan.create(
        company=marketplace, task="test-limited-storage", frequency=Frequency.DAILY, now=now
    )
    used = [50, 51]
    for name, quantity in zip(("within", "above"), used, strict=True):
        scheduler = subscribe(metered, alice, now=now, external_id=name)
        mark = usage.Used(metric="storage_gb", quantity=quantity, at=now, external_id=name)
        usage.record(scheduler, mark, now=now)
    tick(memory, now=now)  # The first period has no usage behind it.
    tomorrow = Scheduler.objects.first().next_run_at

    report = tick(memory, now=tomorrow)

    above, within = Scheduler.objects.order_by("external_id")
    assert (report.parked, report.opened) == (1, 1)
    assert (within.state, memory.sum()) == ("active", 100)
    assert (above.state, above.next_run_at) == ("parked", tomorrow)
    assert above.reason == (
        "a charge of 102 minor units is above the company's limit: it may be at most 100"
    )
    assert not AuditFeed.objects.filter(trail_id=above.pk, total__gt=0).exists()
    assert AuditEvent.objects.filter(trail=above.pk, kind="scheduler.parked").exists()


def test_what_is_resumed_under_a_higher_limit_is_charged(goat, alice, memory, now):
    subscribe(goat, alice, now=now)
    limit(goat.company, {"amount_limit": 99}, now=now)
    tick(memory, now=now)
    assert (Scheduler.objects.get().state, memory.sum()) == ("parked", 0)

    limit(goat.company, {"amount_limit": None}, now=now)
    Scheduler.objects.update(state="active")
    tick(memory, now=now)

    assert memory.sum() == 100


def test_the_share_of_a_follow_up_above_the_cap_parks_the_payout(goat, alice, carol, memory, now):
    rule = {"role": "seller", "customer": carol.guid, "instrument": instrument_of(carol).guid}
    subscribe(goat, alice, now=now, follow_ups=[rule | {"share": 8500}])
    limit(goat.company, {"payout_cap": 84}, now=now)
    tick(memory, now=now)

    tick(memory, now=now)

    child = Scheduler.objects.get(parent__isnull=False)
    assert (child.state, memory.sum(kind=Kind.CREDIT)) == ("parked", 0)
    assert child.reason == (
        "a payout of 85 minor units is above the company's limit: it may be at most 84"
    )


def test_an_invoice_above_a_limit_that_came_later_is_not_collected(goat, alice, memory, now):
    memory.script.append(Declined(hard=True))
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    feed = AuditFeed.objects.get()
    limit(goat.company, {"amount_limit": 99}, now=now)
    card = give_instrument(alice, memory.add_card(), memory=memory, now=now)

    with pytest.raises(Invalid, match="invoice: is above the company's limit"):
        collect.collect(feed, instrument=card, now=now, lease_seconds=120)

    feed.refresh_from_db()
    assert (feed.state, feed.live) == ("uncollected", 0)
