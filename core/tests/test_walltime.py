"""Clocks on the wall: gaps, repeated hours and lost days."""

from datetime import UTC, date, datetime, time

import pytest

from core.invalid import Invalid
from core.walltime import at_wall_time, zone_named


@pytest.mark.parametrize(
    ("zone", "day", "wall", "expected"),
    [
        ("America/New_York", date(2026, 3, 7), time(2, 30), "2026-03-07T07:30"),
        ("America/New_York", date(2026, 3, 8), time(2, 30), "2026-03-08T07:30"),
        ("America/New_York", date(2026, 3, 9), time(2, 30), "2026-03-09T06:30"),
        ("America/New_York", date(2026, 10, 31), time(1, 30), "2026-10-31T05:30"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T05:30"),
        ("America/New_York", date(2026, 11, 1), time(1, 30, fold=1), "2026-11-01T05:30"),
        ("America/New_York", date(2026, 11, 2), time(1, 30), "2026-11-02T06:30"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03T15:45"),
        ("Pacific/Apia", date(2011, 12, 29), time(4), "2011-12-29T14:00"),
        ("Pacific/Apia", date(2011, 12, 30), time(4), "2011-12-30T02:00"),
        ("Pacific/Apia", date(2011, 12, 31), time(4), "2011-12-30T14:00"),
    ],
)
def test_what_a_clock_on_the_wall_means(zone, day, wall, expected):
    instant = at_wall_time(day, wall, zone_named(zone))

    assert instant == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "zone"), [(date(9999, 12, 31), "America/New_York"), (date(1, 1, 1), "Asia/Tokyo")]
)
def test_the_calendar_ends_politely(day, zone):
    with pytest.raises(Invalid, match="years 1 to 9999"):
        at_wall_time(day, time(23) if day.year > 1 else time(0), zone_named(zone))
