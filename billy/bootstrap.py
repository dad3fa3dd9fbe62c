"""Build `.venv` from the hashed lock on a machine that has only Python, and go on inside it.

Standard library only. An environment of somebody's own (an image, a virtualenv made by hand, the
system's packages) is used as it is; only the one that was built here is kept up to date.

1. Django can be imported, and not from a `.venv` of ours: use what is there.
2. `.venv` is ours and complete, and the lock has not changed: go on inside it, without a word.
3. Otherwise, one process at a time: make it, install, write the stamp last, go on inside it.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENT = CHECKOUT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
LOCK_FILE = CHECKOUT / "requirements.txt"
STAMP = ENVIRONMENT / "billy-lock"  # The digest of the lock that was installed; written last.
BUILDING = ENVIRONMENT / "billy-building"  # There while a build is under way, or was cut off.
ONE_AT_A_TIME = CHECKOUT / ".venv.lock"


def enter(argv: Sequence[str]) -> None:
    """Return where everything needed is there, or go on with the same command line in `.venv`.

    Ends the process with one clear line where that cannot be built.
    """
    if os.environ.get("BILLY_NO_BOOTSTRAP"):
        return
    inside = Path(sys.prefix).resolve() == ENVIRONMENT.resolve()
    if _has_django() and not (inside and STAMP.exists() and _is_stale()):
        return
    if _is_stale():
        _build_alone()
    elif inside:
        sys.exit(f"billy: {ENVIRONMENT} holds no Django: remove that folder and run this again")
    _go_on_inside(argv)


def add_site_packages() -> None:
    """Make `.venv`'s packages importable in a plain script under the bare interpreter.

    Does nothing where Django can be imported already. Raises `ImportError`, whose text says what to
    run, where `.venv` is missing, unfinished or of another Python.
    """
    if _has_django():
        return
    packages = ENVIRONMENT / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if not (packages / "site-packages" / "django").is_dir() or BUILDING.exists():
        raise ImportError(
            f"Billy's packages are not installed for Python {sys.version_info[0]}."
            f"{sys.version_info[1]}: run `python3 {CHECKOUT / 'manage.py'} check` once with it, "
            f"or use {PYTHON}"
        )
    site.addsitedir(str(packages / "site-packages"))
    importlib.invalidate_caches()


def run_tests(arguments: Sequence[str]) -> NoReturn:
    """Become pytest. It runs on all cores unless the arguments choose otherwise."""
    # Some tests take a minute: whoever has nothing left to do takes some of another's.
    spread = ["-n", str(_cores()), "--dist", "worksteal"]
    if _chooses_processes(arguments):
        spread = []
    os.chdir(CHECKOUT)
    command = [sys.executable, "-m", "pytest", *spread, *arguments]
    os.execv(sys.executable, command)  # noqa: S606  # Our own interpreter, no shell wanted.


def _chooses_processes(arguments: Sequence[str]) -> bool:
    own = ("-n", "--numprocesses", "--pdb", "--trace", "--collect-only", "--co", "-s", "--fixtures")
    return _cores() == 1 or any(each.startswith(own) for each in arguments)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _has_django() -> bool:
    return importlib.util.find_spec("django") is not None


def _is_stale() -> bool:
    if BUILDING.exists() or not PYTHON.exists():
        return True
    try:
        return STAMP.read_text(encoding="utf-8") != _digest()
    except FileNotFoundError:
        return True


def _digest() -> str:
    return hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()


def _build_alone() -> None:
    with _only_one():
        if _is_stale():  # Another process may have finished while we waited.
            _build()


def _build() -> None:
    _say(f"billy: installing what requirements.txt names into {ENVIRONMENT} (once, about a minute)")
    clear = BUILDING.exists() or not PYTHON.exists()
    try:
        if clear:
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
            ENVIRONMENT.mkdir()
        BUILDING.touch()
        pip = _make_environment() if clear else [str(PYTHON), "-m", "pip"]
    except OSError as error:
        sys.exit(f"billy: {ENVIRONMENT} cannot be made: {error}")
    command = [*pip, "install", "-qq", "--require-hashes", "--requirement", str(LOCK_FILE)]
    if subprocess.run([*command, *_quietly()], check=False).returncode != 0:
        sys.exit("billy: pip could not install the packages (its own words are above)")
    STAMP.write_text(_digest(), encoding="utf-8")
    BUILDING.unlink()


def _make_environment() -> list[str]:
    """Make the virtualenv and return the command that is its pip."""
    with_pip = importlib.util.find_spec("ensurepip") is not None
    if not with_pip and importlib.util.find_spec("pip") is None:
        sys.exit(
            "billy: this Python has neither ensurepip nor pip (on Debian and Ubuntu: apt install "
            "python3-venv); or make .venv with `uv venv --seed` and run this again inside it"
        )
    builder = venv.EnvBuilder(symlinks=True, with_pip=with_pip, clear=False)
    try:
        builder.create(ENVIRONMENT)
    except subprocess.CalledProcessError as error:
        sys.exit(f"billy: the virtualenv could not be made: {error}")
    # Some systems ship pip but not ensurepip; such a pip can install into another environment.
    if with_pip:
        return [str(PYTHON), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def _quietly() -> tuple[str, ...]:
    return ("--disable-pip-version-check", "--no-input", "--no-warn-script-location")


def _go_on_inside(argv: Sequence[str]) -> NoReturn:
    sys.stdout.flush()
    os.execv(PYTHON, [str(PYTHON), *argv])  # noqa: S606  # Our own interpreter, no shell wanted.


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    try:
        descriptor = os.open(ONE_AT_A_TIME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        sys.exit(f"billy: Django is missing and {CHECKOUT} cannot be written: {error.strerror}")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
