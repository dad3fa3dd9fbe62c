"""Test numbers: what a card or a bank account will do is decided by its number.

The numbers are those of Balanced's own test marketplaces. Only the behaviour that follows from a
number is kept, never the number.
"""

# Cards.
DECLINED = "declined"
DISPUTED = "disputed"
CREDITABLE = "creditable"
CREDITABLE_PENDING = "creditable-pending"
UNUSABLE = "unusable"
ORDINARY = "ordinary"
CARD_BEHAVIOURS = {
    "4444444444444448": DECLINED,
    "4222222222222220": UNUSABLE,
    "4342561111111118": CREDITABLE,
    "4210101111111112": CREDITABLE_PENDING,
    "6500000000000002": DISPUTED,
}
CARD_BANKS = {"411111": "JPMORGAN CHASE BANK, N.A.", "434256": "WELLS FARGO BANK, N.A."}
ODD_CVV = {("5112000200000002", "200"): "no", ("4457000300000007", "901"): "unsupported"}
CVV_RESULTS = {
    "yes": "Match",
    "no": "No Match",
    "unsupported": "Card does not support verification",
}
POSTAL_MATCHES = {"94301": "yes", "94103": "yes", "90210": "no", "90211": "unsupported"}
STREET_MATCHES = {"965 Mission St": "yes", "21 Jump St": "no"}
AVS_RESULTS = {  # By street and postal code.
    ("yes", "yes"): "Street address and postal code match.",
    ("no", "no"): "Street address and postal code do not match.",
    ("yes", "no"): "Street address matches, but postal code not verified.",
    ("no", "yes"): "Street address does not match, but 5-digit postal code matches.",
    (None, "yes"): "Postal code matches, but street address not verified.",
    ("yes", None): "Street address matches, but postal code not verified.",
}

# Bank accounts.
STAYS_PENDING = "pending"
SUCCEEDS = "succeeded"
FAILS = "failed"
BANK_BEHAVIOURS = {
    ("021000021", "9900000000"): STAYS_PENDING,
    ("321174851", "9900000001"): STAYS_PENDING,
    ("021000021", "9900000002"): SUCCEEDS,
    ("321174851", "9900000003"): SUCCEEDS,
    ("021000021", "9900000004"): FAILS,
    ("321174851", "9900000005"): FAILS,
}
REFUSED_ROUTING_NUMBERS = frozenset({"100000007", "111111118"})
BANKS = {
    "021000021": "JPMORGAN CHASE BANK",
    "121000358": "BANK OF AMERICA, N.A.",
    "121042882": "WELLS FARGO BANK NA",
    "321174851": "SAN MATEO CREDIT UNION",
    "322271627": "J.P. MORGAN CHASE BANK, N.A.",
}

LUHN_BASE = 10
LUHN_NINES = 9
ROUTING_DIGITS = 9
ABA_WEIGHTS = (3, 7, 1, 3, 7, 1, 3, 7, 1)


def passes_luhn(digits: str) -> bool:
    """Whether the check digit of a card number is right (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - LUHN_NINES if value > LUHN_NINES else value
    return total % LUHN_BASE == 0


def passes_aba(routing_number: str) -> bool:
    """Whether a routing number has nine digits and a right check digit (ABA)."""
    if len(routing_number) != ROUTING_DIGITS or not routing_number.isdecimal():
        return False
    pairs = zip(routing_number, ABA_WEIGHTS, strict=True)
    return sum(int(digit) * weight for digit, weight in pairs) % LUHN_BASE == 0


def card_behaviour(digits: str) -> str:
    """What debits, credits and disputes of a card will do."""
    return CARD_BEHAVIOURS.get(digits, ORDINARY)


def bank_behaviour(routing_number: str, account_number: str) -> str:
    """What debits and credits of a bank account will do; ordinary accounts have no magic."""
    return BANK_BEHAVIOURS.get((routing_number, account_number), ORDINARY)


def card_brand(digits: str) -> str:
    """The brand, by the first digits."""
    first = digits[:1]
    if first in {"2", "5"}:
        return "MasterCard"
    if digits[:2] in {"34", "37"}:
        return "American Express"
    return "Discover" if first == "6" else "Visa"


def cvv_match(digits: str, cvv: str | None) -> str | None:
    """yes, no, unsupported, or None without a code."""
    return None if cvv is None else ODD_CVV.get((digits, cvv), "yes")


def postal_match(postal_code: str | None) -> str | None:
    """yes, no, unsupported, or None without a postal code."""
    return None if postal_code is None else POSTAL_MATCHES.get(postal_code, "unsupported")


def street_match(line1: str | None) -> str | None:
    """yes, no, unsupported, or None without a street."""
    return None if line1 is None else STREET_MATCHES.get(line1, "unsupported")
