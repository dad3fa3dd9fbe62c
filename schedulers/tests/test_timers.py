"""The n-th occurrence: worked tables, and what holds for every timer."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import assume, given
from hypothesis import strategies as st

from core.frequency import Frequency
from core.invalid import Invalid
from core.walltime import zone_named
from schedulers.timers import Timer, anchor_from

NEW_YORK = "America/New_York"
ZONES = st.sampled_from(
    [
        "UTC", NEW_YORK, "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe", "Pacific/Apia",
        "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Kiritimati",
    ]
)  # fmt: skip
ANCHORS = st.datetimes(
    min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
)
STEPS = {
    Frequency.YEARLY: "years",
    Frequency.MONTHLY: "months",
    Frequency.WEEKLY: "weeks",
    Frequency.DAILY: "days",
}


@st.composite
def timers(draw, *, shifts=("none",)):
    return Timer(
        frequency=draw(st.sampled_from(Frequency)),
        interval=draw(st.integers(1, 12)),
        anchor_at=draw(ANCHORS),
        time_zone=draw(ZONES),
        shift=draw(st.sampled_from(shifts)),
    )


ALL_SHIFTS = timers(shifts=("none", "previous", "following"))


def local(text, zone):
    """Return the UTC instant of a local time, 04:00 where only a date is written."""
    written = datetime.fromisoformat(text)
    wall = time(4) if len(text) == len("2026-01-31") else written.time()
    return datetime.combine(written.date(), wall, zone_named(zone)).astimezone(UTC)


def timer(text, frequency, interval=1, *, zone="UTC", **more):
    return Timer(
        frequency=frequency,
        interval=interval,
        anchor_at=local(text, zone),
        time_zone=zone,
        **more,
    )


Y, M, W, D = Frequency


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK, "Asia/Tokyo"])
@pytest.mark.parametrize(
    ("anchor", "frequency", "interval", "expected"),
    [
        ("2026-01-31", M, 1, "02-28 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30"),
        ("2026-08-31", M, 1, "09-30 10-31 11-30 12-31 2027-01-31 02-28 03-31"),
        ("2028-01-31", M, 1, "02-29 03-31 04-30"),
        ("2000-01-31", M, 1, "02-29 03-31"),
        ("2100-01-31", M, 1, "02-28 03-31"),
        ("2026-01-30", M, 1, "02-28 03-30 04-30"),
        ("2026-11-30", M, 3, "2027-02-28 05-30 08-30 11-30"),
        ("2026-08-31", M, 3, "11-30 2027-02-28 05-31 08-31"),
        ("2024-02-29", Y, 1, "2025-02-28 2026-02-28 2027-02-28 2028-02-29"),
        ("2024-02-29", M, 1, "03-29 04-29 05-29 06-29 07-29 08-29 09-29 10-29 11-29"),
        ("2024-02-29", M, 6, "08-29 2025-02-28 08-29 2026-02-28"),
        ("2013-07-28", D, 1, "07-29 07-30 07-31 08-01 08-02 08-03 08-04 08-05 08-06"),
        ("2013-07-28", D, 3, "07-31 08-03 08-06"),
        ("2013-02-28", D, 1, "03-01"),
        ("2013-12-31", D, 1, "2014-01-01"),
        ("2013-08-18", W, 1, "08-25 09-01 09-08 09-15"),
        ("2013-08-18", W, 2, "09-01 09-15"),
        ("2013-08-16", W, 1, "08-23"),
        ("2013-08-18", M, 1, "09-18 10-18 11-18 12-18 2014-01-18"),
        ("2013-08-18", M, 6, "2014-02-18 08-18 2015-02-18"),
        ("2013-08-31", M, 1, "09-30 10-31 11-30 12-31 2014-01-31 02-28"),
        ("2013-11-30", M, 1, "12-30 2014-01-30 02-28 03-30 04-30"),
        ("2013-08-18", Y, 1, "2014-08-18 2015-08-18 2016-08-18 2017-08-18"),
        ("2013-08-18", Y, 2, "2015-08-18 2017-08-18"),
        ("2012-02-29", Y, 1, "2013-02-28 2014-02-28 2015-02-28 2016-02-29"),
    ],
)  # fmt: skip
def test_worked_dates(zone, anchor, frequency, interval, expected):
    made = timer(anchor, frequency, interval, zone=zone)
    year = anchor[:4]
    dates = []
    for text in expected.split():
        year = text[:4] if len(text) == len("2026-01-31") else year
        dates.append(f"{year}-{text[-5:]}")

    found = [made.occurrence(number) for number in range(len(dates) + 1)]

    assert found == [local(text, zone) for text in [anchor, *dates]]


@pytest.mark.parametrize(
    ("anchor", "frequency", "zone", "expected"),
    [
        ("2026-03-07T02:30", D, NEW_YORK, ["03-07T07:30", "03-08T07:30", "03-09T06:30"]),
        ("2026-10-31T01:30", D, NEW_YORK, ["10-31T05:30", "11-01T05:30", "11-02T06:30"]),
        ("2026-02-15T09:00", M, NEW_YORK, ["02-15T14:00", "03-15T13:00"]),
        ("2026-01-31T00:00", M, "Asia/Tokyo", ["01-30T15:00", "02-27T15:00"]),
    ],
)
def test_worked_instants(anchor, frequency, zone, expected):
    made = timer(anchor, frequency, zone=zone)

    found = [f"{made.occurrence(number):%m-%dT%H:%M}" for number in range(len(expected))]

    assert found == expected


@pytest.mark.parametrize(
    ("anchor", "frequency", "expected"),
    [
        ("2026-02-28", M, ["02-28", "03-31", "04-30", "05-31"]),
        ("2026-04-30", M, ["04-30", "05-31", "06-30"]),
        ("2027-02-28", Y, ["02-28", "02-29", "02-28"]),
    ],
)
def test_a_timer_may_keep_to_the_last_day_of_the_month(anchor, frequency, expected):
    made = timer(anchor, frequency, month_end="last_day")

    assert [f"{made.occurrence(number):%m-%d}" for number in range(len(expected))] == expected


def test_without_the_flag_28_february_means_that_day():
    assert timer("2026-02-28", M).occurrence(1) == local("2026-03-28", "UTC")


@given(timers(), st.integers(0, 300))
def test_it_agrees_with_relativedelta_counted_from_the_anchor(made, number):
    zone = zone_named(made.time_zone)
    wall = made.anchor_at.astimezone(zone).replace(tzinfo=None, fold=0)
    moved = wall + number * relativedelta(**{STEPS[made.frequency]: made.interval})
    expected = moved.replace(tzinfo=zone).astimezone(UTC)
    assume(moved.date() != date(2011, 12, 30) or made.time_zone != "Pacific/Apia")

    found = made.occurrence(number)

    assert found == (expected if number else made.anchor_at)


@given(timers(), st.integers(0, 500))
def test_periods_tile_the_line(made, number):
    period, following = made.period(number), made.period(number + 1)

    assert period.start < period.end == following.start
    assert period.start == made.occurrence(number)


@given(timers())
def test_occurrence_0_is_the_anchor(made):
    assert made.occurrence(0) == made.anchor_at
    assert made.occurrence(0).tzinfo is UTC


def test_a_day_that_a_zone_left_out_has_an_occurrence_of_its_own():
    made = timer("2011-12-28T00:00", D, zone="Pacific/Apia")

    found = [made.occurrence(number) for number in range(6)]

    assert found == sorted(set(found))


def test_an_anchor_in_the_second_of_two_equal_hours_stays_there():
    anchor_at = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)

    made = Timer(frequency=D, anchor_at=anchor_at, time_zone=NEW_YORK)

    assert made.occurrence(0) == anchor_at
    assert made.occurrence(1) == anchor_at + timedelta(days=1)


@given(ALL_SHIFTS, st.integers(0, 300))
def test_running_never_overtakes_and_stays_within_a_few_days(made, number):
    run_at = made.run_at(number)

    assert run_at <= made.run_at(number + 1)
    assert abs(run_at - made.occurrence(number)) <= timedelta(days=5)
    assert made.shift != "none" or run_at == made.occurrence(number)


@given(ALL_SHIFTS, st.integers(0, 300))
def test_a_shift_keeps_the_local_time_and_finds_a_working_day(made, number):
    assume(made.shift != "none")
    zone = zone_named(made.time_zone)

    day = made.run_at(number).astimezone(zone)

    assert day.weekday() < 5


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ("none", "2026-02-15T09:00 2026-03-15T09:00 2026-04-15T09:00"),
        ("previous", "2026-02-13T09:00 2026-03-13T09:00 2026-04-15T09:00"),
        ("following", "2026-02-17T09:00 2026-03-16T09:00 2026-04-15T09:00"),
    ],
)
def test_a_payday_moves_off_weekends_and_holidays_at_the_same_local_time(shift, expected):
    made = timer("2026-01-15T09:00", M, zone=NEW_YORK, shift=shift)

    found = [made.run_at(number) for number in (1, 2, 3)]

    assert found == [local(text, NEW_YORK) for text in expected.split()]
    assert made.period(1).start == local("2026-02-15T09:00", NEW_YORK)


@given(ALL_SHIFTS, st.integers(0, 60), st.integers(-400, 4000), st.integers(1, 80))
def test_the_count_is_what_counting_one_by_one_gives(made, start, days, limit):
    now = made.anchor_at + timedelta(days=days)
    one_by_one = 0
    while one_by_one < limit and made.run_at(start + one_by_one) <= now:
        one_by_one += 1

    assert made.count_until(now, start, limit=limit) == one_by_one


def test_what_is_due_at_this_instant_counts():
    made = timer("2026-01-31", M)

    assert made.count_until(made.occurrence(3)) == 4
    assert made.count_until(made.occurrence(3) - timedelta(microseconds=1)) == 3
    assert made.count_until(made.occurrence(3), 4) == 0


def test_four_days_late_is_five_daily_occurrences():
    made = timer("2013-08-16", D)

    assert made.count_until(made.anchor_at + timedelta(days=4)) == 5


def test_counting_ends_with_the_calendar():
    made = timer("9998-06-01", Y)

    assert made.count_until(datetime(9999, 12, 31, tzinfo=UTC)) == 2


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            "FREQ=MONTHLY;BYMONTHDAY=1,15",
            "2026-02-01T09:00 2026-02-15T09:00 2026-03-01T09:00 2026-03-15T09:00",
        ),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "2026-01-30T09:00 2026-02-27T09:00 2026-03-31T09:00",
        ),
    ],
)
def test_a_rule_counts_its_matches_from_the_anchor(rule, expected):
    anchor_at = local("2026-01-20T09:00", NEW_YORK)

    made = Timer.from_rule(rule, anchor_at=anchor_at, time_zone=NEW_YORK)

    texts = expected.split()
    found = [made.occurrence(number) for number in range(len(texts))]
    assert found == [local(text, NEW_YORK) for text in texts]
    assert made.period(0).end == found[1]


def test_an_anchor_that_matches_its_rule_is_occurrence_0():
    made = Timer.from_rule(
        "FREQ=MONTHLY;BYMONTHDAY=1,15",
        anchor_at=local("2026-01-15T09:00", NEW_YORK),
        time_zone=NEW_YORK,
    )

    assert made.occurrence(0) == made.anchor_at


@pytest.mark.parametrize("number", [-1, -1000])
def test_there_is_no_occurrence_before_the_anchor(number):
    made = timer("2026-01-31", M)

    with pytest.raises(Invalid, match="occurrence: must be a whole number from 0"):
        made.occurrence(number)
    with pytest.raises(Invalid, match="occurrence"):
        made.count_until(made.anchor_at, number)


@pytest.mark.parametrize("frequency", Frequency)
@pytest.mark.parametrize("number", [9_000, 3_000_000, 10**30])
def test_beyond_the_year_9999_is_invalid_and_no_crash(frequency, number):
    made = timer("2026-01-31", frequency, interval=1_000)

    with pytest.raises(Invalid, match="occurrence: lies beyond the year 9999"):
        made.occurrence(number)


def test_the_last_instants_of_the_calendar_are_invalid_and_no_crash():
    made = timer("9999-12-29T23:00", D, zone=NEW_YORK, shift="following")

    for ask in (made.occurrence, made.run_at, made.period):
        with pytest.raises(Invalid):
            [ask(number) for number in range(5)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("interval", 0), ("interval", -1), ("interval", 10_001), ("interval", 1.0),
        ("interval", True), ("interval", "1"), ("interval", None), ("interval", 2**70),
        ("frequency", "hourly"), ("frequency", None),
        ("time_zone", "Mars/Olympus"), ("time_zone", ""),
        ("anchor_at", datetime(2026, 1, 1)), ("anchor_at", date(2026, 1, 1)), ("anchor_at", None),
        ("anchor_at", datetime(1969, 12, 31, tzinfo=UTC)),
        ("anchor_at", datetime(1, 1, 1, tzinfo=zoneinfo.ZoneInfo("Asia/Tokyo"))),
        ("anchor_at", datetime.max.replace(tzinfo=zoneinfo.ZoneInfo(NEW_YORK))),
        ("month_end", "first_day"), ("month_end", None), ("month_end", "last_day"),
        ("shift", "next"), ("shift", None),
        ("rule", "FREQ=WEEKLY;BYDAY=MO"), ("rule", "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=1"),
        ("rule", "nonsense"), ("rule", "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30"),
    ],
)  # fmt: skip
def test_what_cannot_be_scheduled_names_its_field(field, value):
    terms = {
        "frequency": M,
        "interval": 1,
        "anchor_at": datetime(2026, 1, 15, tzinfo=UTC),
        "time_zone": NEW_YORK,
    }

    with pytest.raises(Invalid) as caught:
        Timer(**terms | {field: value})

    assert list(caught.value.errors) == [field]


@pytest.mark.parametrize("frequency", [W, D])
def test_the_last_day_of_a_month_is_for_months_and_years(frequency):
    with pytest.raises(Invalid, match="month_end"):
        timer("2026-01-31", frequency, month_end="last_day")


def test_a_rule_says_its_own_last_day():
    with pytest.raises(Invalid, match="month_end"):
        timer("2026-01-31", M, month_end="last_day", rule="FREQ=MONTHLY;BYMONTHDAY=-1")


def test_now_needs_a_time_zone():
    with pytest.raises(Invalid, match="now"):
        timer("2026-01-31", M).count_until(datetime(2026, 1, 1))


def test_a_timer_that_came_from_the_database_is_the_same():
    anchor_at = local("2026-01-31", NEW_YORK)

    stored = Timer(frequency="monthly", anchor_at=anchor_at, time_zone=NEW_YORK)

    assert stored == timer("2026-01-31", M, zone=NEW_YORK)
    assert hash(stored) == hash(timer("2026-01-31", M, zone=NEW_YORK))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2026, 1, 31), "2026-01-31T09:00"),
        (date(2026, 7, 31), "2026-07-31T08:00"),
        (datetime(2026, 1, 31, 12, 5, tzinfo=UTC), "2026-01-31T12:05"),
        (datetime(2026, 1, 31, 12, tzinfo=zoneinfo.ZoneInfo("Asia/Tokyo")), "2026-01-31T03:00"),
    ],
)
def test_an_anchor_is_as_given_or_at_four_in_the_morning(value, expected):
    found = anchor_from(value, time_zone=NEW_YORK)

    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 31, 12),
        datetime.max.replace(tzinfo=zoneinfo.ZoneInfo(NEW_YORK)),
    ],
)
def test_an_anchor_that_could_mean_two_things_or_none_is_refused(value):
    with pytest.raises(Invalid, match="anchor_at"):
        anchor_from(value, time_zone=NEW_YORK)
