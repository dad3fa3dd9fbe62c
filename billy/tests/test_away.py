"""A lost database is answered 503; what is wrong with us stays a 500."""

import pytest
from django.db import InterfaceError, OperationalError

from billy.away import DatabaseAway


@pytest.mark.parametrize("lost", [OperationalError, InterfaceError])
def test_a_lost_database_is_answered_503(lost):
    answer = DatabaseAway(None).process_exception(None, lost("gone"))

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_an_error_of_our_own_is_no_lost_database():
    assert DatabaseAway(None).process_exception(None, ValueError("ours")) is None
