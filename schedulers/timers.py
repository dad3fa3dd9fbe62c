"""When: the n-th occurrence of a frequency and interval, counted from an anchor.

Nothing here is computed from the occurrence before, so nothing drifts: 31 January monthly gives
28 February and then 31 March. Dates are added in the local calendar and turned into UTC last.
"""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from core.frequency import Frequency
from core.invalid import Invalid
from core.light import light
from core.periods import Period
from core.recurrence import Recurrence
from core.walltime import at_wall_time, zone_named
from schedulers.holidays import SHIFTS, Shift, moved

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

MonthEnd: TypeAlias = Literal["same_day", "last_day"]

MONTH_ENDS: Final[tuple[MonthEnd, ...]] = get_args(MonthEnd)

# 10,000 days are 27 years. A longer interval is a mistake in the unit.
LONGEST_INTERVAL: Final = 10_000

# Ids begin with milliseconds since 1970, so nothing is scheduled before.
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9999

# Catching up more than this at once is a mistake in the anchor, not a backlog.
MOST_COUNTED: Final = 10_000

# It avoids midnight and nearly all changes to and from summer time.
DEFAULT_WALL_TIME: Final = time(4)

_MONTHS: Final[Mapping[str, int]] = {Frequency.YEARLY: 12, Frequency.MONTHLY: 1}
_DAYS: Final[Mapping[str, int]] = {Frequency.WEEKLY: 7, Frequency.DAILY: 1}

_MONTHS_OF_YEAR: Final = 12
_FEBRUARY: Final = 2
_MONTH_LENGTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LAST_ORDINAL: Final = date.max.toordinal()

_BEYOND: Final = f"lies beyond the year {LAST_YEAR}"
_YEARS: Final = f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}"


@light(frozen=True, slots=True, kw_only=True)
class Timer:
    """`interval` times `frequency`, from `anchor_at` on, by the calendar of `time_zone`.

    `anchor_at` is aware and kept in UTC; occurrence 0 is the anchor itself. A day that a month
    lacks falls back to the month's last. `month_end="last_day"` keeps to the last day of each
    month, for an anchor on 28 February or 30 April that means it. `shift` moves the instant of
    running, never the period, off weekends and holidays of US banks.

    `rule` is the part of RFC 5545 that `core.recurrence` takes; its FREQ and INTERVAL repeat
    `frequency` and `interval` (`Timer.from_rule` reads them from it). Then occurrence 0 is the
    first match at or after the anchor, at the anchor's local time of day.

    Raises Invalid naming the field: unknown frequency, zone, flag or rule, an interval not from 1
    to 10,000, an anchor that is naive or outside the years 1970 to 9999, a rule without a match.
    """

    frequency: Frequency
    interval: int = 1
    anchor_at: datetime
    time_zone: str
    rule: str = ""
    month_end: MonthEnd = "same_day"
    shift: Shift = "none"
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _day: date = field(init=False, repr=False, compare=False)
    _wall: time = field(init=False, repr=False, compare=False)
    _found: dict[int, datetime] = field(init=False, repr=False, compare=False)

    @classmethod
    def from_rule(
        cls,
        rule: str,
        *,
        anchor_at: datetime,
        time_zone: str,
        shift: Shift = "none",
    ) -> Timer:
        """Return the timer of an RFC 5545 rule, with the frequency and interval it names."""
        recurrence = Recurrence.parse(rule)
        return cls(
            frequency=recurrence.frequency,
            interval=recurrence.interval,
            anchor_at=anchor_at,
            time_zone=time_zone,
            rule=rule,
            shift=shift,
        )

    def __post_init__(self) -> None:
        """Check every field, and work out once what each occurrence needs."""
        _check(self)
        zone = zone_named(self.time_zone)
        try:
            anchor_at = self.anchor_at
            if anchor_at.tzinfo is not UTC:
                anchor_at = anchor_at.astimezone(UTC)
            local = anchor_at.astimezone(zone)
        except OverflowError:
            raise Invalid(anchor_at=_YEARS) from None
        if anchor_at.year < FIRST_YEAR:
            raise Invalid(anchor_at=_YEARS)
        object.__setattr__(self, "anchor_at", anchor_at)
        object.__setattr__(self, "_zone", zone)
        object.__setattr__(self, "_day", local.date())
        object.__setattr__(self, "_wall", local.time())
        object.__setattr__(self, "_found", {})
        if self.month_end == "last_day":
            _check_last_day(self.frequency, local.date(), has_rule=bool(self.rule))
        if self.rule:
            _check_rule(self)
            self._local_day(0)

    def occurrence(self, number: int) -> datetime:
        """Return the nominal instant of the occurrence, in UTC: where its period starts.

        Raises Invalid for a number below 0 and beyond the year 9999.
        """
        found = self._found.get(number)  # A cycle asks for the end of its period three times.
        if found is None:
            found = self._found[number] = self._at(self._local_day(number))
        return found

    def run_at(self, number: int) -> datetime:
        """Return when the occurrence runs: its instant, moved to a business day by `shift`.

        The local time of day stays. Several occurrences may run at one instant, none before an
        earlier one. Raises Invalid as `occurrence` does.
        """
        if self.shift == "none":
            return self.occurrence(number)
        try:
            return self._at(moved(self._local_day(number), shift=self.shift))
        except OverflowError:
            raise Invalid(occurrence=_BEYOND) from None

    def period(self, number: int) -> Period:
        """Return the period of the occurrence: from it to the next one, whatever `shift` says."""
        return Period(self.occurrence(number), self.occurrence(number + 1))

    def count_until(self, now: datetime, start: int = 0, *, limit: int = MOST_COUNTED) -> int:
        """Return how many occurrences from number `start` on have run or are due at `now`.

        At most `limit`, which is the answer for all above it. It takes a handful of steps however
        many there are.
        """
        if now.tzinfo is None:
            raise Invalid(now="must have a time zone")
        step = 1
        while step <= limit and self._is_due(start + step - 1, now):
            step *= 2
        low, high = step // 2, min(step - 1, limit)  # low are known to be due, high may be.
        while low < high:
            middle = (low + high + 1) // 2
            if self._is_due(start + middle - 1, now):
                low = middle
            else:
                high = middle - 1
        return low

    def _is_due(self, number: int, now: datetime) -> bool:
        try:
            return self.run_at(number) <= now
        except Invalid:
            if number < 0:
                raise
            return False  # Beyond the calendar's end nothing is due.

    def _at(self, day: date) -> datetime:
        if day == self._day:
            return self.anchor_at  # An anchor in an hour that comes twice keeps its place.
        return _instant(day, self._wall, self._zone)

    def _local_day(self, number: int) -> date:
        if number < 0:
            raise Invalid(occurrence="must be a whole number from 0")
        if self.rule:
            return _recurrence(self.rule).day(number, start=self._day)
        months = _MONTHS.get(self.frequency)
        if months is not None:
            return self._months_on(number * self.interval * months)
        ordinal = self._day.toordinal() + number * self.interval * _DAYS[self.frequency]
        if ordinal > _LAST_ORDINAL:
            raise Invalid(occurrence=_BEYOND)
        return date.fromordinal(ordinal)

    def _months_on(self, months: int) -> date:
        """Return the anchor's day so many months later, or that month's last day."""
        day = self._day
        year, month = divmod(day.year * _MONTHS_OF_YEAR + day.month - 1 + months, _MONTHS_OF_YEAR)
        if year > LAST_YEAR:
            raise Invalid(occurrence=_BEYOND)
        last = _month_length(year, month + 1)
        if self.month_end == "last_day":
            return date(year, month + 1, last)
        return date(year, month + 1, min(day.day, last))


def anchor_from(value: date | datetime, *, time_zone: str) -> datetime:
    """Return the anchor that a person meant, in UTC: an instant as given, a date at 04:00 local.

    Raises Invalid for an instant without a time zone, which could mean two things.
    """
    if not isinstance(value, datetime):
        return _instant(value, DEFAULT_WALL_TIME, zone_named(time_zone))
    if value.tzinfo is None:
        raise Invalid(anchor_at="must have a time zone, or be a date without a time")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Invalid(anchor_at=_YEARS) from None


def _check(timer: Timer) -> None:
    errors: dict[str, str] = {}
    if timer.frequency not in _MONTHS and timer.frequency not in _DAYS:
        errors["frequency"] = f"must be one of {', '.join(Frequency)}"
    if type(timer.interval) is not int or not 1 <= timer.interval <= LONGEST_INTERVAL:
        errors["interval"] = f"must be a whole number from 1 to {LONGEST_INTERVAL}"
    if not isinstance(timer.anchor_at, datetime) or timer.anchor_at.tzinfo is None:
        errors["anchor_at"] = "must be an instant with a time zone"
    if timer.month_end not in MONTH_ENDS:
        errors["month_end"] = f"must be one of {', '.join(MONTH_ENDS)}"
    if timer.shift not in SHIFTS:
        errors["shift"] = f"must be one of {', '.join(SHIFTS)}"
    if errors:
        raise Invalid(errors)


def _check_last_day(frequency: str, day: date, *, has_rule: bool) -> None:
    if has_rule or frequency not in _MONTHS:
        raise Invalid(month_end="last_day goes with monthly and yearly timers without a rule only")
    if day.day != _month_length(day.year, day.month):
        raise Invalid(month_end="last_day needs an anchor on the last day of a month")


def _check_rule(timer: Timer) -> None:
    recurrence = _recurrence(timer.rule)
    if (recurrence.frequency, recurrence.interval) != (timer.frequency, timer.interval):
        raise Invalid(rule="FREQ and INTERVAL must agree with frequency and interval")


def _instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    try:
        return at_wall_time(day, wall, zone)
    except Invalid:
        raise Invalid(occurrence=_BEYOND) from None


def _month_length(year: int, month: int) -> int:
    """Return the days of a month. The standard library's function takes longer for a weekday."""
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == _FEBRUARY and is_leap else _MONTH_LENGTHS[month - 1]


@lru_cache(maxsize=1024)
def _recurrence(rule: str) -> Recurrence:
    return Recurrence.parse(rule)
