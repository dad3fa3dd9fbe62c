"""Money adds up, rounds by name and takes no floats."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import iso4217
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.currencies import EXPONENTS
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT, CurrencyMismatch, Money

AMOUNTS = st.integers(-LARGEST_AMOUNT, LARGEST_AMOUNT)
SMALL = st.integers(-(10**9), 10**9)
CURRENCIES = st.sampled_from(sorted(EXPONENTS))
DOLLARS = st.builds(Money, AMOUNTS, st.just("USD"))
FACTORS = st.fractions(min_value=-1000, max_value=1000)


def test_the_currencies_are_those_of_iso_4217_that_have_a_minor_unit():
    known = {each.code: each.exponent for each in iso4217.Currency if each.exponent is not None}

    assert dict(EXPONENTS) == known


@pytest.mark.parametrize(
    "amount",
    [1.0, 0.5, True, False, "7", None, Decimal(1), Fraction(1), LARGEST_AMOUNT + 1, -(2**63)],
)
def test_an_amount_is_an_int_within_bounds(amount):
    with pytest.raises(Invalid, match="amount: must be"):
        Money(amount, "USD")


@pytest.mark.parametrize("currency", ["usd", "US", "XXX", "XAU", "", "ZZZ", None, 840, "USD "])
def test_a_currency_is_a_known_code_in_capitals(currency):
    with pytest.raises(Invalid, match="currency: must be an ISO 4217 code"):
        Money(1, currency)


def test_a_currency_that_cannot_be_hashed_is_invalid_too():
    with pytest.raises(Invalid):
        Money(1, ["USD"])


@given(SMALL, SMALL)
def test_sums_and_differences_are_those_of_the_amounts(one, other):
    left, right = Money(one, "USD"), Money(other, "USD")

    assert left + right == Money(one + other, "USD")
    assert left - right == Money(one - other, "USD")
    assert -left == Money(-one, "USD")
    assert left * 3 == 3 * left == Money(3 * one, "USD")
    assert (left < right, left <= right, left > right, left >= right) == (
        one < other,
        one <= other,
        one > other,
        one >= other,
    )


@pytest.mark.parametrize(
    "operation",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
        lambda a, b: Money.total([a, b], currency="USD"),
    ],
)
def test_two_currencies_never_meet(operation):
    with pytest.raises(CurrencyMismatch):
        operation(Money(1, "USD"), Money(1, "EUR"))


def test_equal_amounts_of_two_currencies_are_not_equal():
    assert Money(1, "USD") != Money(1, "EUR")


@pytest.mark.parametrize("other", [1, 1.0, Decimal(1), "1", None])
def test_money_goes_with_money_only(other):
    with pytest.raises(TypeError):
        Money(1, "USD") + other


@pytest.mark.parametrize("times", [1.5, True, Decimal(2), Fraction(1, 2)])
def test_a_product_with_a_fraction_must_name_its_rounding(times):
    with pytest.raises(TypeError):
        Money(1, "USD") * times


def test_leaving_the_bounds_is_invalid():
    with pytest.raises(Invalid):
        Money(LARGEST_AMOUNT, "USD") + Money(1, "USD")


def test_the_total_of_nothing_is_zero():
    assert Money.total([], currency="JPY") == Money.zero("JPY")
    assert not Money.zero("JPY")
    assert Money(-1, "JPY")


@given(SMALL, FACTORS)
def test_rounding_agrees_with_the_decimal_module(amount, factor):
    exact = amount * factor
    doubled = Decimal(2 * exact.numerator // exact.denominator)
    if 2 * exact != int(doubled):  # Only a half is doubtful; shift the rest off the grid.
        doubled += Decimal("0.5")
    money = Money(amount, "USD")

    assert money.multiply_half_even(factor).amount == (doubled / 2).quantize(
        Decimal(1), ROUND_HALF_EVEN
    )
    assert money.multiply_half_up(factor).amount == (doubled / 2).quantize(
        Decimal(1), ROUND_HALF_UP
    )


@pytest.mark.parametrize(
    ("amount", "factor", "half_even", "half_up"),
    [
        (125, Fraction(1, 10), 12, 13),
        (-125, Fraction(1, 10), -12, -13),
        (135, Fraction(1, 10), 14, 14),
        (2000, Fraction(21, 31), 1355, 1355),
        (4000, Fraction(21, 31), 2710, 2710),
        (2000, Fraction(1_758_600, 2_678_400), 1313, 1313),
        (3000, Fraction(1_382_400, 2_674_800), 1550, 1550),
        (9100, Fraction(42, 91), 4200, 4200),
        (-5000, Fraction(20, 30), -3333, -3333),
        (1000, Fraction(20, 30), 667, 667),
        (7, Decimal("0.5"), 4, 4),
        (5, Decimal("0.5"), 2, 3),
        (3, 2, 6, 6),
    ],
)
def test_worked_roundings(amount, factor, half_even, half_up):
    money = Money(amount, "USD")

    assert money.multiply_half_even(factor) == Money(half_even, "USD")
    assert money.multiply_half_up(factor) == Money(half_up, "USD")


@pytest.mark.parametrize("factor", [0.5, True, "1", None, Decimal("NaN"), Decimal("1E+999999")])
def test_only_exact_factors_of_ordinary_size_are_taken(factor):
    for multiply in (Money(1, "USD").multiply_half_even, Money(1, "USD").multiply_half_up):
        with pytest.raises(Invalid, match="factor"):
            multiply(factor)


def test_tax_is_taken_on_the_rounded_line():
    line = Money(20_000, "USD").multiply_half_even(Fraction(29, 30))

    tax = line.share_basis_points(2_500)

    assert (line, tax, line + tax) == (
        Money(19_333, "USD"),
        Money(4_833, "USD"),
        Money(24_166, "USD"),
    )


@pytest.mark.parametrize("basis_points", [1.5, True, "1"])
def test_basis_points_are_whole(basis_points):
    with pytest.raises(Invalid):
        Money(1, "USD").share_basis_points(basis_points)


@pytest.mark.parametrize(
    ("amount", "parts", "expected"),
    [
        (100, 3, [33, 33, 34]),
        (-100, 3, [-33, -33, -34]),
        (2, 3, [0, 1, 1]),
        (0, 2, [0, 0]),
        (7, 1, [7]),
    ],
)
def test_worked_splits(amount, parts, expected):
    assert [each.amount for each in Money(amount, "USD").split(parts)] == expected


@given(DOLLARS, st.integers(1, 200))
def test_parts_add_up_and_differ_by_one_at_most(money, parts):
    split = money.split(parts)

    assert Money.total(split, currency="USD") == money
    assert len(split) == parts
    assert max(split) - min(split) <= Money(1, "USD")


@given(DOLLARS, st.lists(st.integers(0, 10**6), min_size=1, max_size=30).filter(any))
def test_weighted_parts_add_up_and_lie_next_to_their_exact_share(money, weights):
    split = money.split_by_weights(weights)

    assert Money.total(split, currency="USD") == money
    for part, weight in zip(split, weights, strict=True):
        assert abs(part.amount - Fraction(money.amount * weight, sum(weights))) < 1
        assert weight or not part


def test_the_largest_remainder_gets_the_odd_unit():
    split = Money(100, "USD").split_by_weights([1, 2, 4])  # 14.29, 28.57, 57.14

    assert [each.amount for each in split] == [14, 29, 57]


@pytest.mark.parametrize("parts", [0, -1, 1.0, True, 10_001])
def test_parts_are_a_whole_number_within_bounds(parts):
    with pytest.raises(Invalid, match="parts"):
        Money(1, "USD").split(parts)


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [0.5], [True]])
def test_weights_are_whole_and_not_all_zero(weights):
    with pytest.raises(Invalid, match="weights"):
        Money(1, "USD").split_by_weights(weights)


@pytest.mark.parametrize(
    ("money", "shown", "plain"),
    [
        (Money(1_605_509, "USD"), "$16,055.09", "16055.09"),
        (Money(-500, "EUR"), "-€5.00", "-5.00"),
        (Money(12_345, "KWD"), "12.345 KWD", "12.345"),
        (Money(1_200, "JPY"), "¥1,200", "1200"),
        (Money(-5, "USD"), "-$0.05", "-0.05"),
        (Money(-5, "CAD"), "-0.05 CAD", "-0.05"),
        (Money(123_456, "CLF"), "12.3456 CLF", "12.3456"),
        (Money(0, "GBP"), "£0.00", "0.00"),
    ],
)
def test_amounts_as_people_read_them(money, shown, plain):
    assert money.display() == str(money) == shown
    assert money.plain() == plain


@given(AMOUNTS, CURRENCIES)
def test_what_is_displayed_can_be_read_again(amount, currency):
    money = Money(amount, currency)

    assert Money.parse(money.display(), currency) == money
    assert Money.parse(money.plain(), currency) == money


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("29.85", "USD", 2985),
        ("29.9", "USD", 2990),
        (" 1,200 ", "USD", 120_000),
        ("1200", "JPY", 1200),
        ("-$5.00", "USD", -500),
        ("$-5", "USD", -500),
        ("20 USD", "USD", 2000),
        ("0.001", "KWD", 1),
    ],
)
def test_worked_readings(text, currency, amount):
    assert Money.parse(text, currency) == Money(amount, currency)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1.005", "1e3", "ten", "1_000", "\u0661\u0662", "\uff11\uff12", "1,20", "12,34.00",
        "--1", "+-1", ".5", "5.", "1 000",
        "€5", "5 EUR", "nan", "inf", "0x10", "-$-5", "9" * 17, "1\n", None, 12, 1.5,
    ],
)  # fmt: skip
def test_doubtful_text_is_refused(text):
    with pytest.raises(Invalid, match="price: must be"):
        Money.parse(text, "USD", field="price")


def test_reading_beyond_the_largest_amount_names_the_field():
    with pytest.raises(Invalid, match="price: must be from"):
        Money.parse("9999999999999999", "USD", field="price")
