"""Everything that runs: PostgreSQL, Redis, the sandbox, workers, beats and the web, all our own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis

from billy.places import CHECKOUT
from tests.chaos.children import Child, free_port, listens
from tests.chaos.cluster import Cluster
from tests.chaos.plan import SETTINGS
from tests.chaos.till import Till

STACK_SECONDS = 0.5
STOP_SECONDS = 40  # A soft shutdown of Celery takes up to 30.
DATABASE = "billy_chaos"
# None of the caller's: the run brings its own.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY", "DEBUG", "TIME_ZONE")
ACCESS = "%(s)s %(M)s %(m)s %(U)s"


class World:
    """The processes of a run, and the folder that they write to. A context manager: it ends all."""

    def __init__(self, *, seed, database=DATABASE, cluster=None, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="billy-chaos-"))
        self.folder.chmod(0o755)  # Root's PostgreSQL runs under another user, who must get in.
        (self.folder / "armed").mkdir()
        self.seed = seed
        self.database = database
        self.owns_cluster = cluster is None
        self.cluster = cluster or Cluster(self.folder)
        self.ports = {name: free_port() for name in ("redis", "sandbox", "web")}
        self.ledger = self.folder / "ledger.jsonl"
        own = {
            "BILLY_CHAOS_FOLDER": str(self.folder),
            "BILLY_FENCE_FILE": str(self.folder / "fence.json"),
        }
        self.settings = SETTINGS | own | settings
        self.children = {}
        self.leaving = []  # Told to stop, and not yet gone.
        self.every = []  # Whatever was started, so that nothing is forgotten at the end.
        self.numbers = iter(range(1, 1_000_000))
        self.made = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.every:
            child.kill()
        if self.owns_cluster:
            self.cluster.stop(hard=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def sandbox_url(self):
        return f"http://127.0.0.1:{self.ports['sandbox']}"

    @property
    def web_url(self):
        return f"http://127.0.0.1:{self.ports['web']}"

    @property
    def broker_url(self):
        return f"redis://127.0.0.1:{self.ports['redis']}/0"

    def environment(self, **changes):
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        ours = {"DATABASE_URL": self.cluster.url(self.database)} | self.settings
        return kept | ours | changes

    def till(self, company=None):
        """Return a till at the sandbox: of a company, or at its control door."""
        secret = self.made["companies"][company]["secret"] if company is not None else ""
        return Till(self.sandbox_url, secret)

    def connect(self):
        return self.cluster.connect(self.database)

    def start(self, name, *arguments, **changes):
        """Start a Python program of ours under this name; the caller waits until it is ready."""
        child = Child(
            name,
            [sys.executable, *arguments],
            log=self.folder / f"{name}.log",
            environment=self.environment(**changes),
        )
        self.children[name] = child
        self.every.append(child)
        return child

    def run(self, *arguments, **changes):
        """Run a Python program of ours to its end; returns whether it went well."""
        changes["BILLY_CHAOS_IMMUNE"] = "1"
        with (self.folder / "programs.log").open("ab") as log:
            done = subprocess.run(
                [sys.executable, *map(str, arguments)],
                cwd=CHECKOUT,
                env=self.environment(**changes),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=300,
            )
        return done.returncode == 0

    def start_sandbox(self, *options):
        self.sandbox_options = options or getattr(self, "sandbox_options", ())
        port = self.ports["sandbox"]
        arguments = ("-m", "sandbox", "--port", port, "--ledger", self.ledger, "--seed", self.seed)
        child = self.start("sandbox", *arguments, *self.sandbox_options)
        child.wait_ready(lambda: listens(port))

    def start_redis(self):
        """Start an empty Redis on the run's port."""
        port = self.ports["redis"]
        options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is not installed, and the run needs one of its own")
        self.children["redis"] = child = Child(
            "redis",
            [program, *options, "--dir", self.folder],
            log=self.folder / "redis.log",
            environment=self.environment(),
        )
        self.every.append(child)
        child.wait_ready(lambda: listens(port))

    def redis(self):
        return redis.Redis.from_url(self.broker_url, socket_timeout=5)

    def start_worker(self, *, children=2, **changes):
        """Start a Celery worker; it works as soon as it can, and nobody waits for it."""
        return self._start_celery(f"worker{next(self.numbers)}", children, **changes)

    def start_skewed(self, **changes):
        """Start one that nobody kills or counts, whose clock is wrong."""
        return self._start_celery(f"skewed{next(self.numbers)}", 1, **changes)

    def _start_celery(self, name, children, **changes):
        return self.start(
            name,
            *("-m", "celery", "-A", "billy", "worker", "--pool", "prefork"),
            *("--concurrency", str(children), "--without-gossip", "--without-mingle"),
            *("-n", f"{name}@chaos"),
            CELERY_BROKER_URL=self.broker_url,
            BILLY_CHAOS_DOUBLE="1",
            **changes,
        )

    def start_beat(self):
        name = f"beat{next(self.numbers)}"
        return self.start(
            name,
            *("-m", "celery", "-A", "billy", "beat", "--pidfile="),
            CELERY_BROKER_URL=self.broker_url,
            BILLY_CHAOS_DOUBLE="1",
        )

    def start_web(self, **changes):
        port = self.ports["web"]
        return self.start(
            "web",
            *("-m", "gunicorn", "billy.wsgi", "--bind", f"127.0.0.1:{port}"),
            *("--workers", "2", "--threads", "4", "--graceful-timeout", "3"),
            "--no-control-socket",
            *("--access-logfile", self.folder / "access", "--access-logformat", ACCESS),
            CELERY_BROKER_URL=self.broker_url,
            **changes,
        )

    def start_plain_worker(self, **changes):
        """Start `manage.py worker`, which needs no Redis."""
        return self.start(f"plain{next(self.numbers)}", "manage.py", "worker", **changes)

    def load(self, asked):
        """Make companies and cards as asked, and remember them; imports nothing yet."""
        told = {
            "sandbox": self.sandbox_url,
            "web": self.web_url,
            "folder": str(self.folder),
            "listening": [],
            "poisoned": [],
        }
        file = self.folder / "asked.json"
        file.write_text(json.dumps(told | asked))
        if not self.run("-m", "tests.chaos.load", "companies", file):
            raise RuntimeError(f"the load could not be made; see {self.keep()}")
        self.made = json.loads(file.with_suffix(".made").read_text())

    def start_bot(self, name, *arguments):
        """Start a program of the harness that uses the product; armed points pass it by."""
        return self.start(name, "-m", *map(str, arguments), BILLY_CHAOS_IMMUNE="1")

    def start_import(self, wave):
        """Import a part of the load in a process; where faults break it, it is run again."""
        asked = self.folder / "asked.json"
        return self.start_bot("import", "tests.chaos.load", "wave", asked, wave)

    def end(self, name, *, seconds=STOP_SECONDS):
        """Ask a process to end; returns whether it ended, or was deaf or hung and had to be killed.

        A Celery master whose processes were killed at the wrong moment may wait for ever: deaf
        without processes of its own, hung with one that it never told to end. Leases end all the
        same, as those of the dead.
        """
        child = self.children.pop(name)
        child.signal(signal.SIGTERM)
        if not child.wait(seconds):
            return self.put_down(child)
        child.kill()
        return "ended"

    def put_down(self, child):
        """Kill what does not end, after writing down what it was doing; returns what it was."""
        child.signal_all(signal.SIGUSR2)  # The test build writes the stacks of all threads.
        time.sleep(STACK_SECONDS)
        is_deaf = not child.working_children()
        child.kill()
        return "deaf" if is_deaf else "hung"

    def workers(self):
        return [child for name, child in self.children.items() if name.startswith("worker")]

    def keep(self):
        """Copy the logs to `var/chaos/logs`, for whoever must find out; returns the folder."""
        target = CHECKOUT / "var" / "chaos" / "logs"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True, exist_ok=True)
        for file in self.folder.iterdir():
            if file.suffix in {".log", ".jsonl"} or file.name in {"notes", "access"}:
                shutil.copy(file, target)
        return target
