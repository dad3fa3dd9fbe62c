"""Processes that tests start: the sandbox, and commands of ours; each ends with its test."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import pytest
import urllib3
from django.core.management import call_command

from billy.places import CHECKOUT

PATIENCE_SECONDS = 60  # However busy the machine is; a test that waits so long has failed.
LOOK_SECONDS = 0.01


def environment(**changes):
    """Return the environment for a child of ours: that of the tests, with these changes."""
    given = {name: value for name, value in changes.items() if value is not None}
    kept = {name: value for name, value in os.environ.items() if name not in changes}
    return kept | {"PYTHONWARNINGS": "default"} | given


def command(*arguments, **changes):
    """Run a command of manage.py to its end and return it, with what it printed."""
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=CHECKOUT,
        env=environment(**changes),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def told(name, *arguments, **options):
    """Run a command in this process; return what it printed, where it went well."""
    out = io.StringIO()
    call_command(name, *arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


def ending(name, *arguments, **options):
    """Run a command that ends with exit code 1; return what it printed."""
    out = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command(name, *arguments, stdout=out, stderr=out, **options)
    assert caught.value.code == 1
    return out.getvalue()


def wait_for(child, is_true):
    """Ask again and again until it is true; the child must not end before."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < ends, "it did not happen"
        with suppress(subprocess.TimeoutExpired):
            code = child.process.wait(LOOK_SECONDS)
            raise AssertionError(f"the process ended with {code}")


class Child:
    """A process that goes on until it is told to end. A context manager: it never outlives it."""

    def __init__(self, *arguments, program=sys.executable, log=None, **changes):
        """Start it; what it prints can be read, unless it goes to a file."""
        self.log = log.open("ab") if log else None
        self.process = subprocess.Popen(
            [program, *map(str, arguments)],
            cwd=CHECKOUT,
            env=environment(**changes),
            stdout=self.log or subprocess.PIPE,
            stderr=self.log or None,
            text=True,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        for stream in (self.process.stdout, self.log):
            if stream is not None:
                stream.close()

    def kill(self):
        """End it with all of its children, who get no chance to tidy up."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def line(self):
        """Return the next line that it prints."""
        return self.process.stdout.readline().strip()

    def end(self, number):
        """Send a signal and return what it still printed, and how it ended."""
        self.process.send_signal(number)
        printed, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        return printed, self.process.returncode


class Sandbox(Child):
    """A Balanced of this test's own, with its ledger in a file."""

    def __init__(self, ledger, *options):
        super().__init__("-m", "sandbox", "--port", 0, "--ledger", ledger, "--seed", "h", *options)
        self.ledger = ledger
        self.url = self.line().rpartition(" ")[2]
        assert self.url.startswith("http://127.0.0.1:"), "the sandbox did not start"

    def objects(self, kind):
        """Return the objects of one kind as the ledger last told them, by id."""
        found = {}
        with self.ledger.open(encoding="utf-8") as lines:
            for text in lines:
                told = json.loads(text)
                if told["type"] == kind:
                    found[told["id"]] = told
        return found

    def sums(self, kind, *, by):
        """Add up the amounts of what succeeded, by the id of what it is linked to."""
        found = Counter()
        for told in self.objects(kind).values():
            if told["status"] == "succeeded":
                found[told["object"]["links"][by]] += told["amount"]
        return found


class Teller:
    """Makes cards and bank accounts at a sandbox, as a merchant's page would."""

    def __init__(self, url, secret):
        self.url = url
        self.headers = urllib3.make_headers(basic_auth=f"{secret}:", keep_alive=True)
        self.pool = urllib3.PoolManager(retries=False)

    def card(self, number="4111111111111111"):
        """Return the uri of a new card; this number's debits succeed."""
        made = self.call("POST", "/cards", number=number, expiration_month=12, expiration_year=2035)
        return made["cards"][0]["href"]

    def bank_account(self):
        """Return the uri of a new bank account that is verified and can be charged."""
        account = {"account_number": "9900000002", "routing_number": "021000021"}
        made = self.call("POST", "/bank_accounts", name="B", account_type="checking", **account)
        uri = made["bank_accounts"][0]["href"]
        check = self.call("POST", f"{uri}/verifications")
        self.call("PUT", check["bank_account_verifications"][0]["href"], amount_1=1, amount_2=1)
        return uri

    def call(self, method, path, **body):
        """Return the answer; it must be a success."""
        answer = self.pool.request(method, self.url + path, json=body, headers=self.headers)
        assert answer.status < 300, answer.data[:300]
        return answer.json()

    def close(self):
        """Let go of the connections."""
        self.pool.clear()
