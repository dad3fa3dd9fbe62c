"""What tests of the doors start, and end again."""

import pytest

from billy.tests.processes import Sandbox


@pytest.fixture
def sandbox(tmp_path):
    """A Balanced of this test's own."""
    with Sandbox(tmp_path / "ledger.jsonl") as started:
        yield started
