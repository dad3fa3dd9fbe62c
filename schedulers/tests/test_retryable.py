import pytest

from conftest import subscribe, tick
from processors.memory import Declined, Lost, Memory, Pending

pytestmark = pytest.mark.django_db


def charged(script, goat, alice, *, now):
    """Subscribe Alice, let one tick run against this script, and return the scheduler."""
    memory = Memory(script=script)
    scheduler = subscribe(goat, alice, now=now)
    tick(memory, now=now)
    scheduler.refresh_from_db()
    return scheduler


def test_nothing_is_retryable_before_the_first_invoice(goat, alice, now):
    scheduler = subscribe(goat, alice, now=now)

    assert not scheduler.retryable


@pytest.mark.parametrize(
    ("script", "retryable"),
    [
        ([], False),
        ([Declined], True),
        ([Declined(hard=True, code="lost")], False),
        ([Pending], False),
        ([Lost], False),
    ],
    ids=["paid", "declined", "lost card", "on its way", "answer lost"],
)
def test_the_last_answer_says_whether_another_try_is_allowed(script, retryable, goat, alice, now):
    scheduler = charged(script, goat, alice, now=now)

    assert retryable == scheduler.retryable
