"""Rules of RFC 5545: the part that is taken agrees with dateutil; the rest is refused."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from core.frequency import Frequency
from core.invalid import Invalid
from core.recurrence import Recurrence

DAYS = st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])
STARTS = st.dates(min_value=date(2000, 1, 1), max_value=date(2060, 12, 31))


def listed(values, largest=4):
    return st.lists(values, min_size=1, max_size=largest, unique=True).map(
        lambda each: ",".join(map(str, each))
    )


def signed(largest):
    return st.integers(-largest, largest).filter(bool)


@st.composite
def rules(draw):
    """Return a rule that RFC 5545 allows.

    Numbered and plain days are not mixed in one rule: dateutil takes what both have in common
    there, and the RFC all of them.
    """
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]))
    parts = {"FREQ": frequency}
    if draw(st.booleans()):
        parts["INTERVAL"] = draw(st.integers(1, 5))
    if draw(st.booleans()):
        parts["BYMONTH"] = draw(listed(st.integers(1, 12), 6))
    which = st.just("")
    if frequency in {"YEARLY", "MONTHLY"} and draw(st.booleans()):
        which = signed(5 if frequency == "MONTHLY" or "BYMONTH" in parts else 53).map(str)
    has_days = frequency == "WEEKLY" or draw(st.booleans())
    if has_days:
        parts["BYDAY"] = draw(listed(st.tuples(which, DAYS).map("".join), 5))
    if frequency != "WEEKLY" and (not has_days or draw(st.booleans())):
        parts["BYMONTHDAY"] = draw(listed(signed(31)))
    if frequency != "DAILY" and draw(st.booleans()):
        parts["BYSETPOS"] = draw(listed(signed(6), 2))
    return ";".join(f"{name}={value}" for name, value in parts.items())


def oracle_start(rule, start):
    """Return where dateutil must begin to give every day from the start on.

    It counts BYSETPOS in a first week from the start's own day; the RFC counts in whole weeks.
    """
    if "FREQ=WEEKLY" in rule:
        start -= timedelta(days=start.weekday())
    return datetime(start.year, start.month, start.day)


@settings(deadline=None, max_examples=40)  # The oracle takes long over a rule with few matches.
@given(rules(), STARTS)
def test_it_finds_the_same_days_as_dateutil(rule, start):
    until = datetime(start.year + 5, 1, 1)
    oracle = rrulestr(f"{rule};UNTIL={until:%Y%m%dT%H%M%S}", dtstart=oracle_start(rule, start))
    days = (each.date() for each in oracle)
    expected = list(islice((day for day in days if day >= start), 25))

    recurrence = Recurrence.parse(rule)

    assert [recurrence.day(n, start=start) for n in range(len(expected))] == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=MONTHLY;BYMONTHDAY=1,15", ["01-15", "02-01", "02-15", "03-01"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", ["01-31", "02-28", "03-31", "04-30"]),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            ["01-30", "02-27", "03-31", "04-30"],
        ),
        ("freq=weekly;interval=2;byday=fr", ["01-23", "02-06", "02-20", "03-06"]),
        ("FREQ=YEARLY;BYMONTH=3,9;BYDAY=2TU", ["03-10", "09-08"]),
        ("FREQ=MONTHLY;BYDAY=FR,1MO;BYMONTH=2", ["02-02", "02-06", "02-13", "02-20", "02-27"]),
    ],
)
def test_worked_rules(rule, expected):
    recurrence = Recurrence.parse(rule)

    found = [recurrence.day(n, start=date(2026, 1, 10)) for n in range(len(expected))]

    assert [f"{each:%m-%d}" for each in found] == expected


def test_the_frequency_and_interval_can_be_read():
    recurrence = Recurrence.parse("FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=1")

    assert (recurrence.frequency, recurrence.interval) == (Frequency.MONTHLY, 3)


@pytest.mark.parametrize(
    "rule",
    [
        "", "FREQ", "MONTHLY", "FREQ=MONTHLY", "FREQ=HOURLY;BYDAY=MO", "BYDAY=MO",
        "FREQ=MONTHLY;BYMONTH=2", "FREQ=DAILY;BYDAY=MO;COUNT=3", "FREQ=DAILY;BYDAY=MO;BYHOUR=3",
        "FREQ=DAILY;BYDAY=MO;UNTIL=20260101", "FREQ=DAILY;BYDAY=MO;BYDAY=TU",
        "FREQ=DAILY;BYDAY=MO;", "FREQ=DAILY;BYDAY=XX", "FREQ=DAILY;BYDAY=1MO", "FREQ=DAILY;BYDAY=",
        "FREQ=WEEKLY;BYDAY=MO;BYMONTHDAY=1", "FREQ=MONTHLY;BYDAY=6MO", "FREQ=YEARLY;BYDAY=54MO",
        "FREQ=YEARLY;BYMONTH=1;BYDAY=6MO", "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYMONTHDAY=32", "FREQ=MONTHLY;BYMONTHDAY=-32", "FREQ=MONTHLY;BYMONTHDAY=1,",
        "FREQ=MONTHLY;BYMONTHDAY=1.5", "FREQ=MONTHLY;BYMONTHDAY=\u0661", "FREQ=MONTHLY;BYMONTH=13",
        "FREQ=YEARLY;BYMONTH=-1;BYMONTHDAY=1", "FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=367",
        "FREQ=MONTHLY;INTERVAL=0;BYMONTHDAY=1", "FREQ=MONTHLY;INTERVAL=1,2;BYMONTHDAY=1",
        "FREQ=MONTHLY;INTERVAL=1001;BYMONTHDAY=1", "FREQ=MONTHLY;BYMONTHDAY=1\n",
        "FREQ=MONTHLY;BYMONTHDAY=" + "1," * 500, "RRULE:FREQ=DAILY;BYDAY=MO",
    ],
)  # fmt: skip
def test_other_rules_are_refused(rule):
    with pytest.raises(Invalid, match=r"^terms: "):
        Recurrence.parse(rule, field="terms")


@pytest.mark.parametrize("rule", [None, 7, b"FREQ=DAILY;BYDAY=MO"])
def test_a_rule_is_text(rule):
    with pytest.raises(Invalid, match="rule: must be text"):
        Recurrence.parse(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=2",
    ],
)
def test_a_rule_that_never_matches_says_so_each_time(rule):
    recurrence = Recurrence.parse(rule)

    for _ in range(2):
        with pytest.raises(Invalid, match="rule: has no match within"):
            recurrence.day(0, start=date(2026, 1, 10))


def test_a_rule_whose_calendar_ends_says_so():
    recurrence = Recurrence.parse("FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1")

    assert recurrence.day(0, start=date(9999, 1, 1)) == date(9999, 1, 1)
    with pytest.raises(Invalid, match="rule"):
        recurrence.day(1, start=date(9999, 1, 1))


def test_threads_that_ask_at_once_get_the_same_days():
    recurrence = Recurrence.parse("FREQ=MONTHLY;BYMONTHDAY=1,15,-1")
    numbers = list(range(600)) * 4

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: recurrence.day(n, start=date(2031, 5, 7)), numbers))

    assert found == [recurrence.day(n, start=date(2031, 5, 7)) for n in numbers]
    assert sorted(set(found)) == found[:600]
