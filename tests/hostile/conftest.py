"""The world under attack; `HOSTILE_REQUESTS` and `HOSTILE_SEED` say how much and which."""

import secrets

import pytest

from billy.tests.processes import Sandbox
from tests.hostile.cast import World


@pytest.fixture
def world(database, settings, tmp_path):
    """Two companies at a sandbox of their own, under a SECRET_KEY that can be looked for."""
    settings.SECRET_KEY = f"canary-{secrets.token_urlsafe(40)}"
    with Sandbox(tmp_path / "ledger.jsonl") as sandbox:
        yield World.built(sandbox_url=sandbox.url)
