"""The twin in memory: the contract, its script and its ledger."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import load
from processors.base import Account, KeyClass, Kind, NotFound, NotSent, Order, Status
from processors.contract import KeyedProcessorContract, ProcessorContract
from processors.contract_stage import Stage
from processors.memory import (
    Busy,
    Conflict,
    Declined,
    KeyConflict,
    Late,
    Lost,
    LostBefore,
    Memory,
    Misconfigured,
    Pending,
    Refused,
    Rejected,
    Succeeded,
    Unknown,
    WrongBody,
)

ACCOUNT = Account(url="memory:", secret="test")


class MemoryStage(Stage):
    processor: Memory

    def card(self):
        return self.processor.add_card()

    def declining_card(self):
        return self.processor.add_card(answer=Declined)

    def pending_bank_account(self):
        return self.processor.add_bank_account(answer=Pending)

    def payee(self):
        return self.processor.add_bank_account(can_debit=False)

    def settle(self, uri, *, status, code=""):
        self.processor.settle(uri, status, code)

    def event_ids(self, uri):
        return self.processor.event_ids(uri)

    def lose_next_answer(self):
        self.processor.script.append(Lost)

    def lose_next_request(self):
        self.processor.script.append(LostBefore)

    def throttle_next(self):
        self.processor.script.append(Busy)

    def spoil_next_answer(self):
        self.processor.script.append(WrongBody)

    def bad_account(self):
        self.processor.bad_secrets.add("a-wrong-secret")
        return Account(url=self.account.url, secret="a-wrong-secret")


class TestMemory(KeyedProcessorContract):
    @pytest.fixture
    def stage(self):
        return MemoryStage(processor=Memory(any_target=False), account=ACCOUNT)


class TestMemoryWithoutKeys(ProcessorContract):
    @pytest.fixture
    def stage(self):
        processor = Memory(any_target=False, hide_keys=True)
        return MemoryStage(processor=processor, account=ACCOUNT)


def debit(key="b1-a", *, amount=100, target_uri="/cards/CC1"):
    return Order(
        account=ACCOUNT,
        kind=Kind.DEBIT,
        key=key,
        amount=amount,
        currency="USD",
        target_uri=target_uri,
    )


def test_an_exhausted_script_means_success():
    memory = Memory(script=[Declined])

    statuses = [memory.submit(debit(key)).status for key in ("b1-a", "b1-b", "b1-c")]

    assert [Status.FAILED, Status.SUCCEEDED, Status.SUCCEEDED] == statuses


@pytest.mark.parametrize(
    ("item", "error", "committed"),
    [
        (Lost, Unknown, 1),
        (LostBefore, Unknown, 0),
        (Late, Unknown, 0),
        (WrongBody, Unknown, 1),
        (Refused, NotSent, 0),
        (Conflict, KeyConflict, 0),
        (Busy, Busy, 0),
        (Busy("later", retry_after_seconds=30.0), Busy, 0),
        (Rejected, Rejected, 0),
        (Rejected("no such card", "not-found"), Rejected, 0),
        (Misconfigured, Misconfigured, 0),
        (Unknown("at work on it", in_flight=True), Unknown, 0),
    ],
)
def test_a_fault_raises_its_error_and_leaves_its_trace(item, error, committed):
    memory = Memory(script=[item])

    with pytest.raises(error):
        memory.submit(debit())

    assert committed == len(memory.ledger)


def test_a_lost_decline_is_found_as_a_decline():
    memory = Memory(script=[Lost(after=Declined(code="lost"))])
    with pytest.raises(Unknown):
        memory.submit(debit())

    receipt = memory.find(debit())

    assert (Status.FAILED, "lost", True) == (receipt.status, receipt.code, receipt.hard)


def test_a_result_cannot_change_what_a_key_already_names():
    memory = Memory(script=[Succeeded, Declined])

    first, second = memory.submit(debit()), memory.submit(debit())

    assert first == second


def test_a_fault_on_a_kept_key_moves_nothing_twice():
    memory = Memory(script=[Lost, Lost, WrongBody])
    for _ in range(3):
        with pytest.raises(Unknown):
            memory.submit(debit())

    receipts = memory.ledger

    assert 1 == len(receipts)


def test_without_keys_a_second_send_moves_money_twice():
    memory = Memory(hide_keys=True)

    memory.submit(debit())
    memory.submit(debit())

    assert (KeyClass.LOOKUP, 200) == (memory.key_class, memory.sum())


def test_without_keys_the_look_up_prefers_what_moved_money():
    memory = Memory(hide_keys=True, script=[Declined, Succeeded, Pending])
    for _ in range(3):
        memory.submit(debit())

    assert Status.SUCCEEDED is memory.find(debit()).status


@pytest.mark.parametrize(("hide_keys", "objects"), [(False, 1), (True, 2)])
def test_what_arrives_late_is_executed_once_only_where_keys_are_kept(hide_keys, objects):
    memory = Memory(hide_keys=hide_keys, script=[Late])
    with pytest.raises(Unknown):
        memory.submit(debit())
    memory.submit(debit())

    memory.arrive()

    assert objects == len(memory.ledger)
    assert [] == memory.arrive()


def test_another_account_sees_nothing_of_an_object():
    memory = Memory()
    uri = memory.submit(debit()).uri
    other = memory.open_account(url="memory:")

    with pytest.raises(NotFound):
        memory.fetch(account=other, uri=uri)


def test_any_uri_is_a_good_instrument_unless_said_otherwise():
    memory = Memory()

    instrument = memory.instrument(account=ACCOUNT, uri="/bank_accounts/BA1")

    assert (True, True) == (instrument.can_debit, instrument.can_credit)


def test_the_sum_is_of_one_kind_and_status():
    memory = Memory(script=[Succeeded, Declined, Pending])
    for number, amount in enumerate((100, 20, 3)):
        memory.submit(debit(f"b1-{number}", amount=amount))

    sums = [memory.sum(status=status) for status in Status]

    assert [100, 3, 20] == sums
    assert 0 == memory.sum(kind=Kind.CREDIT)


@settings(deadline=None)  # How long threads take is no matter of this test.
@given(st.lists(st.integers(min_value=0, max_value=9), max_size=60))
def test_threads_sending_the_same_keys_move_each_once(numbers):
    memory = Memory()
    with ThreadPoolExecutor(max_workers=4) as threads:
        receipts = list(threads.map(memory.submit, [debit(f"b1-{n}") for n in numbers]))

    assert {receipt.uri for receipt in receipts} == {receipt.uri for receipt in memory.ledger}
    assert 100 * len(set(numbers)) == memory.sum()
    assert len(numbers) == len(memory.orders)


def test_it_is_loaded_by_its_name_once():
    assert load("memory") is load("memory")
    assert "memory" == load("memory").name
