"""Facts become a chain, once each, and the database keeps them."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from audit.chain import Fact
from audit.kinds import KINDS, MONEY_KINDS
from audit.models import AuditEvent, AuditTrail, Outbox
from audit.record import begin, by_feed, heads, record

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def fact(trail, **changes):
    given = {
        "trail_id": trail,
        "company_id": trail,
        "kind": "invoice.line",
        "currency": "USD",
        "dedupe": uuid4().hex,
        "body": {"n": 1},
    }
    return Fact(**given | changes)


def write(facts, *, now, listeners=()):
    with transaction.atomic():
        trails = {each.trail_id for each in facts}
        record(facts, heads=heads(trails), now=now, listeners=listeners)


@pytest.fixture
def trail(now):
    made = uuid4()
    begin([(made, made, "company")], now=now)
    return made


def hash_by_hand(event):
    """Return the hash of an event's row, by the documentation alone."""
    content = {
        "actor": event.actor,
        "amount": event.amount,
        "at": (event.at - EPOCH) // timedelta(microseconds=1),
        "body": event.body,
        "company": str(event.company_id),
        "currency": event.currency,
        "dedupe": event.dedupe,
        "feed": str(event.feed_id) if event.feed_id else None,
        "kind": event.kind,
        "moved": event.moved,
        "seq": event.seq,
        "trail": str(event.trail_id),
        "transaction": str(event.transaction_id) if event.transaction_id else None,
    }
    written = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(bytes(event.prev) + written.encode()).digest()


def test_a_chain_can_be_recomputed_from_its_rows_without_our_code(trail, now):
    bodies = [{"text": 'quote " and \\ and {,} é \u2028'}, {}, {"deep": [{"a": None}, True]}]
    write([fact(trail, body=body, amount=5) for body in bodies], now=now)
    write(
        [fact(trail, moved=-(2**53) + 1, feed_id=uuid4(), transaction_id=uuid4())],
        now=now + timedelta(microseconds=1),
    )

    events = list(AuditEvent.objects.order_by("seq"))

    assert [1, 2, 3, 4] == [event.seq for event in events]
    assert [b"", *(bytes(event.hash) for event in events[:-1])] == [
        bytes(event.prev) for event in events
    ]
    assert [hash_by_hand(event) for event in events] == [bytes(event.hash) for event in events]
    head = AuditTrail.objects.get(pk=trail)
    assert (4, hash_by_hand(events[-1])) == (head.head_seq, bytes(head.head_hash))


def test_facts_of_several_trails_are_chained_apart_in_one_go(now):
    trails = [uuid4() for _ in range(3)]
    begin([(each, each, "customer") for each in trails], now=now)

    write([fact(each) for each in trails * 2], now=now)

    found = AuditEvent.objects.order_by("trail_id", "seq").values_list("trail_id", "seq")
    assert [(each, seq) for each in sorted(trails) for seq in (1, 2)] == list(found)


def test_the_same_fact_is_refused_the_second_time_whoever_tells_it(trail, now):
    told = fact(trail, dedupe="once")
    write([told], now=now)

    with pytest.raises(IntegrityError, match="event_fact_once"):
        write([replace(told, actor="somebody else", body={})], now=now)

    assert AuditTrail.objects.get(pk=trail).head_seq == 1


def test_two_writers_of_one_trail_wait_for_each_other(trail, now):
    def tell():
        try:
            for _ in range(20):
                write([fact(trail)], now=now)
        finally:
            connection.close()

    writers = [Thread(target=tell) for _ in range(4)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()

    events = list(AuditEvent.objects.order_by("seq"))
    assert list(range(1, 81)) == [event.seq for event in events]
    assert [bytes(event.hash) for event in events[:-1]] == [
        bytes(event.prev) for event in events[1:]
    ]


@pytest.mark.parametrize("kind", ["", "debit.exploded", "DEBIT.succeeded", "debit.succeeded "])
def test_kinds_are_a_closed_list(trail, now, kind):
    with pytest.raises(KeyError):
        write([fact(trail, kind=kind)], now=now)

    assert not AuditEvent.objects.exists()


def test_every_kind_says_what_it_means():
    assert all(KINDS.values())
    assert all(len(kind) <= AuditEvent._meta.get_field("kind").max_length for kind in KINDS)
    assert {kind.partition(".")[0] for kind in KINDS} >= set(MONEY_KINDS)


def test_a_trail_that_is_not_locked_is_refused(now):
    with pytest.raises(KeyError):
        record([fact(uuid4())], heads={}, now=now)


EDITS = (
    "UPDATE billy_audit_auditevent SET amount = 1",
    "UPDATE billy_audit_auditevent SET actor = actor WHERE false",
    "DELETE FROM billy_audit_auditevent",
    "TRUNCATE billy_audit_auditevent",
    "TRUNCATE billy_audit_audittrail CASCADE",
    "DELETE FROM billy_audit_audittrail",
    "UPDATE billy_audit_audittrail SET subject = 'x'",
    "UPDATE billy_audit_audittrail SET head_seq = 0",
    "UPDATE billy_audit_audittrail SET company_id = id, head_seq = head_seq",
)


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_what_was_recorded_stays_even_for_the_owner_of_the_tables(trail, now, role):
    write([fact(trail)], now=now)
    before = list(AuditEvent.objects.values()), list(AuditTrail.objects.values())

    refused = [statement for statement in EDITS if is_refused(statement, role=role)]

    assert list(EDITS) == refused
    assert before == (list(AuditEvent.objects.values()), list(AuditTrail.objects.values()))


def is_refused(statement, *, role):
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL session_replication_role = {role}")
            cursor.execute(statement)
    except DatabaseError as error:
        return "is refused" in str(error)
    return False


def test_only_a_company_that_listens_costs_a_message(trail, now):
    other = uuid4()
    begin([(other, other, "company")], now=now)

    write([fact(trail), fact(other)], now=now, listeners={trail})

    (message,) = Outbox.objects.all()
    event = AuditEvent.objects.get(trail=trail)
    assert (trail, "invoice.line", f"{trail}/1") == (
        message.company_id,
        message.topic,
        message.dedupe,
    )
    assert str(event.pk) == message.body["event"]


def test_a_database_that_was_set_back_makes_the_same_ids_again(trail, now):
    told = fact(trail)
    found = []
    for _ in range(2):
        with transaction.atomic():
            record([told], heads=heads([trail]), now=now)
            found.append(AuditEvent.objects.get().pk)
            transaction.set_rollback(True)

    assert found[0] == found[1]


def test_events_of_a_feed_come_oldest_first(trail, now):
    feed = uuid4()
    write([fact(trail, feed_id=feed, amount=n) for n in (3, 1, 2)], now=now)

    found = by_feed([feed])

    assert [3, 1, 2] == [event.amount for event in found[feed]]
