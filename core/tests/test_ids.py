"""Ids sort, repeat where they must, and read back."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import ALPHABET, PREFIXES, api_key, derived, guid, parse_guid, payment_key, uuid7
from core.invalid import Invalid

NOW = datetime(2026, 1, 31, 9, 0, 0, 123_456, tzinfo=UTC)
INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
)
UUIDS = st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number))
PARTS = st.lists(st.text() | st.integers(), max_size=5).map(tuple)
KEY = {"instance_id": "i", "company": "CP1", "subject": "SU1", "occurrence": 3, "attempt": 1}


@given(INSTANTS, INSTANTS)
def test_version_7_sorts_by_instant_to_the_microsecond(one, other):
    earlier, later = uuid7(now=one), uuid7(now=other)

    assert one == other or (one < other) == (earlier < later)


@given(INSTANTS)
def test_both_versions_begin_with_the_milliseconds(at):
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    for made, version in ((uuid7(now=at), 7), (derived(at=at, parts=("a",)), 8)):
        assert made.int >> 80 == milliseconds
        assert (made.version, made.variant) == (version, RFC_4122)


def test_version_7_is_new_each_time():
    assert len({uuid7(now=NOW) for _ in range(1000)}) == 1000


@given(INSTANTS, PARTS, PARTS)
def test_a_derived_id_is_the_same_for_the_same_parts_only(at, parts, others):
    same = tuple(map(str, parts)) == tuple(map(str, others))

    assert (derived(at=at, parts=parts) == derived(at=at, parts=others)) == same


def test_a_derived_id_never_changes_between_releases():
    made = derived(at=NOW, parts=("feed", "0198", 12))

    assert made == UUID("019c1347-d2fb-8b64-bf17-777770a1b96f")


def test_a_derived_id_does_not_depend_on_the_zone_its_instant_is_told_in():
    local = NOW.astimezone(ZoneInfo("Asia/Tokyo"))

    assert derived(at=local, parts=("a",)) == derived(at=NOW, parts=("a",))


@pytest.mark.parametrize("instant", [datetime(2026, 1, 1), datetime(1969, 12, 31, tzinfo=UTC)])
def test_naive_and_ancient_instants_are_refused(instant):
    with pytest.raises(Invalid):
        uuid7(now=instant)
    with pytest.raises(Invalid):
        derived(at=instant, parts=("a",))


@given(UUIDS, st.sampled_from(sorted(PREFIXES.values())))
def test_a_guid_reads_back(uuid, prefix):
    text = guid(prefix, uuid)

    assert len(text) == 24
    assert set(text[2:]) <= set(ALPHABET)
    assert parse_guid(text, prefix) == uuid


@given(st.integers(0, 58**21 - 1))
def test_a_guid_without_padding_reads_as_the_padded_one(number):
    padded = guid("CU", UUID(int=number))

    assert parse_guid("CU" + padded[3:], "CU") == UUID(int=number)


@given(UUIDS, UUIDS)
def test_guids_sort_as_their_uuids(one, other):
    assert (guid("PL", one) < guid("PL", other)) == (one < other)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "PL" + "1" * 22),
        (57, "PL" + "1" * 21 + "z"),
        (2**128 - 1, "PLYcVfxkQb6JRzqk5kF2tNLv"),
    ],
)
def test_known_guids(number, text):
    assert guid("PL", UUID(int=number)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "PL", "PL" + "1" * 20, "PL" + "1" * 23, "CU" + "1" * 22, "pl" + "1" * 22, "1" * 24,
        "PL" + "z" * 22, "PLYcVfxkQb6JRzqk5kF2tNLw", "PL" + "0" + "1" * 21, "PL" + "1" * 21 + "l",
        "PL" + "1" * 21 + "\n", " PL" + "1" * 21, "PL" + "\uff11" * 22, None, 7, b"PL" + b"1" * 22,
    ],
)  # fmt: skip
def test_what_is_no_guid_of_that_kind_is_refused(text):
    with pytest.raises(Invalid, match="plan_guid: must be PL and 22 characters"):
        parse_guid(text, "PL", field="plan_guid")


def test_an_unknown_prefix_is_refused():
    with pytest.raises(Invalid, match="prefix"):
        guid("XX", UUID(int=0))


def test_api_keys_are_long_new_and_of_the_alphabet():
    keys = {api_key() for _ in range(1000)}

    assert len(keys) == 1000
    assert {len(key) for key in keys} <= {43, 44}
    assert set("".join(keys)) <= set(ALPHABET)


def test_a_payment_key_never_changes_between_releases():
    assert payment_key(**KEY) == "b1-5UMR6334EG3L2HKB6V23C372FJGXAUQGXZ2XLUOX"


@pytest.mark.parametrize(
    "change",
    [
        {"instance_id": "j"},
        {"company": "CP2"},
        {"subject": "SU2"},
        {"occurrence": 4},
        {"attempt": 2},
        {"kind": "refund"},
        {"occurrence": 31, "attempt": 1},
    ],
)
def test_every_part_counts_in_a_payment_key(change):
    assert payment_key(**KEY | change) != payment_key(**KEY)


@pytest.mark.parametrize("part", ["instance_id", "company", "subject", "kind"])
def test_no_part_of_a_payment_key_can_pose_as_two(part):
    with pytest.raises(Invalid):
        payment_key(**KEY | {part: "a|b"})
