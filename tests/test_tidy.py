"""The limits and habits of the source, checked over every file that git knows or could add.

Each rule is a function from a path and its text to complaints, so that each is shown to complain.
"""

import ast
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from billy.places import CHECKOUT

FUNCTION_LINES = 50
FILE_LINES = 400
LINE_LENGTH = 100
ARGUMENTS = 6
COMPLEXITY = 8

FORBIDDEN_NAMES = frozenset({"services.py", "utils.py", "managers.py", "helpers.py"})
# Doors: where the outside comes in, and with it the time.
DOORS = frozenset({"api.py", "admin.py", "jobs.py"})
CLOCKS = frozenset(
    {
        "timezone.now",
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
    }
)
# What McCabe counts: statements that branch. Ruff's C901 agrees, so its message comes first.
BRANCHES = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.match_case,
)
# Spelled in parts, so that this file does not trip over itself.
FORBIDDEN_TEXT = {
    "a path of one machine": re.compile(
        "|".join(["/wo" + "rk/", "/ho" + "me/[a-z]", "/ro" + "ot/"])
    ),
    "the registry's host": re.compile("py" + r"pi\.org|python" + "hosted", re.IGNORECASE),
    "an excuse without a name": re.compile(
        "# no" + r"qa\s*(?:$|[^:\s])|# type: " + r"ignore\s*(?:$|[^\[\s])", re.MULTILINE
    ),
    "an unfinished thought": re.compile("TO" + "DO|FIX" + "ME|raise NotImplemented" + "Error"),
    "a patch": re.compile("mock" + r"\.patch|unittest" + r"\.mock|from unittest import " + "mock"),
    "a signal between rooms": re.compile(
        r"^\s*from django\.db\.models(\.signals import| import .*\bsignals\b)", re.MULTILINE
    ),
}


EXCUSE = re.compile(r"\s+# (noqa|type: ignore).*$")


def source_files():
    """Return the Python files that git tracks or would add, but for migrations."""
    git = shutil.which("git")
    assert git, "git is needed to know which files are ours"
    listed = subprocess.run(
        [git, "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [PurePosixPath(line) for line in listed.stdout.splitlines()]
    return [path for path in paths if "migrations" not in path.parts and (CHECKOUT / path).exists()]


def complaints(path, text):
    """Return everything that is wrong with one file."""
    tree = ast.parse(text)
    return [
        *wrong_name(path),
        *too_long(path, text),
        *functions_too_big(path, tree),
        *forbidden_text(path, text),
        *([] if may_read_the_clock(path) else clock_reads(path, tree)),
    ]


def wrong_name(path):
    return [f"{path}: name it after what it does"] if path.name in FORBIDDEN_NAMES else []


def too_long(path, text):
    lines = text.splitlines()
    if len(lines) > FILE_LINES:
        yield f"{path}: {len(lines)} lines"
    for number, line in enumerate(lines, start=1):
        # An excuse and its reason may hang over the edge, as ruff lets them.
        length = len(EXCUSE.sub("", line))
        if length > LINE_LENGTH:
            yield f"{path}:{number}: {length} characters"


def functions_too_big(path, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            where = f"{path}:{node.lineno} {node.name}"
            yield from (
                f"{where}: {what}" for what in excesses(node, is_test="tests" in path.parts)
            )


def excesses(node, *, is_test):
    lines = node.end_lineno - node.lineno + 1
    if lines > FUNCTION_LINES:
        yield f"{lines} lines"
    if (found := count_arguments(node)) > ARGUMENTS and not is_test:
        yield f"{found} arguments"
    if (found := complexity(node)) > COMPLEXITY:
        yield f"complexity {found}"


def count_arguments(node):
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([each for each in every if each.arg not in {"self", "cls"}])


def complexity(node):
    """Count the ways through a function: one, and one per branch; inner functions count apart."""
    return 1 + sum(ways(child) for child in ast.iter_child_nodes(node))


def ways(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return 0
    return isinstance(node, BRANCHES) + sum(ways(child) for child in ast.iter_child_nodes(node))


def may_read_the_clock(path):
    first = path.parts[0]
    return (
        path.name in DOORS
        or "commands" in path.parts
        or "tests" in path.parts
        or first in {"billy", "sandbox", "manage.py"}
    )


def clock_reads(path, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CLOCKS:
            yield f"{path}:{node.lineno}: reads the clock; let a door pass `now`"


def forbidden_text(path, text):
    for what, pattern in FORBIDDEN_TEXT.items():
        for found in pattern.finditer(text):
            yield f"{path}:{text.count(chr(10), 0, found.start()) + 1}: {what}"


def test_every_file_keeps_the_limits_and_habits():
    found = [
        complaint
        for path in source_files()
        for complaint in complaints(path, (CHECKOUT / path).read_text(encoding="utf-8"))
    ]

    assert not found, "\n".join(found)


def test_the_files_of_all_rooms_are_looked_at():
    seen = {path.parts[0] for path in source_files()}

    assert {"billy", "schedulers", "audit", "core", "tests", "sandbox", "manage.py"} <= seen


def many_branches(count):
    return "def f(a):\n" + "".join(f"    if a == {n}:\n        a += 1\n" for n in range(count))


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("plans/utils.py", "", "name it after"),
        ("plans/offer.py", "a = 1\n" * 401, "401 lines"),
        ("plans/offer.py", "a = '" + "x" * 95 + "'\n", "101 characters"),
        ("plans/offer.py", "def f():\n" + "    a = 1\n" * 50, "51 lines"),
        ("plans/offer.py", "def f(a, b, c, *, d, e, g, h): pass\n", "7 arguments"),
        ("plans/offer.py", many_branches(8), "complexity 9"),
        ("plans/offer.py", "def f(a):\n    now = timezone.now()\n", "reads the clock"),
        ("core/periods.py", "x = datetime.now(UTC)\n", "reads the clock"),
        ("core/periods.py", "import time\nx = time.time()\n", "reads the clock"),
        ("plans/offer.py", "p = '/wo" + "rk/main'\n", "a path of one machine"),
        ("plans/offer.py", "p = 'https://py" + "pi.org/simple'\n", "the registry's host"),
        ("plans/offer.py", "import os  # no" + "qa\n", "an excuse without a name"),
        ("plans/offer.py", "a = b  # type: " + "ignore\n", "an excuse without a name"),
        ("plans/offer.py", "# TO" + "DO later\n", "an unfinished thought"),
        ("plans/tests/test_x.py", "from unittest import " + "mock\n", "a patch"),
        ("plans/offer.py", "from django.db.models import " + "signals\n", "a signal"),
        ("plans/offer.py", "from django.db.models." + "signals import post_save\n", "a signal"),
    ],
)
def test_what_breaks_a_rule_is_found(path, text, complaint):
    found = complaints(PurePosixPath(path), text)

    assert [each for each in found if complaint in each]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("plans/offer.py", many_branches(7)),
        ("plans/offer.py", "def f(self, a, b, c, *, d, e, g): pass\n"),
        ("plans/offer.py", "a = 1\n" * 400),
        ("plans/api.py", "now = timezone.now()\n"),
        ("billy/management/commands/tick.py", "now = timezone.now()\n"),
        ("plans/offer.py", "a = b  # type: " + "ignore[assignment]  # Because.\n"),
        ("plans/offer.py", "import os  # no" + "qa: F401  # Because.\n"),
        ("plans/offer.py", "import os  # no" + "qa: F401  # " + "Because. " * 20 + "\n"),
    ],
)
def test_what_keeps_the_rules_is_let_be(path, text):
    assert complaints(PurePosixPath(path), text) == []


def test_every_ignored_lint_rule_has_its_reason():
    text = Path(CHECKOUT / "pyproject.toml").read_text()
    block = text.partition("[tool.ruff.lint]")[2].partition("[tool.ruff.lint.flake8")[0]
    rules = [line for line in block.splitlines() if re.match(r'\s+"[A-Z]+[0-9]*",', line)]

    assert rules
    assert [line for line in rules if "# " not in line] == []
