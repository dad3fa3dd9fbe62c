"""Bad input is named field by field, and never repeated."""

import copy

import pytest

from core.invalid import CardNumber, Invalid


def test_it_reads_as_field_and_message():
    problem = Invalid(amount="must be whole", currency="must be known")

    assert str(problem) == "amount: must be whole; currency: must be known"


def test_fields_that_are_no_python_names_are_given_as_a_mapping():
    problem = Invalid({"items[0].name": "must not be empty"})

    assert problem.errors == {"items[0].name": "must not be empty"}


def test_it_needs_something_to_say():
    with pytest.raises(TypeError):
        Invalid()


def test_combining_keeps_every_field_and_the_first_message_of_each():
    problems = [Invalid(a="one"), Invalid(b="two"), Invalid(a="three")]

    combined = Invalid.combined(problems)

    assert combined.errors == {"a": "one", "b": "two"}


def test_combining_with_a_card_number_stays_a_card_number():
    combined = Invalid.combined([CardNumber(a="one"), Invalid(b="two")])

    assert isinstance(combined, CardNumber)


def test_combining_without_a_card_number_is_none():
    combined = Invalid.combined([Invalid(a="one"), Invalid(b="two")])

    assert type(combined) is Invalid


def test_renaming_keeps_the_messages_and_the_kind():
    renamed = CardNumber(a="one", b="two").renamed("meta")

    assert isinstance(renamed, CardNumber)
    assert renamed.errors == {"meta": "one; two"}


def test_a_card_number_as_the_name_of_a_field_is_not_repeated():
    problem = Invalid({"4111 1111 1111 1111": "is not known"})

    assert "4111" not in str(problem)


def test_a_long_name_of_a_field_is_cut():
    problem = Invalid({"x" * 100_000: "is not known"})

    assert len(str(problem)) < 200


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_it_survives_being_copied(again):
    problem = Invalid(amount="must be whole")

    twin = again(problem)

    assert twin.errors == problem.errors
    assert str(twin) == str(problem)
