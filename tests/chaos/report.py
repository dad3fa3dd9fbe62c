"""Prints a run's end within 80 columns, and keeps all of it as JSON under `var/chaos`."""

import json
import sys
from collections import Counter
from dataclasses import asdict

from billy.places import VAR

GREEN, RED, VOID = 0, 1, 2
VERDICTS = {GREEN: "GREEN", RED: "RED", VOID: "VOID"}
SHOWN = 12  # Complaints on the screen; the file has more.
KEPT = 500
CONDITIONS = {
    "a": "each period once, or a reason",
    "b": "sums equal to the cent",
    "c": "keys, objects and attempts",
    "d": "events and chains",
    "e": "nothing left under way",
    "f": "no HTTP 500",
    "g": "backlog empty",
}


def verdict_of(lines, complaints):
    """Return red where anything is wrong, void where something did not happen, else green."""
    if complaints:
        return RED
    return VOID if any(line.is_void for line in lines) else GREEN


def say(text=""):
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def table(lines):
    """Print a line for each fault."""
    say(f"{'':4} {'fault':31} {'planned':>8} {'happened':>9}  held")
    for line in lines:
        mark = "  VOID" if line.is_void else ""
        say(
            f"{line.fault:4} {line.what[:31]:31} {line.planned:8,.0f} {line.happened:9,.0f}"
            f"  {line.held[: 22 - len(mark)]}{mark}"
        )


def conditions(complaints):
    """Print a line for each condition of the judge, and the first complaints."""
    found = Counter(text.partition(":")[0] for text in complaints)
    for letter, words in CONDITIONS.items():
        say(f"({letter}) {words:31} {'held' if not found[letter] else f'{found[letter]:,} broken'}")
    for text in complaints[:SHOWN]:
        say(f"  {text}"[:400])
    if len(complaints) > SHOWN:
        say(f"  and {len(complaints) - SHOWN:,} more")


def keep(name, *, verdict, lines, complaints, figures):
    """Write the report; returns where."""
    folder = VAR / "chaos"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    told = {
        "verdict": VERDICTS[verdict],
        "figures": figures,
        "faults": [asdict(line) for line in lines],
        "complaints": complaints[:KEPT],
        "complaint_count": len(complaints),
    }
    file.write_text(json.dumps(told, indent=2, default=str))
    return file
