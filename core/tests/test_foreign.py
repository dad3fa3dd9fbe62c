"""Text of others is kept in a form that nothing breaks on, and holds no card number."""

from hypothesis import given
from hypothesis import strategies as st

from core.cards import contains_card_number
from core.foreign import REASON_LIMIT, kept, told


class Mute(Exception):
    def __str__(self):
        raise RuntimeError


@given(st.text(st.characters()))
def test_whatever_comes_can_be_stored_as_one_line(text):
    found = kept(text)

    assert len(found) <= REASON_LIMIT
    assert "\0" not in found
    assert len(found.splitlines()) <= 1
    assert found.encode().decode() == found
    assert not contains_card_number(found)


def test_ordinary_words_stay_as_they_are():
    assert kept("The card was declined: naïve 100 %") == "The card was declined: naïve 100 %"


def test_a_card_number_takes_its_whole_sentence_with_it():
    for text in (
        "card 4111 1111 1111 1111",
        "4111\t1111\n11111111",
        "x" * 600 + " 4111111111111111",
    ):
        assert kept(text) == "(left out: it may hold the number of a payment card)"


def test_an_error_is_told_by_its_kind_and_words():
    found = [told(each) for each in (ValueError("no\nprice"), KeyboardInterrupt(), Mute())]

    assert found == ["ValueError: no price", "KeyboardInterrupt", "Mute"]


def test_a_limit_is_kept_to():
    assert kept("word " * 10, limit=9) == "word word"
