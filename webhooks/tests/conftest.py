"""A shop whose processor is the twin in memory, and Alice, who pays for the goat by card."""

from dataclasses import dataclass
from datetime import datetime

import pytest

import processors
from accounts import open as opening
from accounts.models import Company, Customer
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from processors.memory import Memory
from schedulers import cycle, limits
from schedulers.limits import Limits
from schedulers.subscribe import Subscription, subscribe

URL = "http://127.0.0.1:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One company, and what a test asks of it."""

    company: Company
    memory: Memory
    now: datetime

    @property
    def address(self):
        return f"/v1/companies/{self.company.guid}/callbacks/{self.company.callback_key}"

    def sell(self, *answers):
        """Charge a new customer for one goat, answered so; returns the attempt."""
        customer = Customer.create(company=self.company, name="Alice", now=self.now)
        uri = self.memory.add_card()
        card = opening.instrument(uri, customer=customer, processor=self.memory, now=self.now)
        goat = Plan.create(company=self.company, amount=100, frequency="monthly", now=self.now)
        wanted = Subscription(plan=goat, customer=customer, instrument=card)
        scheduler = subscribe(wanted, now=self.now)
        self.memory.script.extend(answers)
        cycle.tick(processor=self.memory, now=self.now, limits=Limits())
        return Transaction.objects.get(feed__trail=scheduler.pk)

    def newest_event(self, attempt):
        return self.memory.event_ids(attempt.processor_uri)[-1]


@pytest.fixture
def memory(settings):
    """The processor that the doors load: a fresh twin for each test."""
    processors.load.cache_clear()
    settings.BILLY_PROCESSOR = "memory"
    yield limits.processor()
    processors.load.cache_clear()


def _shop(name, memory, now):
    company = Company.create(name=name, processor_url=URL, processor_key=name, now=now)
    return Shop(company=company, memory=memory, now=now)


@pytest.fixture
def shop(db, memory, now):
    return _shop("goats", memory, now)


@pytest.fixture
def other_shop(db, memory, now):
    return _shop("sheep", memory, now)


@pytest.fixture
def standing():
    """Says how an attempt and its invoice stand, as (state, state, captured, returned)."""

    def read(attempt):
        now_so = Transaction.objects.get(pk=attempt.pk)
        feed = AuditFeed.objects.get(pk=attempt.feed_id)
        return now_so.state, feed.state, feed.captured, feed.returned

    return read
