"""Periods are half-open and never empty."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.invalid import Invalid
from core.periods import Period

INSTANTS = st.datetimes(
    min_value=datetime(2000, 1, 1),
    max_value=datetime(2100, 1, 1),
    timezones=st.sampled_from([UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")]),
)


@st.composite
def periods(draw):
    one, other = draw(INSTANTS), draw(INSTANTS)
    one, other = sorted([one.astimezone(UTC), other.astimezone(UTC)])
    return Period(one, other + timedelta(seconds=1))


@given(periods())
def test_the_start_belongs_to_it_and_the_end_does_not(period):
    assert period.contains(period.start)
    assert not period.contains(period.end)


@given(periods(), periods())
def test_the_intersection_is_what_lies_in_both(one, other):
    shared = one.intersection(other)

    assert shared == other.intersection(one)
    assert (shared is not None) == one.overlaps(other)
    if shared is not None:
        assert one.contains(shared.start)
        assert other.contains(shared.start)
        assert shared.end == min(one.end, other.end)


@given(periods())
def test_periods_that_touch_share_nothing(period):
    following = Period(period.end, period.end + timedelta(days=1))

    assert not period.overlaps(following)
    assert period.intersection(following) is None


def test_seconds_are_those_that_pass_and_not_those_on_the_wall():
    new_york = ZoneInfo("America/New_York")

    march = Period(
        datetime(2026, 3, 1, tzinfo=new_york),
        datetime(2026, 4, 1, tzinfo=new_york),
    )

    assert march.seconds == 2_674_800


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_naive_empty_and_reversed_periods_are_refused(start, end):
    with pytest.raises(Invalid, match="period"):
        Period(start, end)
