"""What comes of a movement of money, and when."""

from sandbox import magic
from sandbox.calls import Call
from sandbox.clock import later
from sandbox.wire import Json

# Return codes of the ACH network (Nacha operating rules, appendix 4), those that tests use most.
RETURN_REASONS = {
    "R01": "Insufficient funds.",
    "R02": "Account closed.",
    "R03": "No account, or unable to locate account.",
    "R04": "Invalid account number.",
    "R05": "Unauthorized debit to consumer account.",
    "R07": "Authorization revoked by customer.",
    "R08": "Payment stopped.",
    "R09": "Uncollected funds.",
    "R10": "Customer advises not authorized.",
    "R16": "Account frozen.",
    "R20": "Non-transaction account.",
    "R29": "Corporate customer advises not authorized.",
}
DISPUTED = "dispute"  # The fate of a debit that will be disputed.
FAILING_CODE = "R03"  # What the failing test accounts answer.


def return_reason(code: str) -> str:
    """The text of a return code."""
    return RETURN_REASONS.get(code, "The bank returned the transaction.")


def succeeded(call: Call) -> dict[str, Json]:
    """The fields of a transaction that is done."""
    return {"status": "succeeded", "succeeded_at": call.work.at}


def failed(call: Call, code: str, reason: str) -> dict[str, Json]:
    """The fields of a transaction that came to nothing."""
    return {
        "status": "failed",
        "failed_at": call.work.at,
        "failure_reason_code": code,
        "failure_reason": reason,
    }


def bank(call: Call, behaviour: str) -> dict[str, Json]:
    """The fields of a movement to or from a bank account, by the account's number.

    An ordinary account's succeeds at once or, with a delay, is pending first. Those that succeed
    may come back later.
    """
    options = call.options
    if behaviour == magic.STAYS_PENDING:
        return {"status": "pending"}
    if behaviour == magic.FAILS:
        return failed(call, FAILING_CODE, return_reason(FAILING_CODE))
    fate = call.chances.returned()
    if behaviour == magic.ORDINARY and options.ach_delay_seconds is not None:
        due_at = later(call.work.at, options.ach_delay_seconds)
        return {"status": "pending", "due_at": due_at, "fate": fate}
    values = succeeded(call)
    if fate is not None:
        due_at = later(call.work.at, options.ach_return_after_seconds)
        values |= {"due_at": due_at, "fate": fate}
    return values


def card(call: Call, behaviour: str) -> dict[str, Json]:
    """The fields of a debit of a card that was not declined."""
    values = succeeded(call)
    if behaviour == magic.DISPUTED:
        due_at = later(call.work.at, call.options.dispute_delay_seconds)
        values |= {"due_at": due_at, "fate": DISPUTED}
    return values


def decline(call: Call, card_id: str, behaviour: str) -> tuple[str, str] | None:
    """The code and reason with which a card is declined now, or None."""
    if behaviour == magic.DECLINED:
        return "card-declined", "Processor did not accept this card."
    return call.chances.card_decline(card_id)
