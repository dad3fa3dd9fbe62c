"""The API does what `openapi.json` says, whatever is sent to it: every check, stateful ones too."""

import os
import subprocess
import sys

import pytest

from billy.places import CHECKOUT
from tests.hostile.cast import Web
from tests.hostile.conftest import world  # noqa: F401  # A fixture.

pytestmark = [pytest.mark.described, pytest.mark.django_db]

EXAMPLES = os.environ.get("DESCRIBED_EXAMPLES", "10")
PHASES = os.environ.get("DESCRIBED_PHASES", "examples,coverage,fuzzing,stateful")
SEED = os.environ.get("DESCRIBED_SEED", "1")
MANY = {
    "BILLY_REQUESTS_PER_SECOND": "100000",
    "BILLY_REQUESTS_AT_ONCE": "1000000",
    "BILLY_CALLBACKS_PER_SECOND": "100000",
    "BILLY_CALLBACKS_AT_ONCE": "1000000",
    "BILLY_OPEN_REGISTRATION": "1",
}


def tried(web, key, *options):
    """Let schemathesis try a running Billy; returns how it ended and what it printed."""
    url = f"http://127.0.0.1:{web.port}"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/v1/openapi.json"),
            *("--checks", "all", "--header", f"Authorization: Bearer {key}"),
            *("--max-examples", EXAMPLES, "--seed", SEED, "--phases", PHASES),
            *("--continue-on-failure", "--no-color", "--request-timeout", "600"),
            *options,
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_api_does_what_its_description_says(world, tmp_path, capsys):  # noqa: F811  # The same.
    sandbox = world.ours.company.processor_url
    with Web(tmp_path / "web.log", BILLY_BALANCED_URL=sandbox, **MANY) as web:
        code, printed = tried(web, world.ours.api_key)

    with capsys.disabled():
        sys.stdout.write(printed[printed.find("= SUMMARY") :])
    assert code == 0, printed


def test_a_billy_that_does_otherwise_is_found_out(world, tmp_path):  # noqa: F811  # The same.
    application = "tests.described.broken:application"
    with Web(tmp_path / "web.log", application=application, **MANY) as web:
        code, printed = tried(
            *(web, world.ours.api_key, "--phases", "fuzzing", "--no-shrink"),
            *("--include-path", "/v1/plans", "--include-method", "GET"),
            *("--mode", "negative", "--max-examples", "8"),  # Two, as in CI, may miss a defect.
        )

    assert code == 1, printed
    assert "margin" in printed  # A field that is not described.
    assert "Schema-violating request accepted" in printed
