"""Fifty at once ask for the same money: together they get what one could have had."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connections

from audit.models import AuditEvent
from conftest import instrument_of, send, subscribe, tick
from core.invalid import Invalid
from core.money import Money
from invoices import one_off, refund
from invoices.collect import collect, issue, waive
from invoices.models import AuditFeed, Transaction
from processors.base import Kind
from tasks.pricing import Line

pytestmark = pytest.mark.django_db

THREADS = 50


def invoice(customer, *, now, **terms):
    line = Line(description="A goat's dinner", amount=Money(100, "USD"))
    identity, held = one_off.invoice(customer, lines=[line], now=now, lease_seconds=120, **terms)
    return AuditFeed.objects.get(pk=identity), held


def at_once(ask):
    """Let all threads ask at the same moment; returns what each got: a result or its refusal."""
    start, results = threading.Barrier(THREADS), []

    def one(number):
        try:
            start.wait()
            # A lock is waited for three seconds at most; whoever comes later asks again.
            while True:
                try:
                    results.append(ask(number))
                    return
                except OperationalError as error:
                    if "lock timeout" not in str(error):
                        raise
        except Invalid as refusal:
            results.append(refusal)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(results) == THREADS
    return [each for each in results if not isinstance(each, Invalid)]


def test_refunds_of_one_charge_never_exceed_it(alice, memory, now):
    feed, held = invoice(alice, now=now, instrument=instrument_of(alice))
    send(held, memory, now=now)

    given = at_once(lambda _: refund.give_back(feed, amount=7, now=now, lease_seconds=120))
    send(given, memory, now=now)

    feed.refresh_from_db()
    assert len(given) == 14
    assert (feed.refunded, memory.sum(kind=Kind.REFUND)) == (98, 98)
    assert AuditEvent.objects.filter(kind="refund.succeeded").count() == 14
    assert len({each.key for each in given}) == 14


def test_one_invoice_is_collected_once(alice, memory, now):
    feed, _ = invoice(alice, now=now)
    card = instrument_of(alice)

    held = at_once(lambda _: collect(feed, instrument=card, now=now, lease_seconds=120))
    send([each for some in held for each in some], memory, now=now)

    feed.refresh_from_db()
    assert (len(held), feed.captured, memory.sum(kind=Kind.DEBIT)) == (1, 100, 100)
    assert Transaction.objects.filter(feed=feed).count() == 1


def test_one_draft_is_issued_once(goat, alice, memory, now):
    subscribe(goat, alice, now=now, catch_up="hold")
    now += timedelta(days=70)
    tick(memory, now=now)
    feed = AuditFeed.objects.filter(state="draft").first()

    held = at_once(lambda _: issue(feed, now=now, lease_seconds=120))

    feed.refresh_from_db()
    assert (len(held), feed.state) == (1, "open")
    assert AuditEvent.objects.filter(feed_id=feed.pk, kind="invoice.issued").count() == 1


def test_one_invoice_is_either_collected_or_forgiven(alice, memory, now):
    feed, _ = invoice(alice, now=now)
    card = instrument_of(alice)

    def ask(number):
        if number % 2:
            return collect(feed, instrument=card, now=now, lease_seconds=120)
        waive(feed, now=now, reason="we were away")
        return []

    held = at_once(ask)
    send([each for some in held for each in some], memory, now=now)

    feed.refresh_from_db()
    assert (feed.state, memory.sum(kind=Kind.DEBIT)) in {("waived", 0), ("settled", 100)}
    assert len(held) == 1
