"""The four frequencies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.frequency import Frequency
from core.invalid import Invalid


def test_the_words_are_the_wire_format():
    assert [str(each) for each in Frequency] == ["yearly", "monthly", "weekly", "daily"]


@given(st.sampled_from(Frequency), st.data())
def test_any_case_is_read(frequency, data):
    text = "".join(data.draw(st.sampled_from([c.upper(), c.lower()])) for c in frequency)

    assert Frequency.parse(text) == frequency


@pytest.mark.parametrize("text", ["", "hourly", " monthly", None, 1, True, b"monthly", ["monthly"]])
def test_anything_else_names_the_choices(text):
    with pytest.raises(Invalid, match="frequency: must be one of yearly, monthly, weekly, daily"):
        Frequency.parse(text)
