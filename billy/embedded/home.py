"""Where the embedded server keeps its things, and under which user it runs.

PostgreSQL refuses to run as root. Root therefore starts it under another user, who may be shut out
of the folders above the checkout (a root's home is closed); then the data and a copy of the
binaries go to `/var/lib/billy`, and a note under `var/` remembers where.

The data of tests are kept in memory where there is room: a file system on a disk is slow to make
and remove a thousand files for each test. What is left of a checkout that is gone is cleared away.
"""

import contextlib
import importlib.metadata
import os
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from billy.embedded.errors import EmbeddedUnavailable
from billy.embedded.wheel import PACKAGE, install_tree

NOBODY = 65534  # The user without rights on every Unix; need not be listed in /etc/passwd.
SHARED = Path("/var/lib/billy")  # Where root can keep what others must be able to enter.
MEMORY = Path("/dev/shm")  # noqa: S108  # Linux's own; folders in it are private to their owner.
MEMORY_NEEDED_BYTES = 2 << 30  # Tests use a tenth of it; a container's usual 64 MB are too few.
MEMORY_NAME = "billy-tests-"
WHOSE = "home"  # A file beside data in memory: the folder that they belong to.
SOCKET_ROOM = 80  # A socket's path is limited to 107 bytes; its own name needs twenty of them.


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folder of one embedded server: its locks and notes, and as a rule its data."""

    root: Path
    in_memory: bool = False  # Where there is room: for what nobody needs after a restart.

    @property
    def users(self) -> Path:
        """Everyone who uses the server holds this lock shared; the keeper ends when nobody does."""
        return self.root / "users.lock"

    @property
    def starting(self) -> Path:
        """Whoever starts a keeper holds this lock, so that two never start one each."""
        return self.root / "starting.lock"

    @property
    def keeping(self) -> Path:
        """The keeper holds this lock for its life."""
        return self.root / "keeper.lock"

    @property
    def serving(self) -> Path:
        """Every process of PostgreSQL inherits this lock: once it is free, all of them are gone."""
        return self.root / "server.lock"

    @property
    def log(self) -> Path:
        """What PostgreSQL and the keeper had to say."""
        return self.root / "postgres.log"

    @property
    def socket_note(self) -> Path:
        """Names the folder of the socket."""
        return self.root / "socket"

    @property
    def data_note(self) -> Path:
        """Names the folder of the data where it could not be kept here."""
        return self.root / "data.elsewhere"

    def data(self) -> Path:
        """Return the folder of the data, whether or not it is there yet."""
        elsewhere = _read(self.data_note)
        return Path(elsewhere) if elsewhere else self.root / "data"

    def socket(self) -> Path | None:
        """Return the folder of the socket, or None before the first start."""
        noted = _read(self.socket_note)
        return Path(noted) if noted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The user and group that PostgreSQL runs under."""

    uid: int
    gid: int


def prepare(home: Home) -> tuple[Owner, Path]:
    """Make the folders ready for a start; return the owner and the install tree to run.

    Called under the start lock. Raises `EmbeddedUnavailable` where there is no place for the data.
    """
    owner = _owner(home)
    data = _data_that(owner, home=home)
    data.parent.mkdir(parents=True, exist_ok=True)
    _note_socket(owner, home=home)
    return owner, _tree_that(owner)


def _owner(home: Home) -> Owner:
    if os.geteuid() != 0:
        return Owner(uid=os.geteuid(), gid=os.getegid())
    try:
        found = home.data().stat()
    except OSError:
        return Owner(uid=NOBODY, gid=NOBODY)
    if found.st_uid == 0:
        return Owner(uid=NOBODY, gid=NOBODY)
    # A user has started it here before root did: it stays that user's.
    return Owner(uid=found.st_uid, gid=found.st_gid)


def _data_that(owner: Owner, *, home: Home) -> Path:
    data = home.data()
    if not data.exists() and home.in_memory and _memory_has_room():
        return _data_in_memory(home)
    if data.exists() or may_enter(data.parent, owner):
        return data
    place = Path(tempfile.mkdtemp(prefix=f"{home.root.name}-", dir=_shared_folder()))
    place.chmod(0o755)
    home.data_note.write_text(f"{place / 'data'}\n", encoding="utf-8")
    sys.stderr.write(
        f"billy: user {owner.uid}, under whom root runs PostgreSQL, cannot enter {home.root}; "
        f"its data is in {place}\n"
    )
    return place / "data"


def _memory_has_room() -> bool:
    try:
        return shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED_BYTES and os.access(MEMORY, os.W_OK)
    except OSError:
        return False


def _data_in_memory(home: Home) -> Path:
    """Make a place for the data in memory, and clear away those of checkouts that are gone."""
    for whose in MEMORY.glob(f"{MEMORY_NAME}*/{WHOSE}"):
        with contextlib.suppress(OSError):
            belongs = Home(root=Path(whose.read_text(encoding="utf-8").strip()))
            if belongs.data() != whose.parent / "data":
                shutil.rmtree(whose.parent)
    place = Path(tempfile.mkdtemp(prefix=MEMORY_NAME, dir=MEMORY))
    place.chmod(0o755)
    (place / WHOSE).write_text(f"{home.root}\n", encoding="utf-8")
    home.data_note.write_text(f"{place / 'data'}\n", encoding="utf-8")
    return place / "data"


def _tree_that(owner: Owner) -> Path:
    tree = install_tree()
    if may_enter(tree / "bin", owner):
        return tree
    copy = _shared_folder() / f"{PACKAGE}-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        _copy_wheel(tree, copy)
    return copy / PACKAGE / tree.name


def _copy_wheel(tree: Path, copy: Path) -> None:
    """Copy the binaries and, beside them as in the wheel, the libraries that they load."""
    unfinished = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
    headers = shutil.ignore_patterns("include")  # Nothing is compiled here.
    shutil.copytree(tree, unfinished / PACKAGE / tree.name, symlinks=True, ignore=headers)
    libraries = tree.parent.with_name(f"{PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for folder in (unfinished, unfinished / PACKAGE):
        folder.chmod(0o755)
    try:
        unfinished.rename(copy)
    except OSError:
        shutil.rmtree(unfinished)  # Another checkout was first.


def _shared_folder() -> Path:
    try:
        SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedUnavailable(
            f"PostgreSQL does not run as root and {SHARED} cannot be made ({error.strerror}): "
            "set DATABASE_URL, or use a folder that other users can enter"
        ) from error
    return SHARED


def _note_socket(owner: Owner, *, home: Home) -> None:
    """Keep the folder of last time if it is still ours: old clients then find the new server."""
    noted = home.socket()
    if noted is None or not _is_ours(noted, owner):
        noted = Path(tempfile.mkdtemp(prefix="billy-", dir=_short_temporary_folder(owner)))
        os.chown(noted, owner.uid, owner.gid)
        home.socket_note.write_text(f"{noted}\n", encoding="utf-8")


def _is_ours(folder: Path, owner: Owner) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner.uid and found.st_mode & 0o077 == 0


def _short_temporary_folder(owner: Owner) -> Path:
    folder = Path(tempfile.gettempdir())
    if len(str(folder)) < SOCKET_ROOM and may_enter(folder, owner):
        return folder
    return Path("/tmp")  # noqa: S108  # The folder made in it is private and its name is random.


def may_enter(folder: Path, owner: Owner) -> bool:
    """Whether the owner may walk down to a folder, judged by the bits of the folders that exist."""
    if owner.uid == os.geteuid():
        return True
    return all(_lets_in(each, owner) for each in (folder, *folder.parents) if each.exists())


def _lets_in(folder: Path, owner: Owner) -> bool:
    found = folder.stat()
    if found.st_uid == owner.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == owner.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _read(note: Path) -> str:
    try:
        return note.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
