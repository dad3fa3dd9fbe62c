"""The keeper: runs one PostgreSQL for as long as somebody uses it.

Started as a plain script (`python -I -S keeper.py SPECIFICATION`) by whoever needs the server
first, it detaches itself: the terminal, test or web server that started it may end in any way.

1. Take the keeper's lock, then the server's. If the latter is still held, a PostgreSQL survived its
   keeper: ask it to end, and wait.
2. Make the data folder if there is none.
3. Start PostgreSQL. Its processes inherit the server's lock, and the kernel interrupts them should
   this process be killed.
4. Tell the process that started us that it is ready, and let it go on.
5. Each half second, try to take the users' lock for ourselves. Users hold it shared for their life,
   and the kernel lets go of it however they die. Free for two seconds: end PostgreSQL while holding
   it (newcomers wait), then end.

If PostgreSQL dies on its own it is started again, unless it does so over and over.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

LOOK_SECONDS = 0.5
IDLE_LOOKS = 4  # Two seconds: one command after another should meet a warm server.
START_SECONDS = 60.0  # Recovery after a crash can take a while; a broken start reports at once.
STOP_SECONDS = 30.0
RESTARTS = 5  # A server that dies more often than this has a reason that a restart will not cure.
LOG_BYTES = 4 * 1024 * 1024  # Begun anew beyond this: nobody looks after a log under `var/`.
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """The server could not be started; the text says why in one line."""


def main() -> None:
    """Fork; report the child's success or failure as our exit status, and its words on stderr."""
    specification = json.loads(sys.argv[1])
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        detach(specification)
        keep(specification, report=lambda text: _report(writing, text))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        answer = pipe.read()
    if answer != "ready":
        sys.exit(answer or f"the keeper ended early; see {specification['log']}")


def detach(specification: dict[str, Any]) -> None:
    """Leave the session, the folder and the pipes of whoever started us."""
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    log = os.open(specification["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if os.fstat(log).st_size > LOG_BYTES:
        os.ftruncate(log, 0)
    for standard, target in enumerate((nowhere, log, log)):
        os.dup2(target, standard)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)


def keep(specification: dict[str, Any], *, report: Callable[[str], None]) -> None:
    """Run PostgreSQL until nobody uses it. The whole life of the keeper."""
    # Neither is ever closed: the locks must go when the process does, and not before.
    keeping = lock(specification["keeping"])
    os.ftruncate(keeping, 0)
    os.write(keeping, f"{os.getpid()}\n".encode())
    serving = lock(specification["serving"], else_do=lambda: interrupt_survivor(specification))
    try:
        make_data(specification)
        postgres = start(specification, serving=serving)
    except Failed as failure:
        _remove_socket_folder(specification)
        report(str(failure))
        return
    report("ready")
    watch(postgres, specification=specification, serving=serving)
    _remove_socket_folder(specification)


def watch(
    postgres: "subprocess.Popen[bytes]", *, specification: dict[str, Any], serving: int
) -> None:
    """Return, with the server ended, once nobody has used it for a while.

    The users' lock is then ours: newcomers wait until this process is gone.
    """
    users = os.open(specification["users"], os.O_RDWR | os.O_CREAT, 0o600)
    idle, deaths = 0, 0
    try:
        while idle < IDLE_LOOKS and _can_be_reached(specification):
            time.sleep(LOOK_SECONDS)
            idle = idle + 1 if _is_free(users, keep=idle == IDLE_LOOKS - 1) else 0
            if postgres.poll() is not None and idle < IDLE_LOOKS:
                deaths += 1
                if deaths > RESTARTS:
                    return
                postgres = start(specification, serving=serving)
    except _Ended:
        pass  # Asked to end: the server ends the same way.
    finally:
        stop(postgres)


class _Ended(BaseException):
    """Somebody asked the keeper itself to end."""


def _end(*_: object) -> NoReturn:
    raise _Ended


def _can_be_reached(specification: dict[str, Any]) -> bool:
    """Whether the folders are still there; a cleaner of temporary files may take the socket's."""
    return all(Path(specification[name]).exists() for name in ("data", "socket"))


def _remove_socket_folder(specification: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        Path(specification["socket"]).rmdir()


def make_data(specification: dict[str, Any]) -> None:
    """Run `initdb` where there is no data yet. An interrupted one leaves nothing that counts."""
    data = Path(specification["data"])
    if data.exists():
        _check_series(data, specification)
        return
    unfinished = data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    os.chown(unfinished, specification["uid"], specification["gid"])
    initdb = f"{specification['tree']}/bin/initdb"
    made = _run([initdb, "--pgdata", str(unfinished), *specification["initdb"]], specification)
    if made.returncode != 0:
        raise Failed(f"initdb failed ({_last_line(made.stderr)}); see {specification['log']}")
    unfinished.rename(data)


def start(specification: dict[str, Any], *, serving: int) -> "subprocess.Popen[bytes]":
    """Start PostgreSQL and wait until it accepts connections. Raises `Failed`."""
    pid_file = Path(specification["data"]) / "postmaster.pid"
    # We hold the lock that every process of the server inherits, so these are stale, even if
    # their process id lives: it may be a zombie, or have been given to another process.
    for stale in (pid_file, *Path(specification["socket"]).glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)
    settings = [word for each in specification["settings"] for word in ("-c", each)]
    with _dying_with_us() as before:
        try:
            postgres = subprocess.Popen(
                [f"{specification['tree']}/bin/postgres", "-D", specification["data"], *settings],
                pass_fds=(serving,),
                preexec_fn=before,  # noqa: PLW1509  # Only one thread runs here.
                env=_environment(),
                **_user(specification),
            )
        except OSError as error:
            user = specification["uid"]
            raise Failed(f"PostgreSQL cannot run as user {user}: {error}") from error
    _wait_until_ready(postgres, pid_file=pid_file, log=specification["log"])
    return postgres


def _wait_until_ready(postgres: "subprocess.Popen[bytes]", *, pid_file: Path, log: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        # The eighth line of the file is the state, as pg_ctl reads it.
        with contextlib.suppress(OSError, IndexError):
            if pid_file.read_text(encoding="utf-8").splitlines()[7].strip() == "ready":
                return
        if postgres.poll() is not None:
            raise Failed(f"PostgreSQL ended at its start; see {log}")
        time.sleep(0.01)
    stop(postgres)
    raise Failed(f"PostgreSQL was not ready after {START_SECONDS:.0f} seconds; see {log}")


def stop(postgres: "subprocess.Popen[bytes]") -> None:
    """End PostgreSQL in its fast mode: sessions are cut, data is written."""
    for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if postgres.poll() is not None:
            return
        postgres.send_signal(request)
        with contextlib.suppress(subprocess.TimeoutExpired):
            postgres.wait(STOP_SECONDS)


def interrupt_survivor(specification: dict[str, Any]) -> None:
    """Ask a server that outlived its keeper to end. Its lock is held, so its pid is a live one."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid_file = Path(specification["data"]) / "postmaster.pid"
        os.kill(int(pid_file.read_text(encoding="utf-8").splitlines()[0]), signal.SIGINT)


def lock(path: str, *, else_do: Callable[[], None] = lambda: None) -> int:
    """Take a lock for the life of this process; if somebody holds it, do something and wait."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if not _is_free(descriptor, keep=True):
        else_do()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _is_free(descriptor: int, *, keep: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if not keep:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


@contextlib.contextmanager
def _dying_with_us() -> Iterator[Callable[[], None] | None]:
    """Give the function that a child calls before it becomes PostgreSQL; None but on Linux.

    The kernel forgets the wish when the user changes; subprocess calls this after that.
    """
    if sys.platform != "linux":
        yield None
        return
    set_option = ctypes.CDLL(None).prctl
    keeper = os.getpid()

    def before() -> None:
        set_option(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != keeper:
            os._exit(1)  # The keeper died between the fork and the wish.

    yield before


def _check_series(data: Path, specification: dict[str, Any]) -> None:
    found = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
    answer = _run([f"{specification['tree']}/bin/postgres", "--version"], specification)
    wanted = answer.stdout.decode().split()[-1].partition(".")[0]
    if found != wanted:
        raise Failed(
            f"{data} was written by PostgreSQL {found} and the wheel holds {wanted}: "
            "dump it with the old one, or remove the folder"
        )


def _run(command: list[str], specification: dict[str, Any]) -> "subprocess.CompletedProcess[bytes]":
    try:
        done = subprocess.run(
            command, env=_environment(), capture_output=True, check=False, **_user(specification)
        )
    except OSError as error:
        raise Failed(f"{command[0]} cannot run as user {specification['uid']}: {error}") from error
    sys.stderr.buffer.write(done.stderr)
    return done


def _user(specification: dict[str, Any]) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": specification["uid"], "group": specification["gid"], "extra_groups": []}


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"


def _report(pipe: int, text: str) -> None:
    # The one who started us may be gone already; the server is wanted all the same, or soon ends.
    with contextlib.suppress(OSError):
        os.write(pipe, text.encode())
    os.close(pipe)


if __name__ == "__main__":
    main()
