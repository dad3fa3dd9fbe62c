"""Asks the product's own checker as well: `manage.py verify`, in full and beside the processor."""

import json
import subprocess
import sys

from billy.places import CHECKOUT

CLEAN, PERSON = 0, 3  # Exit 3: nothing is wrong, and parked items wait for a person.
DEPTHS = ("--full", "--processor")


def complaints(world):
    """Return what the checker complains of, at each depth."""
    return [complaint for depth in DEPTHS for complaint in _complaints(world, depth)]


def _complaints(world, depth):
    done = subprocess.run(
        [sys.executable, "manage.py", "verify", depth, "--json"],
        cwd=CHECKOUT,
        env=world.environment(BILLY_CHAOS_IMMUNE="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    (world.folder / f"verify{depth}.log").write_text(done.stdout + done.stderr)
    if done.returncode in {CLEAN, PERSON}:
        return []
    return [f"verify {depth}: exit {done.returncode}: {_broken(done.stdout) or done.stderr[-300:]}"]


def _broken(text):
    """Return the names of the invariants that are broken, as far as the JSON tells them."""
    try:
        told = json.loads(text)
    except ValueError:
        return text[-300:]
    return json.dumps([each for each in told["results"] if each["status"] == "violated"])[:900]
