"""Card numbers are found however they are written, and ordinary names are let by."""

import uuid
from base64 import b32encode
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cards import contains_card_number
from core.ids import PREFIXES, guid, payment_key, uuid7

# Published test numbers of the card networks; none is a real card.
NUMBERS = [
    "4111111111111111", "4242424242424242", "4012888888881881", "4222222222222",
    "5555555555554444", "5105105105105100", "2223003122003222", "378282246310005",
    "371449635398431", "6011111111111117", "3530111333300000", "30569309025904",
    "38520000023237", "6200000000000005", "6304000000000000", "6759649826438453",
    "4000000000000000006", "8171999927660000", "122000000000003",
]  # fmt: skip

INSTANTS = st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC))


def luhn(stem):
    """Return the digits with a check digit behind them."""
    doubled = [int(d) * (2 - n % 2) for n, d in enumerate(reversed(stem))]
    return stem + str(-sum(d // 10 + d % 10 for d in doubled) % 10)


CARDS = st.from_regex(r"\A[2-9][0-9]{11,17}\Z").map(luhn)


def grouped(number, sizes, separator):
    parts, rest = [], number
    for size in sizes:
        parts.append(rest[:size])
        rest = rest[size:]
    return separator.join([part for part in [*parts, rest] if part])


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "written",
    [
        lambda number: number,
        lambda number: f"my card is {number}, thanks",
        lambda number: f"https://example.com/pay?card={number}&x=1",
        lambda number: f'{{"pan":"{number}"}}',
        lambda number: grouped(number, [4, 4, 4], " "),
        lambda number: grouped(number, [4, 4, 4], "-"),
        lambda number: grouped(number, [4, 4, 4], "."),
        lambda number: grouped(number, [4, 4, 4], " - "),
        lambda number: grouped(number, [4, 4, 4], "\u00a0"),
        lambda number: grouped(number, [4, 4, 4], "\u2013"),
        lambda number: grouped(number, [4, 4, 4], "\t"),
        lambda number: grouped(number, [4, 4, 4], "/"),
        lambda number: grouped(number, [4, 4, 4], "_"),
        lambda number: grouped(number, [4, 4, 4], ", "),
        lambda number: grouped(number, [4, 4, 4], "*"),
        lambda number: grouped(number, [4, 4, 4], "::"),
        lambda number: grouped(number, [4, 4, 4], "\u00b7"),
        lambda number: grouped(number, [4, 4, 4], "\u2003\u2003"),
        lambda number: grouped(number, [4, 6], "|"),
        lambda number: grouped(number, [4, 6], " "),
        ",".join,
        lambda number: grouped(number, [6], " "),
        " ".join,
        "\u200b".join,
        lambda number: number.translate({48 + n: 0x660 + n for n in range(10)}),
        lambda number: number.translate({48 + n: 0xFF10 + n for n in range(10)}),
        lambda number: f"12 {grouped(number, [4, 4, 4], ' ')} 0730",
    ],
)
def test_test_numbers_are_found_in_every_writing(number, written):
    assert contains_card_number(written(number))


@given(CARDS, st.text(alphabet=" :;,=/#(", max_size=5), st.text(alphabet=" :;,=/#)", max_size=5))
def test_every_number_that_passes_the_check_is_found(card, before, after):
    assert contains_card_number(before + card + after)


@given(CARDS, st.integers(1, 9))
def test_a_number_that_fails_the_check_is_none(card, offset):
    wrong = card[:-1] + str((int(card[-1]) + offset) % 10)

    assert not contains_card_number(wrong)


@given(st.uuids())
def test_uuids_are_let_by(identity):
    assert not contains_card_number(str(identity))
    assert not contains_card_number(f"order {identity} of today")


@pytest.mark.parametrize(
    "text",
    [
        "", "Storage", "12345678-1234-4234-8234-123456789012",
        "00000000-0000-0000-0000-000000000000", "0000000000000000", "2026-01-31 - 2026-02-28",
        "2026-01-01 2026-01-02 2026-01-03", "1,234,567,890,123", "192.168.100.200",
        "+1 212 555 0100", "100, 200, 300, 400, 509", "1579666323.73646",
        "2026/01/31 12:30:00, 2026/02/28", "(555) 555/5555 555/5555",
        "x4111111111111111", "4111111111111111x", "1767225600000",
        "41111111111111111111", "10 20 30 40 50 60 70", "12:30:00 12:30:00", "4111 1111 1111",
    ],
)  # fmt: skip
def test_ordinary_text_is_let_by(text):
    assert not contains_card_number(text)


@given(st.uuids(), st.sampled_from(sorted(PREFIXES.values())))
def test_guids_are_let_by(identity, prefix):
    assert not contains_card_number(guid(prefix, identity))


@given(INSTANTS)
def test_instants_and_ids_made_of_them_are_let_by(instant):
    assert not contains_card_number(instant.isoformat())
    assert not contains_card_number(instant.isoformat(" "))
    assert not contains_card_number(instant.strftime("%Y%m%dT%H%M%SZ"))
    assert not contains_card_number(str(uuid7(now=instant)))


@given(st.uuids(), st.integers(0, 10_000), st.integers(1, 20))
def test_payment_keys_are_let_by(identity, occurrence, attempt):
    key = payment_key(
        instance_id=str(identity),
        company=guid("CP", identity),
        subject=guid("SU", uuid.UUID(int=identity.int ^ 1)),
        occurrence=occurrence,
        attempt=attempt,
    )

    assert not contains_card_number(key)
    assert not contains_card_number(b32encode(sha256(key.encode()).digest()).decode())
