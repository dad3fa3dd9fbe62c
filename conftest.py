"""The cast of every story: Alice pays by card, Bob by bank account, Carol is paid.

The marketplace has an account at the processor in memory, and the goat plan is silver. Whoever
acts is a fixture; what they do is a function, called with what it is done to.
"""

from datetime import datetime, time
from functools import partial
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from accounts import open as opening
from accounts.models import Company, Customer, FundingInstrument
from core.frequency import Frequency
from core.ids import uuid7
from invoices.models import AuditFeed
from plans.models import Payout, Plan
from processors.memory import Memory
from schedulers import cycle
from schedulers.limits import Limits
from schedulers.subscribe import Subscription, drafted, insert
from schedulers.subscribe import subscribe as put_on

NINE = time(9)
LIMITS = partial(Limits, calls_at_once=1)
_numbers = count(1)


@pytest.fixture
def memory():
    """The processor of the marketplace, which does as it is asked."""
    return Memory()


@pytest.fixture
def limits():
    """The limits of production, with fewer threads: orders leave one by one, as in a story."""
    return LIMITS()


@pytest.fixture
def marketplace(database, now):
    """A company with an account at the processor."""
    return open_company("The marketplace", now=now)


@pytest.fixture
def goat(marketplace, now):
    """The goat plan: silver, a dollar each month."""
    return Plan.create(
        company=marketplace,
        amount=100,
        description="the goat - silver",
        frequency=Frequency.MONTHLY,
        now=now,
    )


@pytest.fixture
def payroll(marketplace, now):
    """What Carol is paid: ninety cents each month."""
    return Payout.create(
        company=marketplace,
        amount=90,
        description="payroll",
        frequency=Frequency.MONTHLY,
        now=now,
    )


@pytest.fixture
def alice(marketplace, memory, now):
    """Alice, who pays by card."""
    customer = Customer.create(company=marketplace, name="Alice", now=now)
    give_instrument(customer, memory.add_card(), memory=memory, now=now)
    return customer


@pytest.fixture
def bob(marketplace, memory, now):
    """Bob, who pays from a verified bank account."""
    customer = Customer.create(company=marketplace, name="Bob", now=now)
    give_instrument(customer, memory.add_bank_account(), memory=memory, now=now)
    return customer


@pytest.fixture
def carol(marketplace, memory, now):
    """Carol, who is paid into her bank account."""
    customer = Customer.create(company=marketplace, name="Carol", now=now)
    give_instrument(customer, memory.add_bank_account(can_debit=False), memory=memory, now=now)
    return customer


@pytest.fixture
def rewind(database, workshop):
    """Two functions: one keeps the database as it is, one brings that back in its place."""
    kept = []

    def keep():
        connection.close()
        kept.append(workshop.copy(database.name))

    def bring_back():
        connection.close()
        workshop.replace(database, kept[-1])

    yield keep, bring_back
    for copy in kept:
        workshop.drop(copy)


def open_company(name, *, now, **terms):
    """Open a company whose key opens an account of its own at the processor in memory."""
    number = next(_numbers)
    company = Company.create(
        name=name,
        processor_url="memory:",
        processor_key=f"secret-{number}",
        now=now,
        **terms,
    )
    company.processor_account = f"memory:secret-{number}"
    company.save(update_fields=["processor_account"])
    return company


def give_instrument(customer, uri, *, memory, now):
    """Associate what the processor knows as `uri` with a customer."""
    return opening.instrument(uri, customer=customer, processor=memory, now=now)


def instrument_of(customer):
    """Return the customer's newest instrument, None where there is none."""
    return FundingInstrument.objects.filter(customer=customer).order_by("-id").first()


def subscribe(plan, customer, *, now, **terms):
    """Put a customer on a plan, by the newest instrument unless another is named."""
    if "instrument" not in terms:
        terms["instrument"] = instrument_of(customer)
    return put_on(Subscription(plan=plan, customer=customer, **terms), now=now)


def open_feed(plan, customer, *, now, **terms):
    """Subscribe and open the first feed; its attempt is held by a worker that does nothing more."""
    scheduler = subscribe(plan, customer, now=now, **terms)
    cycle.begin(now=now, limits=LIMITS())
    return AuditFeed.objects.get(trail_id=scheduler.pk)


def crowd(plan, memory, *, count, now):
    """Put this many customers with cards on a plan, in sets."""
    company = plan.company
    customers = [
        Customer.drafted(
            name=f"{number}", email="", external_id=None, time_zone="", company=company, now=now
        )
        for number in range(count)
    ]
    Customer.insert(customers, now=now)
    cards = [
        FundingInstrument(
            id=uuid7(now=now),
            company=company,
            customer=customer,
            uri=memory.add_card(),
            kind="card",
            label="Visa xx1111",
            can_debit=True,
            can_credit=False,
            created_at=now,
            updated_at=now,
        )
        for customer in customers
    ]
    FundingInstrument.objects.bulk_create(cards)
    drafts = [
        drafted(Subscription(plan=plan, customer=customer, instrument=card), now=now)
        for customer, card in zip(customers, cards, strict=True)
    ]
    insert(drafts, now=now)
    return drafts


def tick(memory, *, now, **limits):
    """Run one batch; `limits` stand in place of those of production."""
    return cycle.tick(processor=memory, now=now, limits=LIMITS(**limits))


def sweep(memory, *, now, **limits):
    """Finish what was cut off, and ask after what is pending."""
    return cycle.sweep(processor=memory, now=now, limits=LIMITS(**limits))


def send(held, memory, *, now):
    """Carry attempts that are held to the processor, and settle what they came to."""
    return cycle.run(held, processor=memory, now=now, limits=LIMITS())


def nine_in_the_morning(instant, *, time_zone="UTC"):
    """Return nine o'clock of the instant's local day."""
    zone = ZoneInfo(time_zone)
    return datetime.combine(instant.astimezone(zone).date(), NINE, zone)


def abandon():
    """End every lease and let every look be due: as if the workers had died a while ago."""
    change(
        "UPDATE billy_invoices_transaction SET lease_until = clock_timestamp() - interval '1 s',"
        " next_look_at = NULL WHERE lease_until IS NOT NULL"
    )


def hasten():
    """Let every payment that is pending be due to be asked for."""
    change(
        "UPDATE billy_invoices_transaction SET next_look_at = clock_timestamp() - interval '1 s'"
        " WHERE state = 'pending'"
    )


def unpause():
    """Let the minute pass for which calls were stopped."""
    change(
        "UPDATE billy_accounts_company SET calls_paused_until = NULL"
        " WHERE calls_paused_until < 'infinity'"
    )


def change(statement, parameters=()):
    """Run a statement that no verb of ours would; returns how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount
