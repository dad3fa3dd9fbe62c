"""An attempt by hand leaves facts that name it, as those of the plan do."""

import pytest

from audit.models import AuditEvent
from conftest import instrument_of, subscribe, tick
from invoices import collect
from invoices.models import AuditFeed, Transaction
from processors.memory import Declined

pytestmark = pytest.mark.django_db


def test_what_is_called_off_and_what_is_tried_instead_are_told_by_their_ids(
    goat, alice, memory, now
):
    memory.script.append(Declined)
    subscribe(goat, alice, now=now)
    tick(memory, now=now)
    feed = AuditFeed.objects.get()

    collect.collect(feed, instrument=instrument_of(alice), now=now, lease_seconds=120)

    _, planned, tried = Transaction.objects.order_by("attempt")
    told = AuditEvent.objects.filter(transaction_id__in=[planned.pk, tried.pk])
    assert {("debit.voided", planned.pk), ("debit.intended", tried.pk)} == set(
        told.values_list("kind", "transaction_id")
    )
