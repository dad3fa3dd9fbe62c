# A suite is made of assertions, "expected == actual", though it stands outside the tests.
# ruff: noqa: S101, SIM300

"""The suite that every processor passes, ours and a merchant's own.

A test module of a processor derives one class from `ProcessorContract`, or `KeyedProcessorContract`
where the processor keeps idempotency keys, and gives it the fixture `stage`: the processor with an
account at a test server, and the means to make things go wrong there. The tests say what Billy's
protocol relies on; the processor's own tests say the rest.
"""

from dataclasses import replace

import pytest

from processors.base import (
    Account,
    Busy,
    KeyClass,
    KeyConflict,
    Kind,
    Misconfigured,
    NotFound,
    Processor,
    Receipt,
    Rejected,
    Status,
    Unknown,
)
from processors.contract_customers import CustomersContract
from processors.contract_stage import Stage


class ProcessorContract(CustomersContract):
    """What every processor does, whatever its class."""

    @pytest.fixture
    def processor(self, stage: Stage) -> Processor:
        """Give the processor under test."""
        return stage.processor

    @pytest.fixture
    def account(self, stage: Stage) -> Account:
        """Give the account that calls go through."""
        return stage.account

    def test_it_is_a_processor(self, processor: Processor) -> None:
        """Nothing of the protocol is missing."""
        assert isinstance(processor, Processor)
        assert processor.name

    def test_a_debit_of_a_good_card_succeeds_as_ordered(
        self, stage: Stage, processor: Processor
    ) -> None:
        """The receipt repeats the order."""
        order = stage.order(Kind.DEBIT, stage.card(), amount=1_234)

        receipt = processor.submit(order)

        assert receipt == Receipt(
            kind=Kind.DEBIT,
            uri=receipt.uri,
            status=Status.SUCCEEDED,
            amount=1_234,
            currency="USD",
            key=order.key,
        )

    def test_a_decline_is_a_receipt_with_a_code_and_no_error(self, stage: Stage) -> None:
        """A plain decline may be tried again another day."""
        receipt = stage.processor.submit(stage.order(Kind.DEBIT, stage.declining_card()))

        assert (Status.FAILED, False) == (receipt.status, receipt.hard)
        assert receipt.code
        assert receipt.reason

    def test_a_bank_debit_is_pending_until_it_settles(self, stage: Stage) -> None:
        """Pending is no success."""
        receipt = stage.processor.submit(stage.order(Kind.DEBIT, stage.pending_bank_account()))
        stage.settle(receipt.uri, status=Status.SUCCEEDED)

        after = stage.processor.fetch(account=stage.account, uri=receipt.uri)

        assert (Status.PENDING, Status.SUCCEEDED) == (receipt.status, after.status)

    @pytest.mark.parametrize(("code", "hard"), [("R01", False), ("R02", True)])
    def test_a_return_long_after_success_says_whether_to_try_again(
        self, stage: Stage, *, code: str, hard: bool
    ) -> None:
        """No funds may be presented again; a closed account may not."""
        order = stage.order(Kind.DEBIT, stage.pending_bank_account())
        uri = stage.processor.submit(order).uri
        stage.settle(uri, status=Status.SUCCEEDED)
        stage.settle(uri, status=Status.FAILED, code=code)

        receipt = stage.processor.fetch(account=stage.account, uri=uri)

        assert (Status.FAILED, code, hard) == (receipt.status, receipt.code, receipt.hard)

    def test_a_credit_pays_out(self, stage: Stage) -> None:
        """The receipt is one of a credit."""
        receipt = stage.credit(amount=700)

        assert (Kind.CREDIT, 700) == (receipt.kind, receipt.amount)
        assert receipt.status in {Status.SUCCEEDED, Status.PENDING}

    def test_refunds_take_back_parts_of_a_debit_and_never_more(
        self, stage: Stage, processor: Processor
    ) -> None:
        """What was refunded cannot be refunded again."""
        debit = stage.debit(amount=1_000)
        part = processor.submit(stage.order(Kind.REFUND, debit.uri, amount=400))

        with pytest.raises(Rejected):
            processor.submit(stage.order(Kind.REFUND, debit.uri, amount=601))
        rest = processor.submit(stage.order(Kind.REFUND, debit.uri, amount=600))

        assert (Kind.REFUND, 400, 600) == (part.kind, part.amount, rest.amount)

    def test_a_reversal_takes_back_a_credit(self, stage: Stage, processor: Processor) -> None:
        """The receipt is one of a reversal."""
        credit = stage.credit(amount=900)

        receipt = processor.submit(stage.order(Kind.REVERSAL, credit.uri, amount=900))

        assert (Kind.REVERSAL, 900) == (receipt.kind, receipt.amount)

    def test_an_unknown_instrument_is_rejected(self, stage: Stage, processor: Processor) -> None:
        """Nothing can have moved."""
        order = stage.order(Kind.DEBIT, stage.card()[:-4] + "0nil")

        with pytest.raises(Rejected):
            processor.submit(order)

        assert processor.find(order) is None

    def test_a_bank_account_that_cannot_be_debited_moves_nothing(
        self, stage: Stage, processor: Processor
    ) -> None:
        """Either kind of no will do."""
        order = stage.order(Kind.DEBIT, stage.payee())

        try:
            status = processor.submit(order).status
        except Rejected:
            status = Status.FAILED

        assert status is Status.FAILED

    def test_a_look_up_finds_nothing_where_nothing_was_sent(
        self, stage: Stage, processor: Processor
    ) -> None:
        """Absent is None."""
        stage.debit()

        assert processor.find(stage.order(Kind.DEBIT, stage.card())) is None

    @pytest.mark.parametrize("kind", list(Kind))
    def test_a_look_up_finds_each_kind_by_its_key(self, stage: Stage, kind: Kind) -> None:
        """It reads its own writes."""
        order = stage.any_order(kind)
        receipt = stage.processor.submit(order)

        assert receipt == stage.processor.find(order)

    def test_a_look_up_finds_declines_too(self, stage: Stage, processor: Processor) -> None:
        """Who misses a decline charges it again."""
        order = stage.order(Kind.DEBIT, stage.declining_card())
        receipt = processor.submit(order)

        found = processor.find(order)

        assert found is not None
        assert (receipt.uri, Status.FAILED) == (found.uri, found.status)

    def test_a_look_up_reads_every_page(self, stage: Stage, processor: Processor) -> None:
        """The oldest of many refunds is on the last page."""
        debit = stage.debit(amount=1_000)
        orders = [stage.order(Kind.REFUND, debit.uri, amount=1) for _ in range(23)]
        receipts = [processor.submit(order) for order in orders]

        assert receipts == [processor.find(order) for order in orders]

    def test_a_lost_answer_is_unknown_and_then_found(
        self, stage: Stage, processor: Processor
    ) -> None:
        """This is how money is not moved twice."""
        order = stage.order(Kind.DEBIT, stage.card())
        stage.lose_next_answer()

        with pytest.raises(Unknown):
            processor.submit(order)

        found = processor.find(order)
        assert found is not None
        assert (Status.SUCCEEDED, order.key) == (found.status, found.key)

    def test_a_lost_request_is_unknown_and_then_absent(
        self, stage: Stage, processor: Processor
    ) -> None:
        """From here it looks the same as a lost answer."""
        order = stage.order(Kind.DEBIT, stage.card())
        stage.lose_next_request()

        with pytest.raises(Unknown):
            processor.submit(order)

        assert processor.find(order) is None

    def test_an_answer_that_differs_from_the_order_is_never_a_success(
        self, stage: Stage, processor: Processor
    ) -> None:
        """It is unknown until the object itself is read."""
        order = stage.order(Kind.DEBIT, stage.card())
        stage.spoil_next_answer()

        with pytest.raises(Unknown):
            processor.submit(order)

        found = processor.find(order)
        assert found is not None
        assert order.amount == found.amount

    def test_a_throttle_executes_nothing_and_names_a_bearable_wait(
        self, stage: Stage, processor: Processor
    ) -> None:
        """The same key is good later."""
        order = stage.order(Kind.DEBIT, stage.card())
        stage.throttle_next()

        with pytest.raises(Busy) as caught:
            processor.submit(order)

        assert 0 < caught.value.retry_after_seconds <= 300  # noqa: PLR2004 (the protocol's cap)
        assert processor.find(order) is None
        assert processor.submit(order).status is Status.SUCCEEDED

    def test_a_bad_secret_is_a_matter_for_people(self, stage: Stage, processor: Processor) -> None:
        """It stops every call alike, and no error shows it, for errors are stored and shown."""
        account = stage.bad_account()
        order = replace(stage.order(Kind.DEBIT, stage.card()), account=account)

        with pytest.raises(Misconfigured) as caught:
            processor.submit(order)
        with pytest.raises(Misconfigured):
            processor.find(order)
        with pytest.raises(Misconfigured):
            processor.identify(account=account)

        assert account.secret not in f"{caught.value!r} {caught.value.code} {order!r}"

    def test_an_account_has_one_name_and_another_account_another(
        self, stage: Stage, processor: Processor
    ) -> None:
        """The name begins with the processor's own."""
        other = processor.open_account(url=stage.account.url)

        name = processor.identify(account=stage.account)

        assert name == processor.identify(account=stage.account)
        assert name != processor.identify(account=other)
        assert name.startswith(f"{processor.name}:")

    def test_money_objects_are_fetched_by_their_uri(
        self, stage: Stage, processor: Processor, account: Account
    ) -> None:
        """What is read again is what was answered; what is not there is NotFound."""
        receipt = stage.debit()

        assert receipt == processor.fetch(account=account, uri=receipt.uri)
        with pytest.raises(NotFound):
            processor.fetch(account=account, uri=receipt.uri[:-4] + "0nil")

    def test_instruments_say_what_they_can_do(
        self, stage: Stage, processor: Processor, account: Account
    ) -> None:
        """A card can be charged; a fresh bank account can only be paid."""
        card = processor.instrument(account=account, uri=stage.card())
        payee = processor.instrument(account=account, uri=stage.payee())

        assert ("card", True, None) == (card.kind, card.can_debit, card.customer_uri)
        assert ("bank_account", False, True) == (payee.kind, payee.can_debit, payee.can_credit)
        assert card.label
        assert card.expires

    def test_what_is_no_instrument_is_not_taken_for_one(
        self, stage: Stage, processor: Processor, account: Account
    ) -> None:
        """Absent and senseless are told apart."""
        with pytest.raises(NotFound):
            processor.instrument(account=account, uri=stage.card()[:-4] + "0nil")
        for uri in (stage.debit().uri, "", "/cards/../debits", "//elsewhere.example/cards/CC1"):
            with pytest.raises(Rejected):
                processor.instrument(account=account, uri=uri)

    def test_a_customer_is_made_once_per_key(self, stage: Stage) -> None:
        """A second call after a crash gives the same one."""
        alice, again, bob = (stage.customer(key) for key in ("b1-alice", "b1-alice", "b1-bob"))

        assert alice == again
        assert alice != bob

    def test_an_instrument_is_given_to_one_customer_for_good(
        self, stage: Stage, processor: Processor, account: Account
    ) -> None:
        """Twice to the same is harmless; to another is rejected."""
        card, alice, bob = stage.card(), stage.customer("b1-alice"), stage.customer("b1-bob")
        for _ in range(2):
            processor.associate(account=account, instrument_uri=card, customer_uri=alice)

        with pytest.raises(Rejected):
            processor.associate(account=account, instrument_uri=card, customer_uri=bob)

        assert alice == processor.instrument(account=account, uri=card).customer_uri

    def test_an_event_carries_its_object_as_it_stands_now(
        self, stage: Stage, processor: Processor, account: Account
    ) -> None:
        """Even the event of the making shows what became of it."""
        uri = processor.submit(stage.order(Kind.DEBIT, stage.pending_bank_account())).uri
        first = stage.event_ids(uri)[0]
        stage.settle(uri, status=Status.FAILED, code="R01")

        event = processor.event(account=account, event_id=first)

        assert processor.fetch(account=account, uri=uri) == event.receipt
        assert first == event.id
        assert event.occurred_at.endswith("Z")
        assert event.type.startswith("debit.")

    @pytest.mark.parametrize("event_id", ["EV0000000000000000nil", "", "../debits", "EV?a=b"])
    def test_an_event_that_nobody_knows_is_not_found(self, stage: Stage, event_id: str) -> None:
        """Callbacks come from strangers, so their ids may be anything."""
        with pytest.raises(NotFound):
            stage.processor.event(account=stage.account, event_id=event_id)

    def test_a_callback_may_be_registered_twice(self, stage: Stage, processor: Processor) -> None:
        """Neither call fails."""
        for _ in range(2):
            processor.register_callback(account=stage.account, url="http://127.0.0.1:9/callback")

        assert processor.identify(account=stage.account)


class KeyedProcessorContract(ProcessorContract):
    """What a processor of class K does besides: the same key moves money once."""

    def test_it_says_that_it_keeps_keys(self, processor: Processor) -> None:
        """The cycle asks before it sends again."""
        assert processor.key_class is KeyClass.KEYS

    @pytest.mark.parametrize("kind", list(Kind))
    def test_the_same_order_again_gives_the_same_object(self, stage: Stage, kind: Kind) -> None:
        """It is a replay, whatever the kind."""
        order = stage.any_order(kind)

        receipts = [stage.processor.submit(order) for _ in range(3)]

        assert [receipts[0]] * 3 == receipts

    def test_a_decline_is_replayed_too(self, stage: Stage, processor: Processor) -> None:
        """A second try needs a second key."""
        order = stage.order(Kind.DEBIT, stage.declining_card())

        first, second = processor.submit(order), processor.submit(order)

        assert (first.uri, Status.FAILED) == (second.uri, second.status)

    def test_a_lost_answer_is_had_again_with_the_same_key(
        self, stage: Stage, processor: Processor
    ) -> None:
        """The replay is the object that the look-up finds."""
        order = stage.order(Kind.DEBIT, stage.card())
        stage.lose_next_answer()
        with pytest.raises(Unknown):
            processor.submit(order)

        receipt = processor.submit(order)

        assert processor.find(order) == receipt

    def test_the_same_key_with_another_amount_is_a_conflict(
        self, stage: Stage, processor: Processor
    ) -> None:
        """Somebody's books are wrong, so nothing may move."""
        order = stage.order(Kind.DEBIT, stage.card())
        processor.submit(order)

        with pytest.raises(KeyConflict):
            processor.submit(replace(order, amount=order.amount + 1))

    def test_the_same_key_in_another_account_is_another_order(
        self, stage: Stage, processor: Processor
    ) -> None:
        """Tenants cannot disturb each other."""
        order = stage.order(Kind.DEBIT, stage.card())
        processor.submit(order)
        other = processor.open_account(url=stage.account.url)

        assert processor.find(replace(order, account=other)) is None
