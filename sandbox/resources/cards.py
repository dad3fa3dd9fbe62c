"""Cards."""

import re

from sandbox import fields, magic
from sandbox.calls import Call, Reply, Routes
from sandbox.clock import instant
from sandbox.errors import Refusal, invalid, missing
from sandbox.fields import Body
from sandbox.records import Address, Card, CardHold, Credit, Debit, Dispute
from sandbox.resources.common import (
    associated_on_creation,
    deleter,
    lister,
    lister_within,
    patcher,
    reader,
    update_instrument,
    updater,
)
from sandbox.wire import Json

DIGITS = re.compile(r"[0-9]{12,19}")
SEPARATORS = re.compile(r"[\s-]")
CODE = re.compile(r"[0-9]{3,4}")
MONTHS = 12
LAST_YEAR = 3000
SHOWN_DIGITS = 4


def create(call: Call) -> Reply:
    """A card. Without a key only a token is answered, and refusals wait for the first key."""
    made = new_card(call, call.body, customer=associated_on_creation(call))
    return Reply(status=201, record=made, bare=call.api_key is None)


def new_card(call: Call, body: Body, *, customer: str | None) -> Card:
    """Tokenise a card. The number itself is forgotten here.

    Raises Refusal: `request` for missing or expired fields, `card-not-validated` for a wrong check
    digit, `card-declined` for the test number that cannot be tokenised.
    """
    number, month, year = _needed(call, body)
    digits = SEPARATORS.sub("", number)
    refusal = _refusal(digits)
    if refusal is not None and call.api_key is not None:
        raise Refusal(refusal, extras={"number": f'"{_mask(digits)}" is not a valid card number'})
    cvv = fields.text(body, "cvv")
    if cvv is not None and not CODE.fullmatch(cvv):
        raise invalid("cvv", "must be three or four digits")
    address = fields.address(body)
    return call.work.make(
        Card,
        number=_mask(digits),
        expiration_month=month,
        expiration_year=year,
        brand=magic.card_brand(digits),
        fingerprint=call.ids.fingerprint("card", digits, str(month), str(year)),
        behaviour=magic.card_behaviour(digits),
        bank_name=magic.CARD_BANKS.get(digits[:6], ""),
        name=fields.text(body, "name"),
        address=address,
        customer=customer,
        refusal=refusal,
        meta=fields.meta(body),
        **_checks(digits, cvv, address),
    )


def _needed(call: Call, body: Body) -> tuple[str, int, int]:
    number = fields.text(body, "number")
    month = fields.integer(body, "expiration_month", low=1, high=MONTHS)
    year = fields.integer(body, "expiration_year", low=0, high=LAST_YEAR)
    if number is None or month is None or year is None:
        given = {"number": number, "expiration_month": month, "expiration_year": year}
        raise missing(*(name for name, value in given.items() if value is None))
    now = instant(call.work.at)
    if (year, month) < (now.year, now.month):
        names = ("expiration_month", "expiration_year")
        raise Refusal("request", "Card is expired.", extras=dict.fromkeys(names, "is expired"))
    return number, month, year


def _refusal(digits: str) -> str | None:
    if not DIGITS.fullmatch(digits) or not magic.passes_luhn(digits):
        return "card-not-validated"
    return "card-declined" if magic.card_behaviour(digits) == magic.UNUSABLE else None


def _mask(digits: str) -> str:
    return "x" * max(len(digits) - SHOWN_DIGITS, 0) + digits[-SHOWN_DIGITS:]


def _checks(digits: str, cvv: str | None, address: Address) -> dict[str, Json]:
    """What the checks of security code and address say."""
    cvv_match = magic.cvv_match(digits, cvv)
    street = magic.street_match(address["line1"])
    postal = magic.postal_match(address["postal_code"])
    return {
        "cvv": None if cvv is None else "x" * len(cvv),
        "cvv_match": cvv_match,
        "cvv_result": None if cvv_match is None else magic.CVV_RESULTS[cvv_match],
        "avs_street_match": street,
        "avs_postal_match": postal,
        "avs_result": magic.AVS_RESULTS.get((street, postal)),
    }


ROUTES: Routes = {
    "cards": {"POST": create, "GET": lister(Card)},
    "cards/:": {
        "GET": reader(Card),
        "PUT": updater(Card, update_instrument),
        "PATCH": patcher(Card, update_instrument),
        "DELETE": deleter(Card),
    },
    "cards/:/debits": {"GET": lister_within(Card, Debit)},
    "cards/:/credits": {"GET": lister_within(Card, Credit)},
    "cards/:/card_holds": {"GET": lister_within(Card, CardHold)},
    "cards/:/disputes": {"GET": lister_within(Card, Dispute)},
}
