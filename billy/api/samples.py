"""What the examples of the description show: Alice is charged for the goat, every three months."""

from __future__ import annotations

from typing import Any, Final

AT: Final = "2026-01-31T09:00:00+00:00"
SETTLED_AT: Final = "2026-01-31T09:00:02.250000+00:00"
NEXT_AT: Final = "2026-04-30T08:00:00+00:00"  # Four in the morning there, as before.
GUID_DIGITS: Final = "1CVuyknFeagYMVp1LKhQ15"
CARD: Final = "/cards/CC4zyuNpxY0A0eAf87SeULCR"
AMOUNT: Final = 2500
_HASH: Final = "14f9bc6ab35822800242d9b7ffcb331e90aa405f8e31f40272935ccb88cc3e05"
_HASH_BEFORE: Final = "9f5bd2dcb27edbf127d49c0370db102d9a902f992c149f556c3683a9481c31f0"
_KEY: Final = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqv"

# By the name of the field, in whichever shape it stands.
SAMPLES: Final[dict[str, Any]] = {
    "actor": "billy",
    "amount": AMOUNT,
    "amount_limit": 500000,
    "api_key": _KEY,
    "applied": 0,
    "appears_on_statement_as": "GOATS",
    "attempt": 1,
    "cancel_at": None,
    "canceled_at": None,
    "callback_key": _KEY,
    "captured": AMOUNT,
    "checkpoint_events": 5,
    "checkpoint_number": 12,
    "credited": 0,
    "currency": "USD",
    "description": "the goat - silver",
    "effective_amount": AMOUNT,
    "email": "alice@example.com",
    "ends_after": None,
    "error": None,
    "error_code": None,
    "error_message": "The card was declined.",
    "error_number": None,
    "events": 5,
    "expires": "2030-12",
    "expires_at": None,
    "external_id": "alice-goat",
    "failure_count": 0,
    "frequency": "monthly",
    "funding_instrument_uri": CARD,
    "hash": _HASH,
    "head_hash": _HASH,
    "hint": _KEY[:6],
    "interval": 3,
    "invoice_count": 1,
    "kinds": ["debit.succeeded", "debit.declined"],
    "label": "Visa xx1111",
    "last_transaction_created_at": AT,
    "live": 0,
    "meaning": "debit: the money moved",
    "metric": "storage_gb",
    "month_end": "same_day",
    "moved": AMOUNT,
    "name": "Alice",
    "next_invoice_at": NEXT_AT,
    "next_run_at": NEXT_AT,
    "next_try_at": None,
    "number": "INV-000002",
    "occurrence": 0,
    "owed": 0,
    "parent_guid": None,
    "parent_occurrence": None,
    "payments_alarm": 1000,
    "payout_cap": 2000000,
    "payout_hold_hours": 24,
    "period_end": NEXT_AT,
    "powered_by": "Python 3.13.1",
    "previous_hash": _HASH_BEFORE,
    "processor_uri": "/customers/CU4zyuNpxY0A0eAf87SeULCR",
    "quantity": "12.5",
    "reason": None,
    "refunded": 0,
    "returned": 0,
    "revision": None,
    "revoked_at": None,
    "role": None,
    "rule": None,
    "scopes": ["read", "write"],
    "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "sequence": 5,
    "server": "Billy - The recurring payment server",
    "shift": "none",
    "state": "active",
    "status": "settled",
    "submit_status": "done",
    "task": "fixed-debit",
    "time_zone": "America/New_York",
    "title": "Hay",
    "total": AMOUNT,
    "total_adjustment_amount": 0,
    "trail_guid": "SU" + GUID_DIGITS,
    "trial_ends_at": None,
    "trial_period": None,
    "tries": 1,
    "type": "goods",
    "unit": "bales",
    "updated_at": SETTLED_AT,
    "uri": CARD,
    "url": "https://hooks.example.com/billy",
    "version": 1,
    "volume": None,
    "webhook_id": "msg_019c134f8f1f7b50a1f6c4a1b2c3d4e5",
}
# Where the same name means something else.
OWN: Final[dict[tuple[str, str], Any]] = {
    ("AdjustmentShape", "amount"): -500,
    ("AdjustmentShape", "reason"): "A late delivery",
    ("ApiKeyShape", "external_id"): "reports",
    ("ApiKeyShape", "updated_at"): AT,
    ("AttemptShape", "status"): 200,
    ("CompanyShape", "external_id"): "goat-shop",
    ("CustomerInvoiceShape", "external_id"): "order-17",
    ("CustomerInvoiceShape", "total_adjustment_amount"): -500,
    ("CustomerInvoiceShape", "effective_amount"): AMOUNT - 500,
    ("CustomerShape", "external_id"): "alice",
    ("DeliveryShape", "kind"): "debit.succeeded",
    ("DeliveryShape", "state"): "delivered",
    ("EventShape", "amount"): 0,  # Of money that moves, only the lines count into a total.
    ("EventShape", "body"): {"amount": AMOUNT, "attempt": 1, "uri": "/debits/WD4zyuNpxY0A0eAf87Se"},
    ("EventShape", "kind"): "debit.succeeded",
    ("FailureShape", "guid"): "TF" + GUID_DIGITS,
    ("FeedShape", "external_id"): None,
    ("FeedShape", "state"): "settled",
    ("FeedShape", "terms"): {"description": "the goat - silver", "task": "fixed-debit"},
    ("ItemShape", "name"): "Hay",
    ("ItemShape", "quantity"): 10,
    ("NewApiKeyShape", "external_id"): "reports",
    ("NewApiKeyShape", "updated_at"): AT,
    ("PayoutShape", "description"): "payroll",
    ("PayoutShape", "external_id"): "payroll",
    ("PayoutShape", "frequency"): "weekly",
    ("PayoutShape", "interval"): 1,
    ("PayoutShape", "shift"): "previous",
    ("PayoutShape", "task"): "fixed-payout",
    ("PlanShape", "external_id"): "goat-silver",
    ("FundingInstrumentShape", "can_debit"): True,
    ("FundingInstrumentShape", "external_id"): None,
    ("SchedulerShape", "amount"): None,
    ("SchedulerShape", "follow_ups"): [],
    ("SchedulerShape", "occurrence"): 1,
    ("SecretWebhookEndpointShape", "external_id"): "books",
    ("ServerShape", "version"): "2.0.0",
    ("SubscriptionInvoiceShape", "adjustments"): [],
    ("SubscriptionInvoiceShape", "items"): [],
    ("SubscriptionInvoiceShape", "title"): None,
    ("SubscriptionShape", "amount"): None,
    ("TrailShape", "guid"): "SU" + GUID_DIGITS,
    ("TransactionShape", "failures"): [],
    ("TransactionShape", "processor_uri"): "/debits/WD4zyuNpxY0A0eAf87Se",
    ("TransactionShape", "state"): "succeeded",
    ("TransactionShape", "status"): "succeeded",
    ("UsageShape", "external_id"): "meter-2026-01-31",
    ("WebhookEndpointShape", "external_id"): "books",
}
EMPTY: Final[dict[str, Any]] = {"boolean": False, "array": [], "object": {}}


def is_own(shape: str, field: str) -> bool:
    """Say whether this field of this shape has a sample of its own."""
    return (shape, field) in OWN


def sample(shape: str, field: str, schema: dict[str, Any]) -> Any:
    """Return what the example of a shape shows in one field; raises KeyError where nobody said."""
    if is_own(shape, field):
        return OWN[shape, field]
    if field in SAMPLES:
        return SAMPLES[field]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "date-time":
        return AT
    if field.endswith("guid"):
        return schema["pattern"][1:3] + GUID_DIGITS
    kind = schema["type"]
    return EMPTY[kind if isinstance(kind, str) else kind[0]]
