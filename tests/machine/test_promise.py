"""The model says what the documents say: its own examples, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.machine.promise import Promise

pytestmark = [pytest.mark.machine]


def promise(started_at, frequency="monthly", *, zone="UTC", **terms):
    return Promise(
        name="the goat",
        company=0,
        amount=100,
        frequency=frequency,
        interval=1,
        zone=zone,
        started_at=started_at,
        **terms,
    )


def at(year, month, day, hour=12, minute=0):
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def test_the_last_of_january_is_followed_by_the_last_of_february_and_of_march():
    goat = promise(at(2026, 1, 31))

    starts = [goat.at(number) for number in range(3)]

    assert starts == [at(2026, 1, 31), at(2026, 2, 28), at(2026, 3, 31)]


def test_an_hour_that_does_not_exist_moves_on_and_one_that_comes_twice_is_the_first():
    spring = promise(at(2026, 3, 7, 7, 30), "daily", zone="America/New_York")
    autumn = promise(at(2026, 10, 31, 5, 30), "daily", zone="America/New_York")

    changes = [spring.at(1), spring.at(2), autumn.at(1), autumn.at(2)]

    assert changes == [
        at(2026, 3, 8, 7, 30),
        at(2026, 3, 9, 6, 30),
        at(2026, 11, 1, 5, 30),
        at(2026, 11, 2, 6, 30),
    ]


def test_a_trial_of_fourteen_days_is_free_and_then_the_months_are_counted():
    goat = promise(at(2026, 1, 17), trial_days=14)

    trial = goat.tick(at(2026, 1, 17))
    first = trial.tick(at(2026, 1, 31))

    assert {n: each.total for n, each in first.opened.items()} == {0: 0, 1: 100}
    assert (trial.state, trial.next_run) == ("trialing", at(2026, 1, 31))
    assert (first.state, first.next_run) == ("active", at(2026, 2, 28))


@pytest.mark.parametrize(
    ("rule", "totals", "skipped"),
    [
        ("each", {0: 100}, []),
        ("collapse", {2: 300}, [0, 1]),
        ("latest", {2: 100}, [0, 1]),
        ("hold", {0: 100, 1: 100, 2: 100}, []),
        ("auto", {0: 100, 1: 100, 2: 100}, []),
    ],
)
def test_three_months_without_workers(rule, totals, skipped):
    goat = promise(at(2026, 4, 1), catch_up=rule)

    after = goat.tick(at(2026, 6, 2))

    assert totals == {n: each.total for n, each in after.opened.items()}
    assert skipped == list(after.skipped)
    assert (rule in {"hold", "auto"}) == any(each.draft for each in after.opened.values())


def test_what_came_due_in_a_pause_is_passed_over_and_never_charged():
    goat = promise(at(2026, 1, 1)).tick(at(2026, 1, 1)).pause()

    after = goat.resume(at(2026, 3, 15))

    assert {1: "paused", 2: "paused"} == after.skipped
    assert at(2026, 4, 1) == after.next_run


def test_a_cancel_at_the_end_of_the_period_opens_nothing_more():
    goat = promise(at(2026, 1, 1)).tick(at(2026, 1, 1)).cancel(at_once=False)

    after = goat.tick(at(2026, 2, 1) + timedelta(seconds=1))

    assert "canceled" == after.state
    assert [0] == list(after.opened)
