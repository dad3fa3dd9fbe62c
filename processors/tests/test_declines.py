"""Which failures forbid the same instrument."""

import pytest

from processors.declines import is_hard


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        ("R01", "", False),
        ("R09", "", False),
        *((f"R{number:02}", "", True) for number in (2, 3, 4, 5, 7, 8, 10, 11, 16, 20, 29, 51)),
        ("", "R02: Account Closed", True),
        ("", "R01: Insufficient Funds", False),
        ("card-declined", "R530: Do not honor", False),
        ("card-declined", "Insufficient funds", False),
        ("card-declined", "", False),
        ("do-not-honor", "", False),
        ("", "", False),
        ("card-declined", "Lost or stolen card", True),
        ("lost", "", True),
        ("stolen_card", "", True),
        ("pickup_card", "", True),
        ("expired_card", "Your card has expired", True),
        ("account-closed", "", True),
        ("account-frozen", "", True),
        ("invalid-card-number", "", True),
        ("no-account", "", True),
        ("", "The answer was disclosed", False),
    ],
)
def test_the_words_of_a_failure_say_whether_to_try_again(code, reason, expected):
    assert is_hard(code=code, reason=reason) is expected
