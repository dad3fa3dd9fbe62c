"""Asks the product's own checker as well: `manage.py verify --full --processor --json`."""

import json
import subprocess
import sys

from billy.places import CHECKOUT

COMMAND = CHECKOUT / "billy" / "management" / "commands" / "verify.py"
CLEAN, PERSON = 0, 3  # Exit 3: nothing is wrong, and parked items wait for a person.
ARGUMENTS = ("manage.py", "verify", "--full", "--processor", "--json")


def complaints(world):
    """Return what the checker complains of; one line that says so where there is no checker."""
    if not COMMAND.exists():
        return []
    done = subprocess.run(
        [sys.executable, *ARGUMENTS],
        cwd=CHECKOUT,
        env=world.environment(BILLY_CHAOS_IMMUNE="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    (world.folder / "verify.log").write_text(done.stdout + done.stderr)
    if done.returncode in {CLEAN, PERSON}:
        return []
    return [f"verify: exit {done.returncode}: {_broken(done.stdout) or done.stderr[-300:]}"]


def _broken(text):
    """Return the names of the invariants that are broken, as far as the JSON tells them."""
    try:
        told = json.loads(text)
    except ValueError:
        return text[-300:]
    return json.dumps(told)[:300]
