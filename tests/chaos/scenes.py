"""Small runs, each with the faults that bring out certain mistakes. Without a mutant: all green."""

import json
import secrets
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg2
import urllib3

from tests.chaos.children import NotReady, listens, wait_until
from tests.chaos.crowd import Payer
from tests.chaos.notebook import Notebook
from tests.chaos.rewind import SETTLED
from tests.chaos.storm import LEFT, OPEN

IDLE_SECONDS = 45  # A scene of some hundred occurrences; a mutant may never come to rest.
LOOK_SECONDS = 0.2
LATE = {"probability": 0.1, "after_seconds": 2.5}
UNIQUE = (
    "SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, c.conname FROM pg_index i"
    " LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')"
    " WHERE i.indisunique AND i.indrelid IN ('billy_invoices_auditfeed'::regclass,"
    " 'billy_invoices_transaction'::regclass, 'billy_audit_auditevent'::regclass)"
)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Who is billed, what the processor is like, and what happens."""

    name: str
    play: object
    cards: int = 0
    banks: int = 0
    failing: int = 0
    stuck: int = 0
    periods: int = 5
    sandbox: tuple[str, ...] = ("--ach-delay", "0.5")
    settings: dict[str, str] = field(default_factory=dict)

    def payers(self, now):
        """Return them: each owes something each day."""
        anchor = (now - timedelta(days=self.periods)).replace(tzinfo=None, microsecond=0)
        kinds = ["card"] * self.cards + ["bank_account"] * self.banks
        kinds += ["failing"] * self.failing + ["stuck"] * self.stuck
        return [
            Payer(
                name=f"P{n:03d}",
                company=0,
                wave=0,
                direction="debit",
                pays_by=kind,
                cents=1_000 + n,
                frequency="daily",
                zone="UTC",
                anchor=anchor.isoformat(),
                periods=self.periods,
            )
            for n, kind in enumerate(kinds)
        ]


class Stage:
    """A world made small: `worker` starts one that has the mutant, if there is any."""

    def __init__(self, world, scene, *, mutant):
        self.world, self.scene = world, scene
        self.mutant = {"BILLY_MUTANT": mutant, "BILLY_CHAOS_ONE_IN": "1"}
        self.notebook = Notebook(world.folder / "notes")
        self.payers = scene.payers(world.cluster.now())

    def set_up(self):
        self.world.start_sandbox(*self.scene.sandbox)
        payers = [each.as_json() for each in self.payers]
        self.world.load({"companies": 1, "payers": payers})
        if not self.program("tests.chaos.load", "wave", self.world.folder / "asked.json", 0):
            raise RuntimeError("the scene could not be set")

    def program(self, *arguments):
        return self.world.run("-m", *arguments)

    def worker(self):
        return self.world.start_plain_worker(**self.mutant)

    def faults(self, **faults):
        self.world.till().call("PUT", "/_sandbox/faults", **faults)

    def ask(self, statement, parameters=()):
        with closing(self.world.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def tell(self, statement):
        self.ask(statement)

    def is_idle(self):
        """Say whether nothing is due, held or waiting for its answer."""
        with suppress(psycopg2.Error):
            ((left,),) = self.ask(LEFT)
            ((leased, pending, queued, _),) = self.ask(OPEN)
            return left + leased + queued == 0 and (self.scene.stuck > 0 or pending == 0)
        return False

    def settle(self):
        """Wait until all is done, or for as long as anybody would."""
        ends = time.monotonic() + IDLE_SECONDS
        while not self.is_idle() and time.monotonic() < ends:
            time.sleep(LOOK_SECONDS)

    def die_at(self, point, times):
        """Let a worker die at this point so many times; another takes its place each time."""
        for _ in range(times):
            (self.world.folder / "armed" / point).touch()
            worker = self.worker()
            ends = time.monotonic() + IDLE_SECONDS
            while worker.lives and time.monotonic() < ends:
                time.sleep(LOOK_SECONDS)
            if worker.lives:
                raise NotReady(f"nobody died at {point}")


def lost_answers(stage):
    """Answers that are dropped, refused after the fact, or come late; declines among them."""
    stage.faults(
        drop_after_commit={"probability": 0.15},
        error_after={"probability": 0.05},
        late_commit=LATE,
        decline={"fraction": 0.1},
    )
    for _ in range(2):
        stage.worker()
    stage.settle()


def set_back(stage):
    """A database that forgets what it settled."""
    for _ in range(2):
        stage.worker()
    total = len(stage.payers) * stage.scene.periods
    _until_settled(stage, total // 4)
    stage.world.cluster.take_copy()
    _until_settled(stage, total // 2)
    stage.world.cluster.set_back()
    stage.settle()


def _until_settled(stage, number):
    def enough():
        with suppress(psycopg2.Error):
            return stage.ask(SETTLED)[0][0] >= number
        return False

    wait_until(enough, what=f"{number} settled invoices")


def cut_and_canceled(stage):
    """Death in T1 just before its commit; then everybody cancels, so nothing is opened again."""
    stage.die_at("t1.precommit", 1)
    if not stage.program("tests.chaos.load", "cancel", stage.world.folder / "asked.json"):
        raise RuntimeError("nobody could cancel")
    stage.worker()
    stage.settle()


def cut_after_settling(stage):
    """Death just after the commit of T3; slow answers, so that one of them does not settle all."""
    stage.faults(slow={"p50_seconds": 0.05, "p99_seconds": 0.2})
    stage.die_at("t3.postcommit", 3)
    stage.worker()
    stage.settle()


def unguarded(stage):
    """All unique constraints on money are gone, and workers die with answers in their hands."""
    for table, index, constraint in stage.ask(UNIQUE):
        if constraint:
            stage.tell(f'ALTER TABLE {table} DROP CONSTRAINT "{constraint}" CASCADE')
        else:
            stage.tell(f"DROP INDEX {index}")
    stage.die_at("http.received", 1)
    for _ in range(2):
        stage.worker()
    stage.settle()


def forged(stage):
    """Somebody knows the secret address and says that what is pending has succeeded."""
    world = stage.world
    world.start_web(**stage.mutant)
    wait_until(lambda: listens(world.ports["web"]), what="the web")
    stage.worker()
    stage.settle()
    till, address = world.till(0), world.made["companies"][0]["callback"]
    pool = urllib3.PoolManager(retries=False)
    for debit in till.call("GET", "/debits?limit=20")["debits"]:
        told = {"id": f"EV{secrets.token_hex(12)}", "type": "debit.succeeded"}
        told["entity"] = {"debits": [debit | {"status": "succeeded"}]}
        pool.request("POST", address, body=json.dumps({"events": [told]}), timeout=20)


SCENES = {
    each.name: each
    for each in (
        Scene(name="lost answers", play=lost_answers, cards=30, banks=10),
        Scene(name="banks", play=lost_answers, banks=5, failing=5, stuck=10, periods=2),
        # Without the dispatch fence: the keys alone must hold.
        Scene(
            name="set back",
            play=set_back,
            cards=40,
            banks=10,
            periods=8,
            settings={"BILLY_FENCE": "0"},
        ),
        Scene(
            name="look-up only",
            play=lost_answers,
            cards=60,
            banks=5,
            periods=3,
            sandbox=("--ach-delay", "0.5", "--hide-keys"),
            settings={"BILLY_PROCESSOR": "balanced-lookup"},
        ),
        Scene(name="cut and canceled", play=cut_and_canceled, cards=20, periods=2),
        Scene(name="cut after settling", play=cut_after_settling, cards=60),
        Scene(name="unguarded", play=unguarded, cards=30),
        Scene(name="forged", play=forged, stuck=5, periods=1),
    )
}
