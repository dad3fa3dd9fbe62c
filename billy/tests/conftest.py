"""What tests of the doors start, and end again."""

import pytest

from billy.tests.processes import Sandbox
from schedulers import limits


@pytest.fixture
def sandbox(tmp_path):
    """A Balanced of this test's own."""
    with Sandbox(tmp_path / "ledger.jsonl") as started:
        yield started


@pytest.fixture
def twin(settings):
    """The processor in memory, as the settings name it."""
    settings.BILLY_PROCESSOR = "memory"

    return limits.processor()
