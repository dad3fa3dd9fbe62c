"""The hash of an event is what the documentation says, found here without our own code."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.chain import Fact, canonical, digest

COMPANY = UUID("018f0000-0000-7000-8000-000000000001")
TRAIL = UUID("018f0000-0000-7000-8000-000000000002")
FEED = UUID("018f0000-0000-7000-8000-000000000003")
ATTEMPT = UUID("018f0000-0000-7000-8000-000000000004")
AT = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
FACT = Fact(
    trail_id=TRAIL,
    company_id=COMPANY,
    kind="debit.succeeded",
    currency="USD",
    dedupe="debit/1",
    moved=100,
    feed_id=FEED,
    transaction_id=ATTEMPT,
    body={"uri": "/debits/WD1", "näme": "zoë", "attempt": 1},
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def test_the_hash_is_sha_256_of_the_one_before_and_the_canonical_json():
    written = (
        '{"actor":"billy","amount":0,"at":1769903999999999,'
        '"body":{"attempt":1,"näme":"zoë","uri":"/debits/WD1"},'
        '"company":"018f0000-0000-7000-8000-000000000001","currency":"USD","dedupe":"debit/1",'
        '"feed":"018f0000-0000-7000-8000-000000000003","kind":"debit.succeeded","moved":100,'
        '"seq":7,"trail":"018f0000-0000-7000-8000-000000000002",'
        '"transaction":"018f0000-0000-7000-8000-000000000004"}'
    )

    found = digest(prev=b"\x01" * 32, seq=7, at=AT, fact=FACT)

    assert found == hashlib.sha256(b"\x01" * 32 + written.encode()).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"company_id": FEED},
        {"trail_id": FEED},
        {"kind": "debit.declined"},
        {"currency": "EUR"},
        {"dedupe": "debit/2"},
        {"amount": 1},
        {"moved": None},
        {"feed_id": None},
        {"transaction_id": None},
        {"body": {"uri": "/debits/WD2"}},
        {"actor": "alice"},
    ],
)
def test_every_column_of_a_fact_is_covered(change):
    before = digest(prev=b"", seq=1, at=AT, fact=FACT)

    after = digest(prev=b"", seq=1, at=AT, fact=replace(FACT, **change))

    assert before != after


@pytest.mark.parametrize(
    "change", [{"prev": b"\0"}, {"seq": 2}, {"at": AT - timedelta(microseconds=1)}]
)
def test_place_and_instant_are_covered(change):
    before = {"prev": b"", "seq": 1, "at": AT, "fact": FACT}

    assert digest(**before) != digest(**before | change)


def test_the_zone_in_which_an_instant_is_told_makes_no_difference():
    elsewhere = AT.astimezone(timezone(timedelta(hours=-8)))

    found = digest(prev=b"", seq=1, at=elsewhere, fact=FACT)

    assert digest(prev=b"", seq=1, at=AT, fact=FACT) == found


@given(plain)
def test_canonical_json_reads_back_as_it_was_and_has_no_blanks(value):
    written = canonical(value)

    assert json.loads(written) == value
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert again == written


@pytest.mark.parametrize("value", [float("nan"), float("inf"), AT, COMPANY, b"bytes", {1, 2}])
def test_what_has_no_one_form_is_refused(value):
    with pytest.raises(ValueError, match="no canonical form"):
        canonical({"value": value})


@pytest.mark.parametrize("value", [0.5, 1e300, -0.0, 1.0])
def test_fractions_are_refused(value):
    with pytest.raises(ValueError, match="no canonical form"):
        canonical({"value": [value]})
