"""Single values: what is taken, and what the refusal says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import check
from core.invalid import CardNumber, Invalid

STATEMENT_SIGNS = " .<>(){}[]+&!$;-%_?:#@~='\"^\\|`"


@given(st.integers(1, 100))
def test_a_whole_number_within_bounds_is_returned(value):
    assert check.whole("interval", value, minimum=1, maximum=100) == value


@pytest.mark.parametrize(
    "value", [0, 101, -1, 1.0, "7", " 7 ", True, None, "\u0661", 2**63, 1e3, [1], "1_0"]
)
def test_anything_else_is_no_whole_number(value):
    with pytest.raises(Invalid, match=r"^interval: must be a whole number from 1 to 100$"):
        check.whole("interval", value, minimum=1, maximum=100)


def test_an_amount_names_its_unit():
    with pytest.raises(Invalid) as caught:
        check.whole("amount", 0, minimum=1, maximum=2**53 - 1)

    assert str(caught.value) == (
        "amount: must be a whole number of minor units from 1 to 9007199254740991"
    )


def test_a_currency_is_returned():
    assert check.currency("currency", "USD") == "USD"


@pytest.mark.parametrize("value", ["usd", "XXX", "", None, 1, ["USD"]])
def test_what_is_no_currency_is_refused(value):
    with pytest.raises(Invalid, match="money_in: must be an ISO 4217 code"):
        check.currency("money_in", value)


@pytest.mark.parametrize("value", ["UTC", "America/New_York", "Asia/Tokyo", "Etc/GMT+5"])
def test_a_zone_is_returned(value):
    assert check.zone("time_zone", value) == value


@pytest.mark.parametrize(
    "value",
    [
        "", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "America", "localtime",
        "right/UTC", "posixrules", "UTC\0", "x" * 10_000, "Zürich", None, 3, b"UTC", ["UTC"],
    ],
)  # fmt: skip
def test_what_is_no_zone_is_refused(value):
    with pytest.raises(Invalid, match="zone_of_customer: must be"):
        check.zone("zone_of_customer", value)


@pytest.mark.parametrize("value", ["", "the goat - silver", "Ångström ½ 山羊 🐐", "x" * 30])
def test_text_is_returned(value):
    assert check.text("name", value, limit=30) == value


@pytest.mark.parametrize(
    "value", ["x" * 31, "a\0b", "a\nb", "a\tb", "\x7f", "\x85", "\ud800", None, 1, b"x", ["x"]]
)
def test_long_broken_and_other_values_are_no_text(value):
    with pytest.raises(Invalid, match="name: must"):
        check.text("name", value, limit=30)


@pytest.mark.parametrize("value", ["", "   "])
def test_required_text_is_not_empty(value):
    with pytest.raises(Invalid, match="name: must not be empty"):
        check.text("name", value, limit=30, is_required=True)


def test_a_card_number_is_refused_without_repeating_it():
    with pytest.raises(CardNumber) as caught:
        check.text("name", "4111 1111 1111 1111", limit=30)

    assert "4111" not in repr(caught.value)


@given(st.text(alphabet=st.sampled_from(STATEMENT_SIGNS + "abcXYZ"), max_size=18))
def test_statement_text_of_the_allowed_signs_is_returned(value):
    assert check.statement_text("appears_on_statement_as", value) == value


@pytest.mark.parametrize("value", ["a/b", "a,b", "a*b", "é", "x" * 19, "x\n", "\t", None, 5])
def test_other_statement_text_is_refused(value):
    with pytest.raises(Invalid, match="appears_on_statement_as: must"):
        check.statement_text("appears_on_statement_as", value)


def test_one_of_the_allowed_is_returned():
    assert check.one_of("shift", "none", ("none", "previous")) == "none"


@pytest.mark.parametrize("value", ["None", "", None, 0, ["none"]])
def test_others_are_refused_with_the_choices(value):
    with pytest.raises(Invalid, match="shift: must be one of none, previous"):
        check.one_of("shift", value, ("none", "previous"))
