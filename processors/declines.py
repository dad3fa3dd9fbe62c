"""Which failures must not be tried again with the same instrument.

A hard failure says that the instrument itself is finished or forbidden; a soft one, that another
day may go better. A doubt is soft: that costs one more polite try, a wrong hard one a customer.
"""

import re

# What card networks' words mean, as processors write them in codes and reasons. Do-not-honor,
# insufficient funds and plain declines are absent on purpose: they often pass days later.
HARD_WORDS = re.compile(
    r"\b(?:lost|stolen|pick[ -]?up|expired|closed|frozen|revoked|deceased|fraud(?:ulent)?"
    r"|restricted card|invalid (?:card|account)(?: number)?|no (?:such )?(?:card|account)"
    r"|account not found|not a transaction account|do not (?:retry|try again)"
    r"|stop(?:ped)? payment|payment stopped|unauthori[sz]ed)\b"
)

# A return of the United States' bank network (Nacha): R01 to R85, alone or before its explanation.
BANK_RETURN = re.compile(r"\bR(?P<number>\d{2})\b")

# Insufficient and uncollected funds: by Nacha's rules the only returns that may be presented again.
SOFT_RETURNS = frozenset({"01", "09"})


def is_hard(*, code: str, reason: str) -> bool:
    """Say whether a failure with this code and reason forbids the same instrument for good."""
    returned = BANK_RETURN.search(f"{code} {reason}")
    if returned:
        return returned["number"] not in SOFT_RETURNS
    words = f"{code} {reason}".lower().replace("_", " ").replace("-", " ")
    return HARD_WORDS.search(words) is not None
