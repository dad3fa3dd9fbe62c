"""What an invoice is made of, paid with and refunded by: in JSON, or numbered as in a form."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from accounts.models import EXTERNAL_LIMIT
from billy.api.given import all_of
from billy.api.inputs import Guid, Input, Many, Nested, Statement, Text, Uri, Whole
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT
from tasks.pricing import LINE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping

TITLE_LIMIT = 128
WORD_LIMIT = 128
REASON_LIMIT = 200  # It becomes a line of the invoice.
MOST_ADJUSTMENTS = LINE_LIMIT - 1  # The amount itself is a line too.


class ItemInput(Input):
    """An item: name and amount are needed."""

    is_lenient = True
    name = Text(WORD_LIMIT, required=True, example="Goat cheese")
    amount = Whole(-LARGEST_AMOUNT, required=True, example=1000)
    type = Text(WORD_LIMIT)
    quantity = Whole(-LARGEST_AMOUNT)
    volume = Whole(-LARGEST_AMOUNT)
    unit = Text(WORD_LIMIT)


class AdjustmentInput(Input):
    """An adjustment: its amount may be negative."""

    is_lenient = True
    amount = Whole(-LARGEST_AMOUNT, required=True, example=-100)
    reason = Text(REASON_LIMIT, example="A faithful customer")


class NewInvoice(Input):
    """What an invoice is made of.

    A form numbers items and adjustments: `item_name0`, `item_amount0`, `adjustment_amount0`, …
    """

    is_lenient = True
    customer_guid = Guid("customer", required=True, example="CU1CVuyknFeagYMVp1LKhQ15")
    amount = Whole(0, required=True, about="Minor units.", example=1000)
    funding_instrument_uri = Uri(example="/cards/CC4zyuNpxY0A0eAf87SeULCR")
    title = Text(TITLE_LIMIT)
    external_id = Text(EXTERNAL_LIMIT, about="Your own name for it; unique for the customer.")
    appears_on_statement_as = Statement()
    items = Many(Nested(ItemInput), LINE_LIMIT)
    adjustments = Many(Nested(AdjustmentInput), MOST_ADJUSTMENTS)

    @classmethod
    def read(cls, data: Mapping[str, Any], *, is_form: bool) -> dict[str, Any]:
        """Return the values; the numbered ones of a form are put together."""
        if not is_form:
            return super().read(data, is_form=False)
        plain = {name: value for name, value in data.items() if name not in {ITEMS, ADJUSTMENTS}}
        problems, values = [], {}
        try:
            values = super().read(plain, is_form=True)
        except Invalid as problem:
            problems.append(problem)
        for name, prefix, one in NUMBERED:
            try:
                values[name] = _numbered(data, prefix, one)
            except Invalid as problem:
                problems.append(problem)
        if problems:
            raise Invalid.combined(problems)
        return values


ITEMS, ADJUSTMENTS = "items", "adjustments"
NUMBERED: tuple[tuple[str, str, type[Input]], ...] = (
    (ITEMS, "items?", ItemInput),
    (ADJUSTMENTS, "adjustments?", AdjustmentInput),
)


def _numbered(data: Mapping[str, Any], prefix: str, one: type[Input]) -> list[dict[str, Any]]:
    """Return what `item_name0`, `item_amount0`, … say, by their numbers; raises Invalid."""
    fields = "|".join(one.given())
    pattern = re.compile(rf"({prefix})_({fields})(-?[0-9]{{1,18}})", re.ASCII)
    found: dict[int, dict[str, Any]] = {}
    names: dict[tuple[int, str], str] = {}
    for name, value in data.items():
        match = pattern.fullmatch(name)
        if match is not None:
            _, field, number = match.groups()
            found.setdefault(int(number), {})[field] = value
            names[int(number), field] = name
    if len(found) > LINE_LIMIT:
        raise Invalid({prefix.rstrip("?"): f"must be at most {LINE_LIMIT}"})
    return all_of(
        partial(_one, found[number], number, names, prefix, one) for number in sorted(found)
    )


def _one(
    data: dict[str, Any],
    number: int,
    names: dict[tuple[int, str], str],
    prefix: str,
    one: type[Input],
) -> dict[str, Any]:
    try:
        return one.read(data, is_form=True)
    except Invalid as problem:
        usual = prefix.rstrip("s?")
        told = {
            names.get((number, field), f"{usual}_{field}{number}"): words
            for field, words in problem.errors.items()
        }
        raise type(problem)(told) from None


class NewInstrument(Input):
    """With what to pay."""

    is_lenient = True
    funding_instrument_uri = Uri(required=True, example="/cards/CC4zyuNpxY0A0eAf87SeULCR")


class Refund(Input):
    """How much to give back."""

    is_lenient = True
    amount = Whole(1, required=True, about="Minor units.", example=500)
