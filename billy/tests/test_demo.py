"""The whole story, as a user would run it; its parts are tested in `billy/demo/tests`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from billy.demo.screen import fits
from billy.places import CHECKOUT

DEMO = [sys.executable, "manage.py", "demo"]
DEMO_SECONDS = 300  # So long only on a machine that does ten other things.


@pytest.fixture
def environment(workshop):
    return {**os.environ, "DATABASE_URL": workshop.url, "PYTHONIOENCODING": "utf-8"}


def test_the_story_ends_well_and_is_told_in_plain_lines_of_80_columns(environment):
    done = subprocess.run(
        DEMO,
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.split("\n")
    assert [line for line in lines if not fits(line) or "\x1b" in line] == []
    for words in (
        "    billy.Plan.create(",
        '        description="the goat - silver",',
        "Alice is charged $1.00 for the goat - silver",
        "Dave's card is declined for $29.00",
        "Dave's $29.00 is paid at the third try.",
        "Bob's $29.00 has arrived",
        "Alice has $1.00 back.",
        "who made the cheese, is paid 85 percent of it, $51.00.",
        "Erin is charged $15.64 for storage",
        "Billy and Balanced agree: 401 transactions, $14,956.24",
        "audit trails intact: ",
        "  python3 manage.py quickstart ",
    ):
        assert any(words in line for line in lines) or words in " ".join(done.stdout.split())


def test_a_story_that_is_stopped_leaves_no_process_and_no_database(environment):
    with subprocess.Popen(
        DEMO, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True
    ) as demo:
        while not demo.stdout.readline().startswith("2. The year"):
            assert demo.poll() is None
        children = children_of(demo.pid)
        demo.send_signal(signal.SIGTERM)
        rest, _ = demo.communicate(timeout=60)

    assert demo.returncode == 130
    assert rest.endswith("stopped; nothing is left behind\n")
    assert children != []
    assert [pid for pid in children if os.path.exists(f"/proc/{pid}")] == []  # noqa: PTH110  # A process, no file.


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123  # The kernel's list.
        return [int(each) for each in file.read().split()]
