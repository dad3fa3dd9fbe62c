"""The chains are computed anew; whatever was done to a row behind Billy's back is named."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction

from audit import rehash, verify
from audit.chain import Fact
from audit.models import AuditEvent
from audit.record import begin, heads, record
from audit.sets import execute

pytestmark = pytest.mark.django_db

COMPANY = UUID(int=1)
TRAILS = [UUID(int=number) for number in (11, 12, 13)]
EVENTS = 5


def fact(trail, number):
    return Fact(
        trail_id=trail,
        company_id=COMPANY,
        kind="company.changed",
        currency="USD",
        amount=number,
        body={"name": "Zoë", "sizes": [1, 2], "nothing": None},
        dedupe=f"fact/{number}",
    )


@pytest.fixture
def trails(now):
    """Three trails: two with events, written in several goes, and one that is still empty."""
    begin([(trail, COMPANY, "company") for trail in TRAILS], now=now)
    for number in range(1, EVENTS + 1):
        with transaction.atomic():
            locked = heads(TRAILS[:2])
            facts = [fact(trail, number) for trail in TRAILS[:2]]
            record(facts, heads=locked, now=now + timedelta(microseconds=number))
    return TRAILS


@pytest.fixture
def tamper(trails):
    """A hand in the database: the triggers that refuse every change are out of its way."""
    for table in ("billy_audit_auditevent", "billy_audit_audittrail"):
        execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    return execute


@pytest.mark.parametrize(
    ("trails_at_once", "events_at_once"), [(500, 2000), (1, 1), (1, 3), (2, 5), (3, 10)]
)
def test_what_was_only_ever_written_by_record_is_intact(trails, trails_at_once, events_at_once):
    found = list(verify.broken(trails_at_once=trails_at_once, events_at_once=events_at_once))

    assert found == []


def test_a_database_without_trails_is_intact(database):
    assert list(verify.broken()) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("company_id", "'00000000-0000-0000-0000-000000000002'"),
        ("kind", "'company.created'"),
        ("feed_id", "'00000000-0000-0000-0000-000000000002'"),
        ("transaction_id", "'00000000-0000-0000-0000-000000000002'"),
        ("amount", "999"),
        ("moved", "1"),
        ("currency", "'EUR'"),
        ("body", "'{}'"),
        ("body", '\'{"name": "Zoë", "sizes": [1, 2.5], "nothing": null}\''),
        ("actor", "'somebody'"),
        ("at", "at + interval '1 microsecond'"),
        ("dedupe", "'fact/other'"),
    ],
)
def test_a_changed_column_of_an_event_is_named(tamper, column, value):
    tamper(
        f"UPDATE billy_audit_auditevent SET {column} = {value} WHERE trail_id = %s AND seq = 3",
        [str(TRAILS[1])],
    )

    found = list(verify.broken())

    assert found == [(TRAILS[1], 3, "was changed after it was written")]


def test_a_missing_event_is_named(tamper):
    tamper(
        "DELETE FROM billy_audit_auditevent WHERE trail_id = %s AND seq IN (2, 3)", [str(TRAILS[0])]
    )

    found = list(verify.broken())

    assert found == [(TRAILS[0], 4, "events 2 to 3 are missing before it")]


def test_a_missing_end_is_named(tamper):
    tamper("DELETE FROM billy_audit_auditevent WHERE trail_id = %s AND seq > 3", [str(TRAILS[0])])

    ((trail, seq, why),) = verify.broken(events_at_once=2)

    assert (trail, seq) == (TRAILS[0], EVENTS)
    assert why.startswith("the head says 5 events")


def test_a_trail_whose_events_are_all_gone_is_named(tamper):
    tamper("DELETE FROM billy_audit_auditevent WHERE trail_id = %s", [str(TRAILS[0])])

    (fault,) = verify.broken()

    assert (fault.trail, fault.seq) == (TRAILS[0], EVENTS)


def test_an_event_beyond_the_head_is_named(tamper):
    tamper("UPDATE billy_audit_audittrail SET head_seq = 4 WHERE id = %s", [str(TRAILS[1])])

    found = list(verify.broken())

    assert [(fault.trail, fault.seq) for fault in found] == [(TRAILS[1], 4), (TRAILS[1], EVENTS)]
    assert found[1].why == "lies beyond the head of its trail"


def test_an_event_that_was_forged_with_its_hash_breaks_the_chain_behind_it(tamper):
    forged = AuditEvent.objects.get(trail=TRAILS[0], seq=3)
    row = {
        name: getattr(forged, name)
        for name in ("seq", "company_id", "kind", "currency", "dedupe", "at")
    } | {"trail_id": TRAILS[0], "amount": 77, "body": "{}", "prev": forged.prev, "actor": "billy"}
    row |= {"moved": None, "feed_id": None, "transaction_id": None}
    tamper(
        "UPDATE billy_audit_auditevent SET amount = 77, body = '{}', hash = %s"
        " WHERE trail_id = %s AND seq = 3",
        [rehash.digest_of(row), str(TRAILS[0])],
    )

    found = list(verify.broken())

    assert found == [(TRAILS[0], 4, "is not chained to the event before it")]


def test_every_fault_of_every_trail_is_named_in_the_order_of_the_trails(tamper):
    tamper("UPDATE billy_audit_auditevent SET amount = 999 WHERE seq IN (1, 5)")

    found = [(fault.trail, fault.seq) for fault in verify.broken(trails_at_once=1)]

    assert found == [(TRAILS[0], 1), (TRAILS[0], 5), (TRAILS[1], 1), (TRAILS[1], 5)]
