"""What Billy is built of is named with its hash, and nothing else is installed."""

import base64
import hashlib
import re
import subprocess
import sys
import zipfile

import pytest

from billy.places import CHECKOUT
from tests.pages import page

MOST_DIRECT = 30
PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^ ;\\]+)")


def entries(name):
    """Return the requirements of a lock, each with its hashes on one line."""
    text = re.sub(r"^\s*#.*$", "", page(name), flags=re.MULTILINE).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


def direct(name):
    lines = [line.partition("#")[0].strip() for line in page(name).splitlines()]
    return [line for line in lines if line and not line.startswith("-r")]


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-dev.txt", "requirements-audit.txt"]
)
def test_every_package_is_pinned_with_its_hashes(name):
    found = entries(name)

    loose = [line for line in found if not PINNED.match(line) or "--hash=sha256:" not in line]

    assert len(found) > 20
    assert loose == []


def test_there_are_few_direct_dependencies_and_all_of_them_are_in_the_lock():
    wanted = {re.split(r"[<>=\[; ]", line)[0].lower() for line in direct("requirements.in")}

    locked = {PINNED.match(line)["name"].lower() for line in entries("requirements.txt")}

    assert len(wanted) <= MOST_DIRECT
    assert wanted <= locked


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile", ".ci/run", "billy/bootstrap.py"])
def test_whatever_installs_the_packages_asks_for_their_hashes(name):
    text = page(name)

    installs = re.findall(
        r"pip.{0,12}install.{0,200}?requirements|\"install\".{0,300}", text, re.DOTALL
    )

    assert installs
    assert all("--require-hashes" in each for each in installs)


def wheel(folder):
    """Write a wheel that holds nothing, and return its hash."""
    info = "goat-1.0.dist-info"
    files = {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: goat\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{name},sha256={digest(text.encode())},{len(text)}" for name, text in files.items()]
    path = folder / "goat-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
        made.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@pytest.mark.parametrize("is_altered", [False, True])
def test_one_altered_hash_stops_the_installation(tmp_path, is_altered):
    hashed = wheel(tmp_path)
    if is_altered:
        hashed = hashed[:-1] + ("0" if hashed[-1] != "0" else "1")
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"goat==1.0 --hash=sha256:{hashed}\n")

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--require-hashes", "--no-index"),
            *("--no-deps", "--find-links", str(tmp_path), "--target", str(tmp_path / "into")),
            *("-r", str(lock)),
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode == 0) == (not is_altered), done.stderr
    assert ("DO NOT MATCH THE HASHES" in done.stderr) == is_altered
