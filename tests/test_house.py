"""The order of the rooms: imports and foreign keys point downstream, and labels are ours."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest
from django.apps import apps

from billy.places import CHECKOUT

ROOMS = (
    "billy",
    "webhooks",
    "schedulers",
    "invoices",
    "plans",
    "accounts",
    "audit",
    "tasks",
    "processors",
    "core",
)
# Rooms may be written to by the front door alone; whoever imports it loads the whole house.
FRONT_DOOR = re.compile(r"^\s*(from billy[. ]|import billy\b)", re.MULTILINE)


def own_models():
    return [model for model in apps.get_models() if model.__module__.split(".")[0] in ROOMS]


def keys_that_point_up(models):
    """Name each foreign key whose target lies in a room above its own."""
    return [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in models
        for field in model._meta.get_fields()
        if field.concrete and field.is_relation and is_above(room(field.related_model), room(model))
    ]


def is_above(one, other):
    """Whether a room lies above another; Django's own apps lie below all of ours."""
    return one in ROOMS and ROOMS.index(one) < ROOMS.index(other)


def room(model):
    return model.__module__.split(".")[0]


def keys_named_by_strings(source):
    """Name the targets of foreign keys that are written as text, but for "self"."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and called(node) in {"ForeignKey", "OneToOneField"}:
            targets = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "to")]
            found += [each.value for each in targets if isinstance(each, ast.Constant)]
    return [name for name in found if name != "self"]


def called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def imports_of_the_front_door(source):
    return [line.strip() for line in FRONT_DOOR.findall(source)]


def modules_of(name):
    """Return the files of a room, without its tests and migrations."""
    return [
        path
        for path in (CHECKOUT / name).rglob("*.py")
        if not {"tests", "migrations"} & set(path.relative_to(CHECKOUT).parts)
    ]


def lint_imports(*arguments, folder=CHECKOUT):
    linter = "from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", linter, "--no-cache", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_import_keeps_the_contracts():
    done = lint_imports()

    assert done.returncode == 0, done.stdout


def test_the_contracts_know_the_order_of_the_rooms_and_no_exception():
    linter = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(each for each in linter["contracts"] if each["type"] == "layers")

    assert list(ROOMS) == layers["layers"]
    assert not any("ignore_imports" in each for each in linter["contracts"])


def test_an_import_that_points_up_is_found(tmp_path):
    for name in ROOMS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "__init__.py").write_text("")
    (tmp_path / "processors" / "balanced.py").write_text("")
    (tmp_path / "pyproject.toml").write_text((CHECKOUT / "pyproject.toml").read_text())
    (tmp_path / "audit" / "__init__.py").write_text("import schedulers\n")
    (tmp_path / "core" / "__init__.py").write_text("import django\n")
    (tmp_path / "tasks" / "__init__.py").write_text("import processors.balanced\n")
    (tmp_path / "sandbox" / "__init__.py").write_text("import core\n")

    done = lint_imports(folder=tmp_path)

    assert done.returncode != 0
    assert done.stdout.count("BROKEN") == 4, done.stdout


def test_every_foreign_key_points_downstream():
    assert keys_that_point_up(own_models()) == []


def test_a_foreign_key_that_points_up_is_found():
    assert is_above("schedulers", "audit")
    assert not is_above("audit", "schedulers")
    assert not is_above("django", "core")
    assert not is_above("plans", "plans")


def test_there_are_models_to_look_at():
    assert {"audit", "accounts", "plans", "invoices", "schedulers", "webhooks"} <= {
        room(model) for model in own_models()
    }


@pytest.mark.parametrize("name", ROOMS)
def test_foreign_keys_name_imported_classes(name):
    found = {
        str(path): keys
        for path in modules_of(name)
        if (keys := keys_named_by_strings(path.read_text()))
    }

    assert found == {}


def test_a_foreign_key_named_by_a_string_is_found():
    source = (
        "a = models.ForeignKey('plans.Plan', on_delete=models.PROTECT)\n"
        "b = OneToOneField(to='accounts.Company')\n"
        "c = models.ForeignKey('self')\n"
        "d = models.ForeignKey(Plan)\n"
    )

    assert keys_named_by_strings(source) == ["plans.Plan", "accounts.Company"]


@pytest.mark.parametrize("name", ROOMS[1:])
def test_rooms_never_use_the_front_door_nor_its_settings(name):
    found = {
        str(path): lines
        for path in modules_of(name)
        if (lines := imports_of_the_front_door(path.read_text()))
    }

    assert found == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import billy\n", 1),
        ("from billy.settings import DEBUG\n", 1),
        ("def f():\n    from billy import Plan\n", 1),
        ("import billing\nfrom billying import x\n", 0),
    ],
)
def test_an_import_of_the_front_door_is_found(source, found):
    assert len(imports_of_the_front_door(source)) == found


def test_every_label_of_ours_begins_with_billy():
    labels = [config.label for config in apps.get_app_configs() if config.name in ROOMS]

    assert labels
    assert [label for label in labels if not label.startswith("billy_")] == []


def test_the_front_door_opens_without_loading_django_or_celery():
    script = (
        "import sys, billy; billy.Frequency.MONTHLY; "
        "print([name for name in ('django', 'celery', 'psycopg2') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
