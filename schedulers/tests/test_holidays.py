"""US bank holidays, as the Federal Reserve Banks publish them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedulers.holidays import bank_holidays, is_business_day, moved

DATES = st.dates(min_value=date(1990, 1, 1), max_value=date(2200, 1, 1))

# As published for each year. A Saturday's holiday is in the list, and is not moved.
PUBLISHED = {
    2021: "01-01 01-18 02-15 05-31 06-19 07-05 09-06 10-11 11-11 11-25 12-25",
    2022: "01-01 01-17 02-21 05-30 06-20 07-04 09-05 10-10 11-11 11-24 12-26",
    2023: "01-02 01-16 02-20 05-29 06-19 07-04 09-04 10-09 11-11 11-23 12-25",
    2026: "01-01 01-19 02-16 05-25 06-19 07-04 09-07 10-12 11-11 11-26 12-25",
    2027: "01-01 01-18 02-15 05-31 06-19 07-05 09-06 10-11 11-11 11-25 12-25",
}


@pytest.mark.parametrize("year", PUBLISHED)
def test_the_holidays_are_the_published_ones(year):
    found = " ".join(f"{day:%m-%d}" for day in sorted(bank_holidays(year)))

    assert found == PUBLISHED[year]


def test_juneteenth_is_no_holiday_before_it_was_one():
    assert is_business_day(date(2020, 6, 19))


@pytest.mark.parametrize(
    ("day", "previous", "following"),
    [
        (date(2026, 1, 30), date(2026, 1, 30), date(2026, 1, 30)),
        (date(2026, 1, 31), date(2026, 1, 30), date(2026, 2, 2)),
        (date(2026, 2, 15), date(2026, 2, 13), date(2026, 2, 17)),  # Washington's birthday.
        (date(2026, 7, 4), date(2026, 7, 3), date(2026, 7, 6)),  # On a Saturday: Friday is open.
        (date(2027, 7, 4), date(2027, 7, 2), date(2027, 7, 6)),  # On a Sunday: Monday is closed.
        (date(2026, 11, 26), date(2026, 11, 25), date(2026, 11, 27)),
        (date(2028, 1, 1), date(2027, 12, 31), date(2028, 1, 3)),
    ],
)
def test_worked_shifts(day, previous, following):
    assert moved(day, shift="previous") == previous
    assert moved(day, shift="following") == following
    assert moved(day, shift="none") == day


@given(DATES, st.sampled_from(["previous", "following"]))
def test_a_shift_finds_the_nearest_business_day_of_its_side(day, shift):
    found = moved(day, shift=shift)

    assert is_business_day(found)
    between = abs(found - day).days
    assert between <= 4
    sign = 1 if shift == "following" else -1
    assert not any(is_business_day(day + timedelta(days=sign * n)) for n in range(between))


@given(DATES)
def test_weekends_are_no_business_days(day):
    assert not (day.weekday() >= 5 and is_business_day(day))
