"""Numbers of bank accounts are found in text, and nothing else is taken for one."""

import pytest

from core.ibans import LENGTHS, contains_iban


@pytest.mark.parametrize(
    "text",
    [
        "DE89370400440532013000",
        "to DE89 3704 0044 0532 0130 00 please",
        "GB82 WEST 1234 5698 7654 32",
        '{"iban": "NO9386011117947"}',
        "BE68 5390 0754 7034 AND MORE",
    ],
)
def test_an_iban_is_found(text):
    assert contains_iban(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DE89370400440532013001",  # Its check does not fit.
        "GB82 WEST 1234 5698 7654 33",
        "ZZ89370400440532013000",  # Of no country.
        "DE893704004405320130001",  # Too long for its country.
        "xDE89370400440532013000",  # Part of a longer word.
        "DE89370400440532013000x",
        "b1-ZQ3CDPX7OBZ2B4XJ2YPVRVVTWH5DNHAFD6CD2BYM",
        "IV1CVuyknFeagYMVp1LKhQ15",
    ],
)
def test_other_words_are_none(text):
    assert not contains_iban(text)


def test_lengths_are_those_of_words_that_can_be_found():
    assert {len(code) for code in LENGTHS} == {2}
    assert 15 <= min(LENGTHS.values()) <= max(LENGTHS.values()) <= 34
