"""The closed list of facts: every kind of AuditEvent, and what it says."""

from __future__ import annotations

MONEY_KINDS = ("debit", "credit", "refund", "reversal")

_MOVES = {
    "queued": "another attempt is planned",
    "intended": "the attempt is about to be sent",
    "succeeded": "the money moved",
    "pending": "the processor accepted it and will say later",
    "declined": "the processor tried and said no",
    "rejected": "the processor proved that it did nothing",
    "deferred": "it was not sent; the same attempt will be sent later",
    "unknown": "the answer was lost; it will be looked up",
    "returned": "the money came back after it had moved",
    "parked": "a person must look",
    "closed": "a person found out what became of it, and said so",
    "voided": "it was called off before it was sent",
}

KINDS: dict[str, str] = {
    "company.created": "a company was opened",
    "company.changed": "the company's settings were changed",
    "company.alarmed": "more payments were made within an hour than the company expects",
    "company.calls_paused": "calls to the processor were stopped for a while",
    "company.dispatch_opened": "a person let payments leave again, after the fence had frozen them",
    "api_key.created": "a key to the API was made",
    "api_key.revoked": "a key to the API was revoked",
    "webhook_endpoint.created": "an address that hears of events was made",
    "webhook_endpoint.changed": "an address that hears of events was changed",
    "webhook_endpoint.deleted": "an address that hears of events was removed",
    "customer.created": "a customer was made",
    "customer.changed": "a customer was changed",
    "customer.deleted": "a customer was marked as deleted",
    "instrument.added": "a card or bank account was associated with the customer",
    "instrument.errored": "a card or bank account can no longer be used",
    "plan.created": "an offer was made",
    "plan.deleted": "an offer was withdrawn from new subscribers",
    "usage.recorded": "metered usage was reported",
    "scheduler.created": "a task was subscribed to a timer",
    "scheduler.changed": "the terms of the scheduler were changed",
    "scheduler.activated": "the trial ended",
    "scheduler.past_due": "a charge failed and is being tried again",
    "scheduler.recovered": "what was past due has been paid",
    "scheduler.paused": "no occurrence opens until it is resumed",
    "scheduler.resumed": "occurrences open again",
    "scheduler.held": "stopped until its instrument is replaced",
    "scheduler.parked": "stopped, because it could not be run; a person must look",
    "scheduler.errored": "stopped, because the processor refuses its instrument",
    "scheduler.cancel_planned": "it will end with the current period",
    "scheduler.canceled": "it ended on request",
    "scheduler.ended": "its last occurrence was opened",
    "occurrences.skipped": "occurrences were passed over for good, with the reason",
    "invoice.opened": "the invoice was opened, with its first line",
    "invoice.drafted": "the invoice was drafted and waits for a person, with its first line",
    "invoice.line": "a further line of the invoice",
    "invoice.changed": "the card or bank account of the invoice was changed",
    "invoice.issued": "a draft was opened for payment and numbered",
    "invoice.waived": "the invoice was forgiven",
    "invoice.voided": "the invoice was called off",
    "invoice.uncollected": "the last attempt failed; nothing more is tried",
    "invoice.reopened": "money came back, so the invoice is open again",
} | {
    f"{money}.{move}": f"{money}: {meaning}"
    for money in MONEY_KINDS
    for move, meaning in _MOVES.items()
}
