"""When each occurrence must be, by a calendar of our own: none of the product's code is asked."""

import calendar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def occurrence(anchor, zone, frequency, n):
    """Return the instant of the n-th occurrence, in UTC, of a timer that was anchored locally.

    Dates are added in the local calendar. A time that does not exist moves forward by the gap, one
    that comes twice is the first (which is what `fold=0` means).
    """
    day = _day(anchor.date(), frequency, n)
    return datetime.combine(day, anchor.time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _day(first, frequency, n):
    if frequency == "daily":
        return first + timedelta(days=n)
    if frequency == "weekly":
        return first + timedelta(weeks=n)
    months = first.year * 12 + first.month - 1 + n
    year, month = divmod(months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(first.day, last))


def exists(local, zone):
    """Say whether clocks in that zone ever show this time."""
    there = local.replace(tzinfo=ZoneInfo(zone))
    return there.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
