"""The values and errors that every processor speaks, and how processors are found."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import load
from processors.base import (
    Account,
    Busy,
    Kind,
    Order,
    ProcessorError,
    Receipt,
    Status,
    Unknown,
    most_telling,
)
from processors.memory import Memory

ORDER = Order(
    account=Account(url="http://127.0.0.1", secret="ak-test-secret"),
    kind=Kind.DEBIT,
    key="b1-key",
    amount=1_000,
    currency="USD",
    target_uri="/cards/CC1",
    meta={"a": "1", "b": "2"},
)

ready_made = Memory()


def test_the_secret_is_not_shown():
    assert "ak-test-secret" not in repr(ORDER)


@pytest.mark.parametrize("amount", [0, -1, True, 1.0, "1", None])
def test_an_amount_that_is_none_is_refused(amount):
    with pytest.raises(ValueError, match="whole number"):
        replace(ORDER, amount=amount)


def test_an_order_without_a_key_is_refused():
    with pytest.raises(ValueError, match="key"):
        replace(ORDER, key="")


def test_the_fingerprint_is_sha_256_and_stays_what_it_was():
    assert re.fullmatch("[0-9a-f]{64}", ORDER.fingerprint)
    assert replace(ORDER, meta={"b": "2", "a": "1"}).fingerprint == ORDER.fingerprint


def test_a_new_secret_leaves_the_fingerprint_alone():
    account = Account(url=ORDER.account.url, secret="another")

    assert replace(ORDER, account=account).fingerprint == ORDER.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"account": Account(url="http://127.0.0.2", secret="s")},
        {"kind": Kind.CREDIT},
        {"key": "b1-other"},
        {"amount": 1_001},
        {"currency": "EUR"},
        {"target_uri": "/cards/CC2"},
        {"statement_text": "Goat"},
        {"description": "Goat"},
        {"meta": {"a": "1"}},
    ],
)
def test_any_other_change_makes_another_fingerprint(changes):
    assert replace(ORDER, **changes).fingerprint != ORDER.fingerprint


@settings(deadline=None)  # The machine may be busy with other tests.
@given(st.lists(st.sampled_from(Status), max_size=5))
def test_the_most_telling_receipt_is_one_that_moved_money_if_any_did(statuses):
    receipts = [
        Receipt(kind=Kind.DEBIT, uri=str(n), status=s, amount=1, currency="USD", key="k")
        for n, s in enumerate(statuses)
    ]

    found = most_telling(receipts)

    ranks = [Status.SUCCEEDED, Status.PENDING, Status.FAILED]
    expected = next((status for status in ranks if status in statuses), None)
    assert (found.status if found else None) is expected


def test_errors_carry_what_the_caller_needs():
    busy = Busy("later", "too-many", retry_after_seconds=7.0)
    unknown = Unknown("at work", in_flight=True)

    assert isinstance(busy, ProcessorError)
    assert (busy.reason, busy.code, busy.retry_after_seconds) == ("later", "too-many", 7.0)
    assert (str(unknown), unknown.code, unknown.in_flight) == ("at work", "", True)


@pytest.mark.parametrize("attribute", ["ready_made", "Memory"])
def test_a_processor_is_loaded_by_its_dotted_path(attribute):
    module = __name__ if attribute == "ready_made" else Memory.__module__

    assert load(f"{module}:{attribute}").name == "memory"


@pytest.mark.parametrize("name", ["nobody", "nowhere:at_all", f"{__name__}:nothing", ""])
def test_a_name_that_nobody_offers_is_a_look_up_error(name):
    with pytest.raises(LookupError):
        load(name)


@pytest.mark.parametrize("attribute", ["ORDER", "__name__"])
def test_a_thing_that_is_no_processor_is_refused(attribute):
    with pytest.raises(TypeError):
        load(f"{__name__}:{attribute}")


class Patient(Memory):
    """A processor whose maker takes a time-out."""

    def __init__(self, *, read_timeout_seconds=15.0):
        super().__init__()
        self.read_timeout_seconds = read_timeout_seconds


def test_a_maker_is_handed_the_time_outs_that_it_takes_and_no_others():
    loaded = load(f"{__name__}:Patient", read_timeout_seconds=2.0, connect_timeout_seconds=1.0)

    assert loaded.read_timeout_seconds == 2.0
