"""A safe part of the recurrence rules of RFC 5545, on dates.

    FREQ=MONTHLY;BYMONTHDAY=1,15
    FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1     the last working day
    FREQ=YEARLY;BYMONTH=3,9;BYDAY=2TU                 the second Tuesday of March and September

Taken are FREQ, INTERVAL, BYMONTH, BYMONTHDAY, BYDAY and BYSETPOS. A rule must hold BYDAY or
BYMONTHDAY; one without is what frequency and interval say better, since RFC 5545 leaves out a
month that is too short where they fall back to its last day. There is no COUNT or UNTIL (a
scheduler's end is its own), nothing below a day, and weeks start on Monday.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

from core.frequency import Frequency
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST_RULE: Final = 400  # All days of the month, of both signs, fit.
LONGEST_INTERVAL: Final = 1000

# Two matches are at most this far apart, or the rule counts as one that never matches again.
# 29 February may be missing for eight years; on one certain weekday, for forty.
MOST_DAYS_BETWEEN: Final = 41 * 366

_NAMES: Final = ("FREQ", "INTERVAL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS")
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NUMBERED_DAY: Final = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,4}")
_DAYS_OF_MONTH: Final = 31
_DAYS_OF_YEAR: Final = 366
_WEEKS_OF_MONTH: Final = 5
_WEEKS_OF_YEAR: Final = 53
_MONTHS: Final = 12
_WEEK: Final = 7
_LAST_ORDINAL: Final = date.max.toordinal()

_Weekday: TypeAlias = tuple[int, int]  # Which one (0 for all), and the day: 0 is Monday.


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A rule that has been read: which days of each `interval`-th span match.

    A span is a year, month, week (from Monday) or day, the first being that of the start. A day
    matches when it is in every list that is not empty; `set_positions` then picks from those of
    one span, 1 the first and -1 the last.
    """

    frequency: Frequency
    interval: int = 1
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    weekdays: frozenset[_Weekday] = frozenset()
    set_positions: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, text: str, *, field: str = "rule") -> Recurrence:
        """Read a rule in any case; raises Invalid naming the part that is wrong."""
        try:
            return _parsed(text)
        except Invalid as problem:
            raise problem.renamed(field) from None

    def day(self, number: int, *, start: date) -> date:
        """Return the n-th match (from 0) on or after `start`; raises Invalid where there is none.

        Days already found are remembered for each rule and start, so that a later number is cheap.
        """
        return _days(self, start).get(number)


class _Days:
    """The matches from one start on, found as far as somebody asked. Safe between threads."""

    def __init__(self, recurrence: Recurrence, start: date) -> None:
        self._found: list[date] = []
        self._matches = _matches(recurrence, start)
        self._lock = Lock()

    def get(self, number: int) -> date:
        if number >= len(self._found):  # The list only grows, so it may be read without the lock.
            with self._lock:
                self._find(number)
        return self._found[number]

    def _find(self, number: int) -> None:
        while number >= len(self._found):
            following = next(self._matches, None)
            if following is None:
                years = MOST_DAYS_BETWEEN // _DAYS_OF_YEAR
                raise Invalid(rule=f"has no match within {years} years, or before the year 10000")
            self._found.append(following)


@lru_cache(maxsize=4096)  # A worker meets the same schedulers again and again.
def _days(recurrence: Recurrence, start: date) -> _Days:
    return _Days(recurrence, start)


def _matches(recurrence: Recurrence, start: date) -> Iterator[date]:
    """Yield the matching days on or after `start`, until the calendar or our patience ends."""
    last = start.toordinal()
    for first, length in _spans(recurrence, start):
        if first - last > MOST_DAYS_BETWEEN:
            return
        for ordinal in _chosen(recurrence, first, length):
            if ordinal >= start.toordinal():
                last = ordinal
                yield date.fromordinal(ordinal)


def _spans(recurrence: Recurrence, start: date) -> Iterator[tuple[int, int]]:
    """Yield the ordinal of the first day and the length of each span; ends with the calendar."""
    for number in count(step=recurrence.interval):
        first = _first_of(recurrence, start, number)
        if first > _LAST_ORDINAL:
            return
        yield first, _first_of(recurrence, start, number + 1) - first


def _first_of(recurrence: Recurrence, start: date, number: int) -> int:
    try:
        return _FOLLOWING[recurrence.frequency](start, number).toordinal()
    except (ValueError, OverflowError):  # The year 10000.
        return _LAST_ORDINAL + 1


def _year(start: date, number: int) -> date:
    return date(start.year + number, 1, 1)


def _month(start: date, number: int) -> date:
    year, month = divmod(start.year * _MONTHS + start.month - 1 + number, _MONTHS)
    return date(year, month + 1, 1)


def _week(start: date, number: int) -> date:
    return date.fromordinal(start.toordinal() - start.weekday() + number * _WEEK)


def _day(start: date, number: int) -> date:
    return start + timedelta(days=number)


_FOLLOWING: Final[dict[Frequency, Callable[[date, int], date]]] = {
    Frequency.YEARLY: _year,
    Frequency.MONTHLY: _month,
    Frequency.WEEKLY: _week,
    Frequency.DAILY: _day,
}


@lru_cache(maxsize=8192)  # Every start of one rule meets the same months and years.
def _chosen(recurrence: Recurrence, first: int, length: int) -> tuple[int, ...]:
    """Return the ordinals of the matching days of one span, in order."""
    days = [
        ordinal
        for ordinal in range(first, first + length)
        if _is_match(recurrence, date.fromordinal(ordinal))
    ]
    if not recurrence.set_positions:
        return tuple(days)
    picked = {
        days[position - 1 if position > 0 else position]
        for position in recurrence.set_positions
        if abs(position) <= len(days)
    }
    return tuple(sorted(picked))


def _is_match(recurrence: Recurrence, day: date) -> bool:
    if recurrence.months and day.month not in recurrence.months:
        return False
    if recurrence.month_days and day.day not in recurrence.month_days:
        from_end = day.day - _length_of_month(day) - 1
        if from_end not in recurrence.month_days:
            return False
    return not recurrence.weekdays or _is_weekday(recurrence, day)


def _is_weekday(recurrence: Recurrence, day: date) -> bool:
    weekday = day.weekday()
    if (0, weekday) in recurrence.weekdays:
        return True
    if recurrence.frequency == Frequency.YEARLY and not recurrence.months:
        place, length = day.timetuple().tm_yday, date(day.year, 12, 31).timetuple().tm_yday
    else:
        place, length = day.day, _length_of_month(day)
    from_start, from_end = (place - 1) // _WEEK + 1, -((length - place) // _WEEK) - 1
    return bool({(from_start, weekday), (from_end, weekday)} & recurrence.weekdays)


def _length_of_month(day: date) -> int:
    return monthrange(day.year, day.month)[1]


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Recurrence:
    parts = _parts(text)
    recurrence = Recurrence(
        frequency=Frequency.parse(parts.get("FREQ"), field="FREQ"),
        interval=_numbers(parts, "INTERVAL", LONGEST_INTERVAL, is_single=True, default=1)[0],
        months=frozenset(_numbers(parts, "BYMONTH", _MONTHS)),
        month_days=frozenset(_numbers(parts, "BYMONTHDAY", _DAYS_OF_MONTH, is_signed=True)),
        weekdays=frozenset(_weekdays(parts.get("BYDAY"))),
        set_positions=frozenset(_numbers(parts, "BYSETPOS", _DAYS_OF_YEAR, is_signed=True)),
    )
    _check_together(recurrence)
    return recurrence


def _parts(text: str) -> dict[str, str]:
    if not isinstance(text, str) or len(text) > LONGEST_RULE:
        raise Invalid(RULE=f"must be text of at most {LONGEST_RULE} characters")
    parts: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, sign, value = part.partition("=")
        if name not in _NAMES or not sign or name in parts:
            raise Invalid(RULE=f"must be NAME=VALUE;…, each once, of {', '.join(_NAMES)}")
        parts[name] = value
    return parts


def _numbers(
    parts: dict[str, str],
    name: str,
    largest: int,
    *,
    is_signed: bool = False,
    is_single: bool = False,
    default: int | None = None,
) -> list[int]:
    """Return the numbers of a part, each of 1 to `largest` and, if signed, of -largest to -1."""
    if name not in parts:
        return [] if default is None else [default]
    texts = parts[name].split(",")
    numbers = [int(text) for text in texts if _NUMBER.fullmatch(text)]
    allowed = range(-largest if is_signed else 1, largest + 1)
    if len(numbers) < len(texts) or (is_single and len(numbers) > 1) or 0 in numbers:
        numbers = []
    if not numbers or any(number not in allowed for number in numbers):
        either_way = " or minus that" if is_signed else ""
        some = "a whole number" if is_single else "whole numbers with commas between"
        raise Invalid({name: f"must be {some}, from 1 to {largest}{either_way}"})
    return numbers


def _weekdays(text: str | None) -> list[_Weekday]:
    if text is None:
        return []
    matches = [_NUMBERED_DAY.fullmatch(part) for part in text.split(",")]
    weekdays = [(int(match[1] or 0), _WEEKDAYS.index(match[2])) for match in matches if match]
    if len(weekdays) < len(matches):
        raise Invalid(BYDAY=f"must be days with commas between, of {', '.join(_WEEKDAYS)}")
    return weekdays


def _check_together(recurrence: Recurrence) -> None:
    """Refuse what RFC 5545 forbids together, and what we leave to frequency and interval."""
    if not recurrence.weekdays and not recurrence.month_days:
        raise Invalid(RULE="must hold BYDAY or BYMONTHDAY")
    if recurrence.month_days and recurrence.frequency == Frequency.WEEKLY:
        raise Invalid(BYMONTHDAY="does not go with FREQ=WEEKLY")
    which = {abs(number) for number, _ in recurrence.weekdays} - {0}
    if which and recurrence.frequency in {Frequency.WEEKLY, Frequency.DAILY}:
        raise Invalid(BYDAY="takes numbers with FREQ=MONTHLY and YEARLY only")
    is_of_year = recurrence.frequency == Frequency.YEARLY and not recurrence.months
    largest = _WEEKS_OF_YEAR if is_of_year else _WEEKS_OF_MONTH
    if which and max(which) > largest:
        raise Invalid(BYDAY=f"takes numbers from 1 to {largest} here, or minus that")
