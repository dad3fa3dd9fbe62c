"""Rows travel as array literals: whatever is in them arrives as it was."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import AuditTrail
from audit.sets import WRITERS, array, execute, fetch, insert, once, update
from core.invalid import Invalid

TABLE = AuditTrail._meta.db_table
COLUMNS = {
    "id": "uuid",
    "company_id": "uuid",
    "subject": "text",
    "began_at": "timestamptz",
    "head_seq": "bigint",
    "head_hash": "bytea",
}
AT = datetime(2026, 1, 1, tzinfo=UTC)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = {
    "uuid": st.uuids(),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "boolean": st.booleans(),
    "timestamptz": st.datetimes(
        datetime(1970, 1, 1), datetime(9998, 1, 1)
    ).map(  # Given a zone next.
        lambda each: each.replace(tzinfo=UTC)
    ),
    "date": st.dates(),
    "text": texts,
    "float8": st.floats(allow_nan=False),
    "bytea": st.binary(),
}

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", sorted(set(WRITERS) - {"jsonb"}))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_an_array_arrives_as_it_was(kind, data):
    sent = data.draw(st.lists(st.none() | values[kind], max_size=8))

    arrived = fetch(f"SELECT value FROM unnest(%s::{kind}[]) AS value", [array(kind, sent)])

    plain = [bytes(each) if isinstance(each, memoryview) else each for (each,) in arrived]
    assert sent == plain


def rows(number):
    return [(uuid.uuid4(), uuid.uuid4(), f"row {n}", AT, n, bytes([n])) for n in range(number)]


def test_rows_are_written_and_changed_by_one_statement_each(django_assert_num_queries):
    made = rows(50)

    with django_assert_num_queries(2):
        insert(TABLE, COLUMNS, made)
        touched = update(
            TABLE,
            {"id": "uuid", "head_seq": "bigint"},
            [(row[0], 99) for row in made[:3]],
            key="id",
        )

    assert touched == 3
    assert {99} == set(
        AuditTrail.objects.filter(pk__in=[row[0] for row in made[:3]]).values_list(
            "head_seq", flat=True
        )
    )


def test_no_rows_are_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        insert(TABLE, COLUMNS, [])
        update(TABLE, COLUMNS, [], key="id")


def test_a_broken_unique_constraint_can_be_told_as_bad_input():
    (row,) = rows(1)
    insert(TABLE, COLUMNS, [row])

    with pytest.raises(Invalid, match="id: is taken"), once(f"{TABLE}_pkey", id="is taken"):
        insert(TABLE, COLUMNS, [row])

    assert execute(f'SELECT 1 FROM "{TABLE}"') == 1


def test_another_broken_constraint_stays_what_it_is():
    (row,) = rows(1)

    with pytest.raises(IntegrityError), once(f"{TABLE}_pkey", id="is taken"):
        insert(TABLE, COLUMNS, [(*row[:4], -1, b"")])
