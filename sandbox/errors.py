"""What the server says when it refuses."""

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.records import Record
    from sandbox.wire import Json

# category_code: HTTP status, category_type, what is said when nothing better is known.
CODES: dict[str, tuple[int, str, str]] = {
    "request": (400, "request", "Invalid request."),
    "invalid-amount": (400, "request", "Invalid amount."),
    "invalid-reversal-amount": (400, "request", "Invalid reversal amount."),
    "invalid-routing-number": (400, "request", "Routing number is invalid."),
    "refund-invalid-debit-state": (400, "request", "Only a succeeded debit can be refunded."),
    "name-required-to-credit": (400, "request", "A card without a name cannot be credited."),
    "idempotency-key-reused": (400, "request", "This key was used with other parameters."),
    "authentication-required": (401, "permission", "Not permitted to perform this action."),
    "not-authorized": (403, "permission", "Not permitted to perform this action."),
    "card-declined": (402, "banking", "R530: The card was declined."),
    "authorization-failed": (402, "banking", "The hold was not authorized."),
    "not-found": (404, "request", "The requested resource was not found."),
    "method-not-allowed": (405, "request", "The method is not allowed for this address."),
    "request-too-large": (413, "request", "The request is too large."),
    "account-nothing-to-settle": (409, "logical", "Nothing to settle."),
    "amount-exceeds-limit": (409, "logical", "Amount exceeds the limit."),
    "authorization-expired": (409, "logical", "The hold has expired."),
    "bank-account-authentication-already-exists": (409, "logical", "A verification is pending."),
    "bank-account-authentication-failed": (
        409,
        "logical",
        "Authentication amounts do not match.",
    ),
    "bank-account-authentication-not-pending": (409, "logical", "The verification is over."),
    "cannot-associate-bank-account": (409, "logical", "The bank account has a customer."),
    "cannot-associate-card": (409, "logical", "The instrument cannot be associated."),
    "cannot-capture-authorization": (409, "logical", "The hold cannot be captured."),
    "cannot-reverse-credits-to-cards": (409, "logical", "Credits to cards cannot be reversed."),
    "cannot-void-authorization": (409, "logical", "The hold cannot be voided."),
    "card-already-funding-src": (409, "logical", "The card belongs to another customer."),
    "card-not-validated": (409, "logical", "Card cannot be validated."),
    "cannot-delete-customer": (409, "logical", "A customer with transactions cannot be deleted."),
    "bank-account-already-associated": (409, "logical", "The account has another customer."),
    "credit-already-reversed": (409, "logical", "The credit is reversed in full."),
    "cannot-reverse-credit": (409, "logical", "A failed credit cannot be reversed."),
    "debit-already-refunded": (409, "logical", "The debit is refunded in full."),
    "debit-disputed": (409, "logical", "A disputed debit cannot be refunded."),
    "duplicate-webhook-url": (409, "logical", "This callback exists."),
    "funding-destination-not-creditable": (
        409,
        "logical",
        "Funding instrument cannot be credited.",
    ),
    "funding-source-not-debitable": (409, "logical", "Funding instrument cannot be debited."),
    "idempotency-key-in-use": (409, "logical", "A request with this key is being worked on."),
    "insufficient-funds": (409, "logical", "Insufficient funds."),
    "marketplace-already-created": (409, "logical", "This key has a marketplace."),
    "no-funding-destination": (409, "logical", "The customer has nothing to credit."),
    "no-funding-source": (409, "logical", "The customer has nothing to debit."),
    "order": (409, "logical", "This instrument may not be credited from the order."),
    "patch-test-failed": (409, "logical", "A test of the patch failed."),
    "refund-insufficient-funds": (409, "logical", "Escrow is too small for this refund."),
    "too-many-requests": (429, "request", "Too many requests."),
    "internal-error": (500, "request", "Something went wrong."),
    "service-unavailable": (503, "request", "The service is unavailable."),
}
SHORT_STATUSES = frozenset({401, 404, 405})  # These never carried `additional` and `extras`.


class Refusal(Exception):
    """The request is answered with an error, and nothing that it began is kept.

    The exceptions: a `rider`, a failed transaction that is kept and shown beside the error, and
    `kept`, a record whose change is kept without showing it.
    """

    def __init__(
        self,
        code: str,
        description: str | None = None,
        *,
        extras: "Mapping[str, str] | None" = None,
        additional: str | None = None,
        rider: "Record | None" = None,
        kept: "Record | None" = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.extras = dict(extras or {})
        self.additional = additional
        self.rider = rider
        self.kept = kept

    @property
    def status(self) -> int:
        """The HTTP status."""
        return CODES[self.code][0]


def describe(refusal: Refusal, *, request_id: str) -> "dict[str, Json]":
    """The entry of `errors` for a refusal."""
    status, category_type, description = CODES[refusal.code]
    entry: dict[str, Json] = {
        "status": HTTPStatus(status).phrase,
        "status_code": status,
        "category_type": category_type,
        "category_code": refusal.code,
        "description": f"{refusal.description or description} Your request id is {request_id}.",
        "request_id": request_id,
    }
    if status not in SHORT_STATUSES:
        entry |= {"additional": refusal.additional, "extras": refusal.extras}
    return entry


def invalid(name: str, message: str) -> Refusal:
    """The refusal of one field of a request."""
    return Refusal("request", f"Invalid field [{name}] - {message}", extras={name: message})


def missing(*names: str) -> Refusal:
    """The refusal of a request that lacks fields."""
    return Refusal(
        "request",
        "Missing required field " + ", ".join(f"[{name}]" for name in names) + ".",
        extras=dict.fromkeys(names, "Missing required field."),
    )
