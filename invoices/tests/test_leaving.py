"""A day's room for payouts: whoever comes in whatever order, no day holds more than its cap."""

from collections import Counter
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.invalid import Invalid
from invoices.leaving import MOST_DAYS, places

CAP = 100
FIRST = date(2026, 3, 7)
UTC = ZoneInfo("UTC")
DAYS = st.integers(0, 5).map(lambda ahead: FIRST + timedelta(days=ahead))
WANTED = st.lists(st.tuples(DAYS, st.integers(1, CAP)), max_size=40)
TAKEN = st.dictionaries(DAYS, st.integers(1, 2 * CAP), max_size=6)


@given(WANTED, TAKEN)
def test_no_day_gets_more_than_it_has_room_for_and_every_payout_gets_a_day(wanted, taken):
    days = places(wanted, cap=CAP, taken=taken, zone=UTC)

    added = Counter()
    for day, (first, amount) in zip(days, wanted, strict=True):
        assert day >= first
        added[day] += amount
    assert all(taken.get(day, 0) + amount <= CAP for day, amount in added.items())


@given(WANTED, TAKEN)
def test_no_payout_waits_while_an_earlier_day_has_room_for_it(wanted, taken):
    filled = Counter(taken)
    days = places(wanted, cap=CAP, taken=taken, zone=UTC)

    for day, (first, amount) in zip(days, wanted, strict=True):
        before = [first + timedelta(days=ahead) for ahead in range((day - first).days)]
        assert all(filled[each] + amount > CAP for each in before)
        filled[day] += amount


@given(WANTED, st.integers(0, 40))
def test_two_batches_share_a_day_as_one_would(wanted, cut):
    first = places(wanted[:cut], cap=CAP, taken={}, zone=UTC)
    taken = Counter()
    for day, (_, amount) in zip(first, wanted[:cut], strict=False):
        taken[day] += amount

    rest = places(wanted[cut:], cap=CAP, taken=taken, zone=UTC)

    assert places(wanted, cap=CAP, taken={}, zone=UTC) == [*first, *rest]


def test_a_payout_is_looked_a_year_ahead_for_and_no_further():
    full = {FIRST + timedelta(days=ahead): CAP for ahead in range(MOST_DAYS - 1)}
    last = FIRST + timedelta(days=MOST_DAYS - 1)

    assert [last] == places([(FIRST, CAP)], cap=CAP, taken=full, zone=UTC)
    with pytest.raises(Invalid, match="no room for a payout of 1 minor units within 366 days"):
        places([(FIRST, 1)], cap=CAP, taken=full | {last: CAP}, zone=UTC)


def test_a_day_that_a_zone_left_out_has_no_room():
    eve = date(2011, 12, 29)  # Samoa went from the 29th to the 31st.

    days = places([(eve, CAP), (eve, 1)], cap=CAP, taken={}, zone=ZoneInfo("Pacific/Apia"))

    assert days == [eve, date(2011, 12, 31)]
