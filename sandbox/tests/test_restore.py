import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.kinds import BY_NAME, kind_of
from sandbox.ledger import LedgerError
from sandbox.tests.clients import VISA, Client, Line, login

DIGITS = "4111111111111111"


def everything(sandbox):
    """All that can be seen, and what decides what can be seen next."""
    store = sandbox.application.store
    records = {
        id_: (
            kind_of(record).show(record),
            kind_of(record).keep(record),
            record.key,
            record.marketplace,
            record.sequence,
        )
        for id_, record in store.by_id.items()
    }
    marketplaces = [id_ for id_ in store.by_id if id_.startswith("TEST-MP")]
    lists = {
        (name, id_): [
            [record.id for record in records]
            for shelf in [store.shelf(kind, id_)]
            for records in (shelf.every, shelf.visible, store.of(kind, id_))
        ]
        for name, kind in BY_NAME.items()
        for id_ in marketplaces
    }
    journals = {
        id_: (
            bytes(store.journal(id_).types),
            [record.id for record in store.journal(id_).records],
        )
        for id_ in marketplaces
    }
    return records, lists, journals, store.tallies(), sandbox.application.recorder.keys.count()


VERBS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("card", "bank", "customer", "debit", "decline", "bank_debit", "refund", "credit"),
                *("reversal", "hold", "capture", "void", "order", "meta", "delete", "verify"),
                *("settle", "advance", "callback", "token", "claim", "dispute"),
            ]
        ),
        st.integers(1, 50),
    ),
    max_size=30,
)


class Story:
    """Does random things to a sandbox."""

    def __init__(self, client):
        self.client = client
        self.last = {}
        self.number = 0

    def do(self, verb, amount):
        self.number += 1
        self.amount = amount
        getattr(self, verb)()

    def make(self, name, path, body):
        keyed = f"k{self.number}" if self.amount % 2 else None
        answer = self.client.post(path, body, key=keyed)
        if answer.status == 201:
            self.last[name] = answer.one

    def href(self, name):
        return self.last.get(name, {"href": "/nothing/NO"})["href"]

    def card(self):
        self.make("card", "/cards", {**VISA, "customer": self.last.get("customer", {}).get("id")})

    def dispute(self):
        self.make("card", "/cards", {**VISA, "number": "6500000000000002"})
        self.debit()

    def token(self):
        self.last["token"] = self.client.post("/cards", VISA, secret=None).one

    def claim(self):
        self.client.get(self.href("token"))

    def bank(self):
        self.last["bank"] = self.client.bank_account()

    def verify(self):
        self.last["bank"] = self.client.bank_account(verified=self.amount % 3 == 0)

    def customer(self):
        self.make("customer", "/customers", {"name": "Ada", "meta": {"n": str(self.amount)}})

    def debit(self):
        meta = {"billy.key": f"b{self.number}"}
        self.make("debit", f"{self.href('card')}/debits", {"amount": self.amount, "meta": meta})

    def decline(self):
        card = self.client.card(number="4444444444444448")
        self.make("none", f"{card['href']}/debits", {"amount": self.amount})

    def bank_debit(self):
        self.make("debit", f"{self.href('bank')}/debits", {"amount": self.amount})

    def refund(self):
        self.make("refund", f"{self.href('debit')}/refunds", {"amount": self.amount})

    def credit(self):
        self.make("credit", f"{self.href('bank')}/credits", {"amount": self.amount})

    def reversal(self):
        self.make("reversal", f"{self.href('credit')}/reversals", {"amount": self.amount})

    def hold(self):
        self.make("hold", f"{self.href('card')}/card_holds", {"amount": self.amount})

    def capture(self):
        self.make("debit", f"{self.href('hold')}/debits", {"amount": self.amount})

    def void(self):
        self.client.delete(self.href("hold"))

    def order(self):
        self.make("order", f"{self.href('customer')}/orders", {"description": "goats"})

    def meta(self):
        self.client.put(self.href("debit"), {"meta": {"a": str(self.amount)}})

    def delete(self):
        self.client.delete(self.href("card"))

    def settle(self):
        status = "failed" if self.amount % 2 else "succeeded"
        body = {"uri": self.href("debit"), "status": status}
        self.client.post("/_sandbox/settle", body, secret=None)

    def advance(self):
        self.client.advance(days=1)

    def callback(self):
        """Without a loop nothing could be sent, so that this one goes again at once."""
        made = self.client.post("/callbacks", {"url": f"http://127.0.0.1:9/{self.number}"})
        self.client.delete(made.one["href"])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(verbs=VERBS)
def test_a_sandbox_comes_back_exactly_as_it_was(start, join, tmp_path_factory, verbs):
    ledger = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    options = {"ledger": ledger, "ach_delay_seconds": 86400, "ach_return_fraction": 0.3}
    before = start(**options)
    Client(before).at("2026-01-01T12:00:00Z")
    story = Story(join(before))

    for verb, amount in verbs:
        story.do(verb, amount)
    seen = everything(before)
    before.ledger.close()
    after = start(**options, seed=None)

    assert seen == everything(after)
    assert before.application.clock.stamp() == after.application.clock.stamp()


def test_keys_are_replayed_after_a_restart(start, join, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    before = start(ledger=ledger)
    client = join(before)
    path = client.card()["href"] + "/debits"
    first = client.post(path, {"amount": 5}, key="k")
    before.ledger.close()

    client.sandbox = start(ledger=ledger)

    assert first.raw == client.post(path, {"amount": 5}, key="k").raw
    assert "idempotency-key-reused" == client.post(path, {"amount": 6}, key="k").code
    assert 5 == client.escrow()


def test_ids_go_on_after_a_restart_and_are_never_used_again(start, join, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    before = start(ledger=ledger)
    client = join(before)
    ids = [client.customer()["id"] for _ in range(5)]
    before.ledger.close()

    client.sandbox = start(ledger=ledger)
    ids += [client.customer()["id"] for _ in range(5)]

    assert len(ids) == len(set(ids))


def test_the_same_seed_makes_the_same_ids(start, join):
    clients = [join(start(seed="goat")) for _ in range(2)]

    assert 1 == len({client.secret for client in clients})
    assert 1 == len({client.card()["id"] for client in clients})


@pytest.mark.parametrize("cut", [1, 20, 400])
def test_a_line_that_was_cut_off_is_dropped(start, join, tmp_path, cut):
    ledger = tmp_path / "ledger.jsonl"
    before = start(ledger=ledger)
    client = join(before)
    client.debit(100)
    client.debit(200)
    before.ledger.close()
    os.truncate(ledger, ledger.stat().st_size - cut)

    client.sandbox = start(ledger=ledger)

    assert 100 == client.escrow()
    assert ledger.read_bytes().endswith(b"\n")
    assert 100 == client.debit(100).one["amount"]


def test_a_group_that_was_cut_off_is_dropped_whole(start, join, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    before = start(ledger=ledger)
    client = join(before)
    client.customer(name="Ada")
    before.ledger.close()
    lines = ledger.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-2])["more"]
    ledger.write_bytes(b"".join(lines[:-1]))

    client.sandbox = start(ledger=ledger)

    assert 1 == client.get("/accounts").body["meta"]["total"]


def test_a_damaged_ledger_is_refused(start, join, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    before = start(ledger=ledger)
    join(before)
    before.ledger.close()
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join([lines[0], b"{damage}\n", *lines[1:]]))

    with pytest.raises(LedgerError, match="damaged"):
        start(ledger=ledger)


def test_two_sandboxes_cannot_share_a_ledger(start, tmp_path):
    start(ledger=tmp_path / "ledger.jsonl")

    with pytest.raises(LedgerError, match="another process"):
        start(ledger=tmp_path / "ledger.jsonl")


def test_numbers_of_cards_and_accounts_are_not_in_the_ledger(start, join, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    client = join(start(ledger=ledger))
    client.card()
    client.bank_account(account_number="9900000002", routing_number="021000021")
    client.debit(10)

    text = ledger.read_text()

    assert DIGITS not in text
    assert "9900000002" not in text


def test_every_line_has_what_a_checker_needs(start, join, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    client = join(start(ledger=ledger))
    body = {"amount": 10, "meta": {"billy.key": "b1", "x": "y"}}
    client.post(client.card()["href"] + "/debits", body)

    lines = [json.loads(line) for line in ledger.read_text().splitlines()]

    wanted = {"type", "id", "status", "amount", "currency", "key", "meta", "at", "object"}
    assert all(wanted <= set(line) for line in lines)
    assert ("debit", "succeeded", 10, "USD", "b1", {"billy.key": "b1", "x": "y"}) == tuple(
        lines[-1][name] for name in ("type", "status", "amount", "currency", "key", "meta")
    )
    assert lines[-1]["id"] == lines[-1]["object"]["id"]


def test_a_request_that_cannot_be_written_down_is_not_done(client):
    card = client.card()
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, client.sandbox.ledger._file)

    answer = client.post(card["href"] + "/debits", {"amount": 5}, key="k")

    assert (500, "internal-error") == (answer.status, answer.code)
    assert 0 == client.escrow()
    assert {} == client.get("/_sandbox/state", secret=None).body["records"]["debit"]
    os.close(full)


class Process:
    """A sandbox of its own process."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self.ready = self.process.stdout.readline()
        self.line = Line(int(self.ready.rpartition(":")[2]))

    def end(self, number):
        self.line.close()
        self.process.send_signal(number)
        self.process.stdout.close()
        return self.process.wait(10)


def test_a_killed_sandbox_remembers_everything_that_it_answered(tmp_path):
    arguments = ["--ledger", str(tmp_path / "ledger.jsonl")]
    first = Process(*arguments)
    assert first.ready.startswith("sandbox ready on http://127.0.0.1:")
    secret = json.loads(first.line.call("POST", "/api_keys", {})[2])["api_keys"][0]["secret"]
    auth = {"Authorization": login(secret)}
    first.line.call("POST", "/marketplaces", {}, **auth)
    card = json.loads(first.line.call("POST", "/cards", VISA, **auth)[2])["cards"][0]["href"]
    bodies = [
        first.line.call("POST", f"{card}/debits", {"amount": 5}, Idempotency_Key=f"k{n}", **auth)
        for n in range(50)
    ]

    first.end(signal.SIGKILL)
    second = Process(*arguments)
    again = [
        second.line.call("POST", f"{card}/debits", {"amount": 5}, Idempotency_Key=f"k{n}", **auth)
        for n in range(50)
    ]
    total = json.loads(second.line.call("GET", "/debits", **auth)[2])["meta"]["total"]

    assert [body for *_, body in bodies] == [body for *_, body in again]
    assert 50 == total
    assert 0 == second.end(signal.SIGTERM)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--faults", '{"gremlins": {}}'],
        ["--faults", "{"],
        ["--faults", "/nowhere/faults.json"],
        ["--ledger", "/proc/nowhere/ledger"],
    ],
)
def test_settings_that_cannot_be_used_are_told(arguments):
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=20,
        check=False,
    )

    assert 2 == ended.returncode
    assert ended.stderr.startswith("sandbox: ")
    assert "Traceback" not in ended.stderr
