"""Merchants' code prices a frozen context, within limits, and can hurt nobody but itself."""

import threading
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import LARGEST_AMOUNT, Money
from core.periods import Period
from tasks import kinds
from tasks.kinds import DebitTask, task
from tasks.limit import Raised, TooSlow, within
from tasks.pricing import LINE_LIMIT, Context, Line, Party, PricingFailed, price

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
CONTEXT = Context(
    customer=Party(guid="CU1", name="Alice", external_id="alice"),
    params={"rate": 2, "tiers": [{"to": 10}], "names": {"a": "b"}},
    period=Period(JANUARY, FEBRUARY),
    elapsed=None,
    occurrence=1,
    now=JANUARY,
    currency="USD",
    amount=None,
    description="the goat",
    metered={"storage_gb": Decimal("2.5"), "calls": Decimal(1000)},
)
PLENTY_SECONDS = 30
DOLLAR = Line(description="A dollar", amount=Money(100, "USD"))


@pytest.fixture(autouse=True)
def book():
    before = dict(kinds._book)
    yield
    kinds._book.clear()
    kinds._book.update(before)


def priced(code, *, limit_seconds=PLENTY_SECONDS, context=CONTEXT):
    """Price a context with a function that stands in for a task's own code."""

    class Theirs(DebitTask):
        def price(self, context):
            return code(context)

    task("test-theirs")(Theirs)
    return price("test-theirs", context, limit_seconds=limit_seconds)


def failure_of(code, **given):
    with pytest.raises(PricingFailed) as caught:
        priced(code, **given)
    return str(caught.value)


def dollar(**changes):
    return replace(DOLLAR, **changes)


def money(amount):
    return Money(amount, "USD")


def raise_(error):
    raise error


class Broken(Exception):
    def __str__(self):
        raise RuntimeError


def test_a_line_explains_itself():
    (line,) = priced(
        lambda c: c.line("Storage", quantity=c.usage("storage_gb"), unit_amount=Money(2, "USD"))
    )

    assert Money(5, "USD") == line.amount
    assert line.inputs == {
        "quantity": "2.5",
        "unit_amount": 2,
        "formula": "quantity * unit_amount",
        "rounding": "none",
    }


def test_usage_is_whole_where_it_can_be_and_nothing_where_none_was_reported():
    found = [CONTEXT.usage(metric) for metric in ("calls", "storage_gb", "other")]

    assert found == [1000, Decimal("2.5"), 0]
    assert [int, Decimal, int] == [type(each) for each in found]


@given(st.integers(-(10**6), 10**6), st.decimals(0, 10**6, places=4))
def test_fractions_are_rounded_half_even_and_say_so(unit, quantity):
    exact = unit * quantity

    line = CONTEXT.line("Storage", quantity=quantity, unit_amount=Money(unit, "USD"))

    assert int(exact.to_integral_value(ROUND_HALF_EVEN)) == line.amount.amount
    assert ("none" if exact == line.amount.amount else "half-even") == line.inputs["rounding"]


@pytest.mark.parametrize(("quantity", "cents"), [("0.5", 0), ("1.5", 2), ("2.5", 2), ("3.5", 4)])
def test_a_half_goes_to_the_even_neighbour(quantity, cents):
    line = CONTEXT.line("x", quantity=Decimal(quantity), unit_amount=Money(1, "USD"))

    assert cents == line.amount.amount


def test_several_lines_come_in_their_order_and_may_take_off():
    off = Line(description="Off", amount=Money(-100, "USD"), inputs={"why": "loyal"})

    assert (DOLLAR, off) == priced(lambda _: [DOLLAR, off])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (lambda _: raise_(ValueError("no price")), "ValueError: no price"),
        (lambda _: raise_(SystemExit(3)), "SystemExit: 3"),
        (lambda _: raise_(KeyboardInterrupt), "KeyboardInterrupt"),
        (lambda _: raise_(Broken), "Broken"),
        (lambda _: raise_(ValueError("nul \0 and \n and \ud800")), "nul   and   and \ufffd"),
        (lambda _: raise_(ValueError("card 4111 1111 1111 1111")), "left out"),
        (lambda _: raise_(ValueError("x" * 10_000)), "ValueError: xxx"),
        (lambda _: None, "returned NoneType; a Line is needed"),
        (lambda _: 100, "returned int"),
        (lambda _: "text", "returned str"),
        (lambda _: Money(100, "USD"), "returned Money"),
        (lambda _: (each for each in [DOLLAR]), "returned generator"),
        (lambda _: [], "returned 0 lines"),
        (lambda _: [DOLLAR] * (LINE_LIMIT + 1), "returned 501 lines"),
        (lambda _: [DOLLAR, None], "returned NoneType"),
        (lambda _: dollar(amount=100), "a Line is needed"),
        (lambda _: dollar(amount=Money(1, "EUR")), "priced in EUR; USD is needed"),
        (lambda _: dollar(amount=Money(-1, "USD")), "the total -1 is not from 0"),
        (lambda _: [dollar(amount=Money(LARGEST_AMOUNT, "USD"))] * 2, "the total"),
        (lambda _: money(1.5), "Invalid: amount"),
        (lambda _: dollar(description="x" * 201), "description: must be text of at most"),
        (lambda _: dollar(description=None), "description: must be text"),
        (lambda _: dollar(description="nul\0"), "control characters"),
        (lambda _: dollar(description="4111111111111111"), "payment card"),
        (lambda _: dollar(inputs={"rate": 0.5}), "inputs.rate: must be a whole number"),
        (lambda _: dollar(inputs={"rate": True}), "inputs.rate: must be a whole number"),
        (lambda _: dollar(inputs={"big": 2**60}), "inputs.big: must be a whole number"),
        (lambda _: dollar(inputs={7: 1}), "inputs: must be text"),
        (lambda _: dollar(inputs={"note": "\ud800"}), "inputs.note"),
        (lambda _: dollar(inputs=None), "AttributeError"),
        (lambda c: c.fixed_line(), "there is no fixed amount"),
        (lambda c: c.params["none"], "KeyError: 'none'"),
    ],
)
def test_what_cannot_be_billed_is_told_in_a_line(code, words):
    found = failure_of(code)

    assert words in found
    assert len(found) <= 550
    assert found.isprintable()
    assert "4111" not in found


def test_a_sequence_that_misbehaves_is_read_within_the_limits():
    class Endless(list):
        def __iter__(self):
            while True:
                yield DOLLAR

        def __len__(self):
            return 1

    assert "took longer" in failure_of(lambda _: Endless(), limit_seconds=0.05)


def test_an_endless_loop_is_given_up_and_ends():
    ended = threading.Event()

    def spin(_):
        try:
            while True:
                pass
        finally:
            ended.set()

    assert "took longer than 0.05 seconds" in failure_of(spin, limit_seconds=0.05)
    assert ended.wait(PLENTY_SECONDS)


def test_code_that_waits_for_ever_is_given_up_in_any_thread():
    never, found = threading.Event(), []

    def in_a_worker():
        found.append(failure_of(lambda _: never.wait(), limit_seconds=0.05))

    thread = threading.Thread(target=in_a_worker)
    thread.start()
    thread.join(PLENTY_SECONDS)
    never.set()

    assert ["took longer" in each for each in found] == [True]


def test_an_error_of_the_waiting_thread_is_not_taken_for_one_of_the_code():
    with pytest.raises(Raised) as caught:
        within(PLENTY_SECONDS, lambda: raise_(SystemExit()))

    assert isinstance(caught.value.error, SystemExit)
    assert not issubclass(TooSlow, Exception)


@pytest.mark.parametrize(
    "code",
    [
        lambda c: c.params.update(rate=0),
        lambda c: c.params["tiers"].append(1),
        lambda c: c.params["tiers"][0].update(to=0),
        lambda c: c.params["names"].clear(),
        lambda c: c.metered.clear(),
    ],
)
def test_a_context_is_frozen_all_the_way_down(code):
    found = failure_of(code)

    assert "AttributeError" in found
    assert CONTEXT.params == {"rate": 2, "tiers": [{"to": 10}], "names": {"a": "b"}}


def test_neither_context_nor_line_takes_a_new_value():
    with pytest.raises(FrozenInstanceError):
        CONTEXT.amount = 1
    with pytest.raises(FrozenInstanceError):
        DOLLAR.amount = Money(0, "USD")


def test_the_same_context_gives_the_same_answer():
    def code(c):
        return c.line("Rate", quantity=c.params["rate"], unit_amount=Money(3, c.currency))

    assert priced(code) == priced(code)


def test_a_kind_that_is_not_there_is_told():
    with pytest.raises(PricingFailed, match="task gone: Invalid: task: is not known"):
        price("gone", CONTEXT, limit_seconds=PLENTY_SECONDS)


def test_a_kind_without_a_price_is_told():
    task("test-silent")(type("Silent", (DebitTask,), {}))

    with pytest.raises(PricingFailed, match="Silent must say its price"):
        price("test-silent", CONTEXT, limit_seconds=PLENTY_SECONDS)


def test_the_fixed_kinds_charge_the_fixed_amount():
    (line,) = price("fixed-debit", replace(CONTEXT, amount=100), limit_seconds=PLENTY_SECONDS)

    assert ("the goat", Money(100, "USD")) == (line.description, line.amount)
