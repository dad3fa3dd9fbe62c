"""When banks in the United States are closed.

The rules are those of the Federal Reserve Banks: eleven holidays; one that falls on a Saturday
is not moved (they are open on the Friday before), one on a Sunday is observed on the Monday.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Literal, TypeAlias

Shift: TypeAlias = Literal["none", "previous", "following"]

SHIFTS: Final[tuple[Shift, ...]] = ("none", "previous", "following")

_DAY: Final = timedelta(days=1)
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_WEEK_DAYS: Final = 7

# Month and day: New Year, Juneteenth, Independence Day, Veterans Day, Christmas.
_FIXED: Final = ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))

# Juneteenth is observed since this year; a back-dated import may reach further.
_FIRST_JUNETEENTH: Final = 2021
_JUNETEENTH: Final = (6, 19)

# Month, weekday and which of them: King, Washington, Labor Day, Columbus, Thanksgiving.
_FLOATING: Final = (
    (1, _MONDAY, 3),
    (2, _MONDAY, 3),
    (9, _MONDAY, 1),
    (10, _MONDAY, 2),
    (11, _THURSDAY, 4),
)


def moved(day: date, *, shift: Shift) -> date:
    """Return the business day that stands for `day`: itself, the one before or the one after.

    Raises OverflowError beyond the years 1 to 9999.
    """
    if shift == "none":
        return day
    step = _DAY if shift == "following" else -_DAY
    while not is_business_day(day):
        day += step
    return day


def is_business_day(day: date) -> bool:
    """Say whether banks are open on that date."""
    return day.weekday() < _SATURDAY and day not in bank_holidays(day.year)


@lru_cache(maxsize=256)
def bank_holidays(year: int) -> frozenset[date]:
    """Return the dates of that year on which banks are closed, as observed.

    No rule crosses a year: a New Year's Day on a Saturday is not moved into the year before.
    """
    fixed = [
        _observed(date(year, month, day))
        for month, day in _FIXED
        if (month, day) != _JUNETEENTH or year >= _FIRST_JUNETEENTH
    ]
    floating = [_nth(year, month, weekday, which) for month, weekday, which in _FLOATING]
    return frozenset([*fixed, *floating, _memorial_day(year)])


def _observed(day: date) -> date:
    return day + _DAY if day.weekday() == _SUNDAY else day


def _nth(year: int, month: int, weekday: int, which: int) -> date:
    first = date(year, month, 1)
    return first + (weekday - first.weekday()) % _WEEK_DAYS * _DAY + (which - 1) * _WEEK_DAYS * _DAY


def _memorial_day(year: int) -> date:
    """Return the last Monday of May."""
    last = date(year, 5, 31)
    return last - last.weekday() * _DAY
