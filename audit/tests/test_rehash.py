"""The database computes the chains as Python does, and Python has the last word."""

from __future__ import annotations

from uuid import UUID

import pytest

from audit import rehash
from audit.chain import Fact
from audit.findings import Scope
from audit.models import AuditEvent
from audit.record import begin, record
from audit.sets import execute, fetch

pytestmark = pytest.mark.django_db

TRAIL = UUID(int=11)
COMPANY = UUID(int=1)
BODIES = [
    {},
    {"line": "the goat - silver", "attempt": 1, "period": ["2026-01-01T12:00:00+00:00", "x"]},
    {"b": 1, "a": 2, "aa": 3, "B": 4, "ä": 5, "z": None, "é": True, "Zz": False},
    {"text": 'quotes " \\ / and \n\r\t\b\f \x01 \x1f \x7f  ✓ 😀 é'},
    {"large": 2**53 - 1, "small": -5, "zero": 0, "huge": 10**30},
    {"inputs": {"quantity": 3, "unit": "7", "b": None, "a": "x"}, "list": [3, 1, "2", None, True]},
    {"empty": {}, "none": [], "blank": ""},
    {'key with " and \\': "x"},
]
DEEP = {"inputs": {"tiers": [{"up_to": 10, "each": {"amount": 2}}]}}


@pytest.fixture
def write(database, now):
    """Write bodies as events of one trail."""

    def written(bodies):
        facts = [
            Fact(
                trail_id=TRAIL,
                company_id=COMPANY,
                kind="company.changed",
                currency="USD",
                amount=-number,
                moved=number or None,
                feed_id=UUID(int=7) if number % 2 else None,
                transaction_id=UUID(int=8) if number % 3 else None,
                body=body,
                actor=f"user/ä {number}",
                dedupe=f"fact/{number}",
            )
            for number, body in enumerate(bodies)
        ]
        record(facts, heads=begin([(TRAIL, COMPANY, "company")], now=now), now=now)

    return written


def found(now):
    return [(each.where, each.why) for each in rehash.chains(Scope(now=now))]


def test_the_database_writes_every_ordinary_body_as_python_does(write, now):
    write(BODIES)

    assert [] == fetch(rehash.DOUBTFUL, {})
    assert [] == found(now)


def test_what_the_database_does_not_write_is_left_to_python(write, now):
    write([*BODIES, DEEP])

    assert 1 == len(fetch(rehash.DOUBTFUL, {}))
    assert [] == found(now)


@pytest.mark.parametrize("body", [BODIES[1], DEEP])
@pytest.mark.parametrize(
    "change",
    [
        "body = body || '{\"more\": 1}'",
        "amount = amount + 1",
        "moved = coalesce(moved, 0) + 1",
        "currency = 'EUR'",
        "kind = 'company.created'",
        "actor = 'nobody'",
        "at = at + interval '1 microsecond'",
        "dedupe = 'other'",
        "feed_id = '00000000-0000-0000-0000-000000000009'",
        "transaction_id = '00000000-0000-0000-0000-000000000009'",
        "company_id = '00000000-0000-0000-0000-000000000009'",
        "hash = sha256('x')",
    ],
)
def test_every_column_that_is_changed_is_noticed(write, now, body, change):
    write([body])
    execute("ALTER TABLE billy_audit_auditevent DISABLE TRIGGER ALL")
    execute(f"UPDATE billy_audit_auditevent SET {change}")

    assert (f"trail {TRAIL} #1", "was changed after it was written") in found(now)


def test_a_fraction_in_a_body_was_never_written_by_us(write, now):
    write([{"amount": 1}])
    execute("ALTER TABLE billy_audit_auditevent DISABLE TRIGGER ALL")
    execute("UPDATE billy_audit_auditevent SET body = '{\"amount\": 1.0}'")

    assert [(f"trail {TRAIL} #1", "was changed after it was written")] == found(now)


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_an_event_that_is_missing_is_noticed(write, now, seq):
    write(BODIES[:3])
    execute("ALTER TABLE billy_audit_auditevent DISABLE TRIGGER ALL")
    AuditEvent.objects.filter(seq=seq).delete()

    assert found(now)


def test_an_event_beyond_the_head_is_noticed(write, now):
    write(BODIES[:3])
    execute("ALTER TABLE billy_audit_audittrail DISABLE TRIGGER ALL")
    execute("UPDATE billy_audit_audittrail SET head_seq = 2")

    assert ["has 3 events up to 3, and its head says 2"] == [why for _, why in found(now)]
