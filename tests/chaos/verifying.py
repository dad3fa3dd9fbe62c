"""Asks the product's own checker as well: `manage.py verify`, in full and beside the processor."""

import json
import subprocess
import sys

from billy.places import CHECKOUT

CLEAN, PERSON = 0, 3  # Exit 3: nothing is wrong, and parked items wait for a person.
DEPTHS = ("--full", "--processor")


def complaints(world, *, poisoned):
    """Return what the checker complains of, at each depth.

    It must name what was poisoned on purpose: that is no complaint, and no reason for one about
    anything else. `poisoned` are the guids of those schedulers.
    """
    return [complaint for depth in DEPTHS for complaint in _complaints(world, depth, poisoned)]


def _complaints(world, depth, poisoned):
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
    try:
        results = json.loads(done.stdout)["results"]
    except ValueError:
        return [f"verify {depth}: exit {done.returncode}: {(done.stdout + done.stderr)[-300:]}"]
    return [
        f"verify {depth}: {json.dumps(each)[:900]}"
        for each in results
        if each["status"] not in {"clean", "person"} and not _is_poison(each, poisoned)
    ]


def _is_poison(result, poisoned):
    """Say whether a result names poisoned schedulers and nothing else."""
    named = {each["where"] for each in result["offenders"][: result["count"]]}
    return result["count"] <= len(result["offenders"]) and named <= poisoned
