"""Balanced against the sandbox, a process of its own: the contract, and the sandbox's faults."""

import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from processors.balanced import Balanced
from processors.base import Account, Busy, Kind, Status, Unknown
from processors.contract import KeyedProcessorContract, ProcessorContract
from processors.contract_stage import Stage

ROOT = Path(__file__).resolve().parents[2]
GOOD_CARD = "4111111111111111"
DECLINING_CARD = "4444444444444448"
STAYS_PENDING = "9900000000"
SUCCEEDS = "9900000002"


class Sandbox:
    """One sandbox process; its ledger stays when it is killed."""

    def __init__(self, *options, ledger):
        self._options = options
        self._ledger = ledger
        self.start(port="0")

    def start(self, *, port):
        command = [sys.executable, "-m", "sandbox", "--port", port, "--ledger", str(self._ledger)]
        self._process = subprocess.Popen(
            [*command, *self._options], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        line = self._process.stdout.readline()
        self.url = line.rpartition(" ")[2].strip()
        assert self.url.startswith("http://"), line

    def kill(self):
        self._process.kill()
        self._process.communicate()

    def restart(self):
        self.kill()
        self.start(port=self.url.rpartition(":")[2])

    def tell(self, method, path, body):
        answer = urllib3.request(method, f"{self.url}/_sandbox/{path}", json=body, retries=False)
        assert answer.status == 200, answer.data


class SandboxStage(Stage):
    def __init__(self, sandbox, *, keys):
        processor = Balanced(keys=keys, read_timeout_seconds=5.0)
        super().__init__(processor=processor, account=processor.open_account(url=sandbox.url))
        self.sandbox = sandbox

    def call(self, method, path, body=None):
        """Do what Billy never does itself: tokenise, verify, and list events."""
        answer = urllib3.request(
            method,
            self.account.url + path,
            json=body,
            headers=urllib3.make_headers(basic_auth=f"{self.account.secret}:"),
            retries=False,
        )
        assert answer.status in {200, 201}, answer.data
        return answer.json()

    def new_card(self, number):
        body = {"number": number, "expiration_month": "12", "expiration_year": "2035"}
        return self.call("POST", "/cards", body)["cards"][0]["href"]

    def new_bank_account(self, number):
        body = {"name": "Bob", "account_number": number, "routing_number": "021000021"}
        return self.call("POST", "/bank_accounts", body)["bank_accounts"][0]["href"]

    def card(self):
        return self.new_card(GOOD_CARD)

    def declining_card(self):
        return self.new_card(DECLINING_CARD)

    def pending_bank_account(self):
        uri = self.new_bank_account(STAYS_PENDING)
        made = self.call("POST", f"{uri}/verifications", {})["bank_account_verifications"][0]
        self.call("PUT", made["href"], {"amount_1": 1, "amount_2": 1})
        return uri

    def payee(self):
        return self.new_bank_account(SUCCEEDS)

    def settle(self, uri, *, status, code=""):
        body = {"uri": uri, "status": status, "code": code}
        told = {name: value for name, value in body.items() if value}
        self.sandbox.tell("POST", "settle", told)

    def event_ids(self, uri):
        """Name its events oldest first; lists come newest first."""
        listed = self.call("GET", f"{uri}/events?limit=100")["events"]
        return [event["id"] for event in reversed(listed)]

    def fault(self, name, **settings):
        self.sandbox.tell("PUT", "faults", {name: settings})

    def lose_next_answer(self):
        self.fault("drop_after_commit", count=1)

    def lose_next_request(self):
        self.fault("error_before", count=1)

    def throttle_next(self):
        self.fault("too_many", count=1, retry_after_seconds=3)

    def spoil_next_answer(self):
        self.fault("wrong_body", count=1, kinds=["amount"])

    def bad_account(self):
        return Account(url=self.account.url, secret="ak-test-wrongwrongwrongwrong")


@pytest.fixture(scope="module")
def with_keys(tmp_path_factory):
    sandbox = Sandbox(ledger=tmp_path_factory.mktemp("keys") / "ledger.jsonl")
    yield sandbox
    sandbox.kill()


@pytest.fixture(scope="module")
def hiding_keys(tmp_path_factory):
    ledger = tmp_path_factory.mktemp("no-keys") / "ledger.jsonl"
    sandbox = Sandbox("--hide-keys", ledger=ledger)
    yield sandbox
    sandbox.kill()


@pytest.fixture
def stage(with_keys):
    with_keys.tell("PUT", "faults", {})
    return SandboxStage(with_keys, keys=True)


class TestBalanced(KeyedProcessorContract):
    """Class K: the sandbox as it is."""


class TestBalancedWithoutKeys(ProcessorContract):
    """Class L: the sandbox with its keys hidden, as the historic service was."""

    @pytest.fixture
    def stage(self, hiding_keys):
        hiding_keys.tell("PUT", "faults", {})
        return SandboxStage(hiding_keys, keys=False)

    def test_a_second_send_moves_money_twice_which_is_why_it_is_never_made(self, stage):
        order = stage.order(Kind.DEBIT, stage.card())

        uris = {stage.processor.submit(order).uri for _ in range(2)}

        assert len(uris) == 2


@pytest.mark.parametrize("kind", ["amount", "currency", "key", "html", "cut", "huge"])
def test_a_wrong_body_is_unknown_and_the_truth_is_found(stage, kind):
    order = stage.order(Kind.DEBIT, stage.card())
    stage.fault("wrong_body", count=1, kinds=[kind])
    with pytest.raises(Unknown):
        stage.processor.submit(order)

    receipt = stage.processor.submit(order)

    assert receipt == stage.processor.find(order)
    assert (receipt.amount, receipt.currency, receipt.key) == (order.amount, "USD", order.key)


@pytest.mark.parametrize("name", ["error_before", "error_after", "outage", "sticky_500"])
def test_an_error_of_the_server_is_unknown(stage, name):
    # A sticky error sticks to its key, so this key is no other test's.
    order = stage.order(Kind.DEBIT, stage.card(), key=f"b1-{name}")
    stage.fault(name, count=1)

    with pytest.raises(Unknown):
        stage.processor.submit(order)


def test_silence_is_unknown(stage):
    impatient = Balanced(read_timeout_seconds=0.3)
    order = stage.order(Kind.DEBIT, stage.card())
    stage.fault("black_hole", count=1)

    with pytest.raises(Unknown):
        impatient.submit(order)


def test_a_throttle_names_its_wait(stage):
    order = stage.order(Kind.DEBIT, stage.card())
    stage.throttle_next()

    with pytest.raises(Busy) as caught:
        stage.processor.submit(order)

    assert caught.value.retry_after_seconds == 3


def test_a_late_commit_is_at_work_and_then_answers_to_the_same_key(stage):
    order = stage.order(Kind.DEBIT, stage.card())
    stage.fault("late_commit", count=1, after_seconds=0.1, close_after_seconds=0)
    with pytest.raises(Unknown):
        stage.processor.submit(order)

    receipt = submit_until_done(stage.processor, order)

    assert receipt == stage.processor.find(order)


def test_a_killed_sandbox_comes_back_with_what_it_answered(stage):
    order = stage.order(Kind.DEBIT, stage.card())
    before = stage.processor.submit(order)

    stage.sandbox.restart()

    assert stage.processor.find(order) == before
    assert stage.processor.submit(order) == before


def test_a_lost_card_is_a_hard_decline(stage):
    card = stage.card()
    planned = {"uri": card, "times": 1, "code": "card-declined", "reason": "Lost or stolen card"}
    stage.sandbox.tell("POST", "decline", planned)

    receipt = stage.processor.submit(stage.order(Kind.DEBIT, card))

    assert (receipt.status, receipt.hard) == (Status.FAILED, True)


def submit_until_done(processor, order):
    """Send the same key again for as long as the processor says that it is at work on it."""
    for _ in range(10_000):
        try:
            return processor.submit(order)
        except Unknown as error:
            if not error.in_flight:
                raise
    return None
