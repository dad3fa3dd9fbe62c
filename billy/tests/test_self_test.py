"""`verify --self-test`: a checker that has never failed is no evidence."""

import pytest

from billy.verification import TITLES, self_test
from billy.verification.corruptions import Corruption
from tests.pages import page, rows

pytestmark = pytest.mark.django_db


def test_every_corruption_is_found_and_the_untouched_copy_is_clean(database):
    verdicts, untouched = [], []

    good = self_test.run(told=verdicts.append, clean=untouched.extend)

    assert [] == [each.corruption.name for each in verdicts if not each.found]
    assert {"clean", "person"} == {each.status for each in untouched}
    assert good
    assert len(verdicts) >= 40


def test_a_corruption_that_is_not_noticed_fails_the_self_test(database):
    harmless = Corruption(
        "a name is changed", "I1", ("UPDATE billy_accounts_customer SET name = 'Zoe'",)
    )
    verdicts = []

    good = self_test.run(corruptions=[harmless], told=verdicts.append, clean=lambda _: None)

    assert (False, [False]) == (good, [each.found for each in verdicts])


def test_every_invariant_that_can_be_planted_has_a_corruption():
    planted = {each.expected for each in self_test.CORRUPTIONS}

    assert TITLES.keys() - planted == {"I26"}  # A standby cannot be planted.


def test_no_two_corruptions_have_one_name():
    names = [each.name for each in self_test.CORRUPTIONS]

    assert len(names) == len(set(names))


def test_the_documentation_counts_the_corruptions():
    count = len(self_test.CORRUPTIONS)

    assert f"`{count} of {count} found`" in page("docs/verify.md")


def test_the_documentation_explains_every_invariant():
    told = {row[0] for row in rows("docs/verify.md", "## The invariants")}

    assert TITLES.keys() == told
