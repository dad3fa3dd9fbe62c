"""Kinds of task are found by name, and a name means one class."""

import pytest

from core.invalid import CardNumber, Invalid
from tasks import kinds
from tasks.kinds import DebitTask, FixedDebitTask, PayoutTask, find, task


@pytest.fixture(autouse=True)
def book():
    """What a test enters is taken out again."""
    before = dict(kinds._book)
    yield
    kinds._book.clear()
    kinds._book.update(before)


class Metered(DebitTask):
    def price(self, context):
        return context.line("Storage", unit_amount=None)


def test_the_four_kinds_and_which_way_their_money_goes():
    class Wages(PayoutTask):
        pass

    task("test-wages", version=3)(Wages)

    found = {name: find(name).direction for name in ("fixed-debit", "fixed-payout", "test-wages")}

    assert found == {"fixed-debit": "debit", "fixed-payout": "credit", "test-wages": "credit"}
    assert find("test-wages").version == 3
    assert FixedDebitTask is find("fixed-debit").task


def test_a_name_belongs_to_one_class_of_one_module():
    task("test-metered")(Metered)
    other = type("Metered", (DebitTask,), {"__module__": "somebody.elses.billing"})
    other.__qualname__ = Metered.__qualname__

    with pytest.raises(Invalid, match=r"is taken by tasks\.tests\.test_kinds\.Metered"):
        task("test-metered")(other)
    with pytest.raises(Invalid, match="is taken"):
        task("fixed-debit")(Metered)

    assert Metered is find("test-metered").task


def test_a_module_that_is_loaded_again_takes_its_own_place():
    again = type("Metered", (DebitTask,), {"__module__": Metered.__module__})
    again.__qualname__ = Metered.__qualname__
    task("test-metered")(Metered)

    task("test-metered", version=2)(again)

    assert (again, 2) == (find("test-metered").task, find("test-metered").version)


@pytest.mark.parametrize("thing", [object, Metered(), lambda _: 1, None])
def test_only_classes_of_ours_are_tasks(thing):
    with pytest.raises(Invalid, match="subclass of DebitTask or PayoutTask"):
        task("test-thing")(thing)


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "two\nlines", 7, None])
def test_a_name_is_a_line_of_text(name):
    with pytest.raises(Invalid, match="task: must"):
        task(name)(Metered)


def test_a_name_that_looks_like_a_card_is_none():
    with pytest.raises(CardNumber):
        task("4111111111111111")(Metered)


@pytest.mark.parametrize("name", ["", "nothing", "4111111111111111"])
def test_an_unknown_kind_is_told_with_those_there_are_and_not_repeated(name):
    with pytest.raises(Invalid, match="fixed-debit, fixed-payout") as caught:
        find(name)

    assert list(caught.value.errors) == ["task"]
    assert "4111" not in str(caught.value)
