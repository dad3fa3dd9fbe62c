"""The cast of the wire tests: a scripted server, and Balanced with short time-outs."""

import pytest

from processors.balanced import Balanced
from processors.base import Account, Kind, Order
from processors.tests.wire_server import CARD_URI, WireServer


@pytest.fixture
def server():
    with WireServer() as running:
        yield running


@pytest.fixture
def account(server):
    return Account(url=server.url, secret="ak-test-secret")


@pytest.fixture
def balanced():
    return Balanced(connect_timeout_seconds=2.0, read_timeout_seconds=5.0)


@pytest.fixture
def order(account):
    return Order(
        account=account,
        kind=Kind.DEBIT,
        key="b1-key",
        amount=1_000,
        currency="USD",
        target_uri=CARD_URI,
        statement_text="Goat plan",
        meta={"billy.feed": "1"},
    )
