"""Read the documentation: its pages, their blocks of code and their tables."""

import re
from pathlib import Path

from billy.places import CHECKOUT

PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    """Return a page's name as it is written in the checkout."""
    return str(path.relative_to(CHECKOUT))


def page(name: str) -> str:
    """Return the text of a file of the checkout."""
    return (CHECKOUT / name).read_text(encoding="utf-8")


def blocks(name: str, kind: str) -> list[str]:
    """Return the blocks of code of one kind, such as python or sql, in their order."""
    return [found["text"] for found in BLOCK.finditer(page(name)) if found["kind"] == kind]


def rows(name: str, marker: str) -> list[list[str]]:
    """Return the cells of the table that follows a line of the page, without the table's head."""
    lines = page(name).partition(f"\n{marker}\n")[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    end = next(
        (number for number, line in enumerate(lines[start:], start) if not line.startswith("|")),
        len(lines),
    )
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
        for line in lines[start + 2 : end]
    ]
