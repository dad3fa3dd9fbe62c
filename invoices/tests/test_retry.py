"""When a refused payment is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.invalid import Invalid
from invoices.retry import DEFAULT_DAYS, ENDS, Policy, Refusal, Retry, after

FIRST = datetime(2026, 2, 28, 9, tzinfo=UTC)
CARD = Refusal(kind="card", code="card-declined")
FUNDS = Refusal(kind="bank_account", code="R01")


def retry(refusal=CARD, **changes):
    terms = {
        "policy": Policy(),
        "refusal": refusal,
        "step": 0,
        "first_declined_at": FIRST,
        "now": FIRST,
        "time_zone": "UTC",
    }
    return after(**terms | changes)


def test_a_card_is_tried_again_on_the_days_of_the_plan():
    found, now, step = [], FIRST, 0

    while (planned := retry(step=step, now=now)) is not None:
        found.append(f"{planned.due_at:%m-%d %H:%M}")
        now, step = planned.due_at, planned.step

    assert found == ["03-01 09:00", "03-03 09:00", "03-07 09:00", "03-14 09:00", "03-21 09:00"]
    assert step == 5


def test_the_morning_is_the_local_one_through_a_change_to_summer_time():
    before = retry(time_zone="America/New_York")
    behind = retry(time_zone="America/New_York", step=3)

    assert before == Retry(due_at=datetime(2026, 3, 1, 14, tzinfo=UTC), step=1)
    assert behind == Retry(due_at=datetime(2026, 3, 14, 13, tzinfo=UTC), step=4)


def test_days_are_counted_from_the_local_date_of_the_first_try():
    late_evening = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)  # 1 March in Tokyo.

    planned = retry(first_declined_at=late_evening, now=late_evening, time_zone="Asia/Tokyo")

    assert planned.due_at == datetime(2026, 3, 2, 0, tzinfo=UTC)


def test_a_missed_day_is_not_made_up():
    planned = retry(step=1, now=FIRST + timedelta(days=8))

    assert planned == Retry(due_at=FIRST + timedelta(days=14), step=2)


def test_behind_the_last_day_there_is_no_retry():
    assert retry(step=1, now=FIRST + timedelta(days=21)) is None


@pytest.mark.parametrize("kind", ["card", "bank_account", "payout"])
def test_what_never_works_again_is_not_tried_again(kind):
    assert retry(Refusal(kind=kind, code="R01", hard=True)) is None


@pytest.mark.parametrize("code", ["", "R01", "account-frozen"])
def test_a_payout_is_never_repeated(code):
    assert retry(Refusal(kind="payout", code=code)) is None


def test_an_unknown_kind_is_not_tried_again():
    assert retry(Refusal(kind="cheque")) is None


@pytest.mark.parametrize("code", ["R01", "R09", ""])
def test_a_debit_without_funds_is_presented_twice_more(code):
    refusal = Refusal(kind="bank_account", code=code)

    found = [retry(refusal, step=step) for step in range(4)]

    assert [each and each.due_at.day for each in found] == [1, 3, None, None]


@pytest.mark.parametrize("code", ["R02", "R03", "R04", "R08", "R10", "R16", "R29", "r01", "other"])
def test_a_debit_returned_for_another_reason_is_not_presented_again(code):
    assert retry(Refusal(kind="bank_account", code=code)) is None


def test_no_debit_is_presented_again_behind_180_days():
    within, beyond = Policy(days=(180,)), Policy(days=(181,))

    assert retry(FUNDS, policy=within) is not None
    assert retry(FUNDS, policy=beyond) is None
    assert retry(CARD, policy=beyond) is not None


@given(
    st.lists(st.integers(1, 365), max_size=15, unique=True).map(lambda days: tuple(sorted(days))),
    st.integers(0, 23),
    st.integers(0, 16),
    st.integers(0, 400 * 86_400),
    st.sampled_from(["UTC", "America/New_York", "Pacific/Kiritimati"]),
)
def test_a_retry_lies_ahead_on_a_day_of_the_plan(days, hour, step, seconds, zone):
    now = FIRST + timedelta(seconds=seconds)

    planned = retry(policy=Policy(days=days, hour=hour), step=step, now=now, time_zone=zone)

    assert planned is None or (planned.due_at > now and planned.step == step + 1)
    assert planned is not None or step >= len(days) or now >= FIRST + timedelta(days=days[-1] - 1)


@pytest.mark.parametrize(
    "changes",
    [{"step": -1}, {"now": datetime(2026, 1, 1)}, {"first_declined_at": datetime(2026, 1, 1)}],
)
def test_doubtful_arguments_are_refused(changes):
    with pytest.raises(Invalid):
        retry(**changes)


def test_the_default_policy_is_what_an_empty_object_means():
    policy = Policy.parse({})

    assert policy == Policy(days=DEFAULT_DAYS, hour=9, end="pause")


@given(
    st.lists(st.integers(1, 365), max_size=15, unique=True).map(sorted),
    st.integers(0, 23),
    st.sampled_from(ENDS),
)
def test_a_policy_reads_back(days, hour, end):
    values = {"days": days, "hour": hour, "end": end}

    assert Policy.parse(values).as_json() == values


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ([], "retry"), (None, "retry"), ("days", "retry"),
        ({"dais": [1]}, "dais"), ({1: 2}, "1"),
        ({"days": [3, 1]}, "days"), ({"days": [1, 1]}, "days"), ({"days": [0]}, "days"),
        ({"days": [366]}, "days"), ({"days": ["1"]}, "days"), ({"days": [1.0]}, "days"),
        ({"days": [True]}, "days"), ({"days": "1"}, "days"), ({"days": 1}, "days"),
        ({"days": None}, "days"), ({"days": list(range(1, 17))}, "days"),
        ({"hour": 24}, "hour"), ({"hour": -1}, "hour"), ({"hour": 9.0}, "hour"),
        ({"hour": True}, "hour"), ({"hour": None}, "hour"),
        ({"end": "stop"}, "end"), ({"end": None}, "end"), ({"end": []}, "end"),
    ],
)  # fmt: skip
def test_a_bad_policy_names_its_field(values, field):
    with pytest.raises(Invalid) as caught:
        Policy.parse(values)

    assert list(caught.value.errors) == [field]
