"""`manage.py` on a machine that has Python and nothing else.

A checkout of two files, and a Django of four lines in a wheel of its own: pip installs it offline.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from billy.bootstrap import CHECKOUT

# Without the packages of the machine: one of them might be Django.
BARE = (getattr(sys, "_base_executable", sys.executable), "-S", "-E")
STAND_IN = "def execute_from_command_line(argv):\n    print('django ran', *argv[1:])\n"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout whose `.venv` was built by its first command."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "billy").mkdir()
    for name in ("manage.py", "billy/__init__.py", "billy/bootstrap.py"):
        shutil.copy(CHECKOUT / name, folder / name)
    write_lock(folder)
    run(folder, "--version")
    return folder


def write_lock(folder, remark="first"):
    wheel = folder / "django-1-py3-none-any.whl"
    if not wheel.exists():
        write_wheel(wheel)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    line = f"# {remark}\ndjango @ {wheel.as_uri()} --hash=sha256:{digest}\n"
    (folder / "requirements.txt").write_text(line)


def write_wheel(path):
    about = "django-1.dist-info"
    files = {
        "django/__init__.py": "",
        "django/core/__init__.py": "",
        "django/core/management.py": STAND_IN,
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: django\nVersion: 1\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
        wheel.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in files))


def run(folder, *arguments, python=BARE, **environ):
    return subprocess.run(
        [*python, str(folder / "manage.py"), *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_built_environment_is_entered_without_a_word_and_with_the_same_arguments(checkout):
    done = run(checkout, "migrate", "--plan", "a b")

    assert (0, "django ran migrate --plan a b\n", "") == (done.returncode, done.stdout, done.stderr)


def test_a_changed_lock_is_installed_with_one_line(checkout):
    write_lock(checkout, remark="second")

    first, second = run(checkout, "check"), run(checkout, "check")

    assert first.stdout == "django ran check\n"
    assert len(first.stderr.splitlines()) == 1
    assert second.stderr == ""


def test_an_interrupted_build_is_built_again_and_two_at_once_build_one(checkout):
    (checkout / ".venv" / "billy-building").touch()
    shutil.rmtree(next((checkout / ".venv").glob("lib/python*/site-packages/django")))

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: run(checkout, "check"), range(2)))

    assert [each.stdout for each in done] == ["django ran check\n"] * 2
    assert sum(len(each.stderr.splitlines()) for each in done) == 1


def test_an_environment_without_its_python_is_built_again(checkout):
    for python in (checkout / ".venv" / "bin").glob("python*"):
        python.unlink()

    done = run(checkout, "check")

    assert done.stdout == "django ran check\n"


def test_a_wrong_hash_ends_with_one_line_of_ours_and_is_not_taken_for_built(checkout):
    lock = checkout / "requirements.txt"
    lock.write_text(lock.read_text().replace("--hash=sha256:", "--hash=sha256:0000")[:-5] + "\n")

    done = run(checkout, "check")
    write_lock(checkout, remark="mended")
    mended = run(checkout, "check")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("billy: pip could not install")
    assert mended.stdout == "django ran check\n"


def test_images_build_nothing(tmp_path, checkout):
    shutil.copytree(checkout, tmp_path / "image", ignore=shutil.ignore_patterns(".venv*"))

    done = run(tmp_path / "image", "check", BILLY_NO_BOOTSTRAP="1")

    assert "No module named 'django'" in done.stderr
    assert not (tmp_path / "image" / ".venv").exists()


def test_a_django_that_is_already_there_is_used(tmp_path, checkout):
    shutil.copytree(checkout, tmp_path / "own", ignore=shutil.ignore_patterns(".venv*"))
    packages = next((checkout / ".venv").glob("lib/python*/site-packages"))

    done = run(tmp_path / "own", "check", python=BARE[:2], PYTHONPATH=str(packages))

    assert done.stdout == "django ran check\n"
    assert not (tmp_path / "own" / ".venv").exists()


def test_a_plain_script_finds_the_packages_of_the_environment(checkout):
    script = "from billy.bootstrap import add_site_packages as add; add(); import django; print(1)"

    done = subprocess.run(
        [*BARE, "-c", script], cwd=checkout, capture_output=True, text=True, check=False
    )

    assert done.stdout == "1\n"


def test_a_plain_script_without_an_environment_is_told_what_to_run(tmp_path, checkout):
    shutil.copytree(checkout, tmp_path / "new", ignore=shutil.ignore_patterns(".venv*"))
    script = "from billy.bootstrap import add_site_packages; add_site_packages()"

    done = subprocess.run(
        [*BARE, "-c", script], cwd=tmp_path / "new", capture_output=True, text=True, check=False
    )

    assert "ImportError: Billy's packages are not installed for Python 3." in done.stderr


def test_manage_can_be_read_by_the_oldest_python_up_to_its_refusal():
    source = Path(CHECKOUT / "manage.py").read_text()
    before, _, after = source.partition("if sys.version_info < (3, 11)")

    assert "import billy" not in before
    assert "sys.exit(" in after.splitlines()[1]
    assert not any(mark in source for mark in ('f"', "->", ":=", os.linesep + "match "))
