"""What Billy's API tells, as types. Written by `generate.py` from the OpenAPI description."""

from __future__ import annotations

from typing import Any, TypeAlias, TypedDict


class CustomerShape(TypedDict):
    """Who is charged or paid."""

    guid: str
    processor_uri: str | None
    company_guid: str
    deleted: bool
    created_at: str
    updated_at: str
    name: str
    email: str
    external_id: str | None
    time_zone: str | None


class PlanShape(TypedDict):
    """An offer of either direction."""

    guid: str
    frequency: str
    amount: int | None
    interval: int
    company_guid: str
    deleted: bool
    created_at: str
    updated_at: str
    description: str
    currency: str
    external_id: str | None
    trial_period: int | None
    rule: str | None
    month_end: str
    shift: str
    time_zone: str | None
    task: str
    params: dict[str, Any]
    plan_type: str


class PayoutShape(TypedDict):
    """An offer that pays out."""

    guid: str
    frequency: str
    amount: int | None
    interval: int
    company_guid: str
    deleted: bool
    created_at: str
    updated_at: str
    description: str
    currency: str
    external_id: str | None
    trial_period: int | None
    rule: str | None
    month_end: str
    shift: str
    time_zone: str | None
    task: str
    params: dict[str, Any]


class SubscriptionShape(TypedDict):
    """A customer on a plan."""

    guid: str
    customer_guid: str
    plan_guid: str | None
    amount: int | None
    effective_amount: int | None
    funding_instrument_uri: str | None
    appears_on_statement_as: str | None
    invoice_count: int
    canceled: bool
    canceled_at: str | None
    started_at: str
    next_invoice_at: str
    created_at: str
    updated_at: str
    external_id: str | None


class ItemShape(TypedDict):
    """What an invoice is for, in words and figures; it does not touch the amount."""

    name: str
    amount: int
    type: str | None
    quantity: int | None
    volume: int | None
    unit: str | None


class AdjustmentShape(TypedDict):
    """What is added to the amount, or taken off it."""

    amount: int
    reason: str | None


class CustomerInvoiceShape(TypedDict):
    """An invoice made for a customer."""

    guid: str
    transaction_type: str
    status: str
    amount: int
    total_adjustment_amount: int
    effective_amount: int
    title: str | None
    appears_on_statement_as: str | None
    funding_instrument_uri: str | None
    items: list[ItemShape]
    adjustments: list[AdjustmentShape]
    created_at: str
    updated_at: str
    currency: str
    number: str | None
    invoice_type: str
    customer_guid: str
    external_id: str | None


class SubscriptionInvoiceShape(TypedDict):
    """An invoice of a subscription."""

    guid: str
    transaction_type: str
    status: str
    amount: int
    total_adjustment_amount: int
    effective_amount: int
    title: str | None
    appears_on_statement_as: str | None
    funding_instrument_uri: str | None
    items: list[ItemShape]
    adjustments: list[AdjustmentShape]
    created_at: str
    updated_at: str
    currency: str
    number: str | None
    invoice_type: str
    subscription_guid: str
    scheduled_at: str


InvoiceShape: TypeAlias = CustomerInvoiceShape | SubscriptionInvoiceShape


class FailureShape(TypedDict):
    """An answer that was not yes."""

    guid: str
    error_message: str
    error_code: str | None
    error_number: int | None
    created_at: str


class TransactionShape(TypedDict):
    """One attempt to move money."""

    guid: str
    invoice_guid: str
    transaction_type: str
    submit_status: str
    status: str | None
    amount: int
    funding_instrument_uri: str | None
    processor_uri: str | None
    appears_on_statement_as: str | None
    failure_count: int
    failures: list[FailureShape]
    created_at: str
    updated_at: str
    state: str
    attempt: int
    due_at: str
    currency: str


class SchedulerShape(TypedDict):
    """One task on one timer for one customer."""

    guid: str
    company_guid: str
    customer_guid: str
    plan_guid: str | None
    funding_instrument_guid: str | None
    external_id: str | None
    state: str
    reason: str | None
    retryable: bool
    task: str
    params: dict[str, Any]
    direction: str
    amount: int | None
    effective_amount: int | None
    currency: str
    frequency: str
    interval: int
    rule: str | None
    month_end: str
    shift: str
    time_zone: str
    started_at: str
    anchor_at: str
    trial_ends_at: str | None
    occurrence: int
    next_run_at: str | None
    ends_after: int | None
    cancel_at: str | None
    canceled_at: str | None
    catch_up: str
    without_instrument: str
    retry_policy: dict[str, Any]
    appears_on_statement_as: str | None
    follow_ups: list[dict[str, Any]]
    parent_guid: str | None
    parent_occurrence: int | None
    role: str | None
    version: int
    created_at: str
    updated_at: str


class LineShape(TypedDict):
    """A line: what it is for, what it comes to, and how that was found."""

    description: str
    amount: int
    inputs: dict[str, Any]


class FeedShape(TypedDict):
    """An invoice or a payout statement: its lines, and where its money stands."""

    guid: str
    company_guid: str
    customer_guid: str
    scheduler_guid: str | None
    plan_guid: str | None
    funding_instrument_guid: str | None
    external_id: str | None
    number: str | None
    kind: str
    direction: str
    state: str
    status: str
    occurrence: int | None
    period_start: str
    period_end: str
    currency: str
    total: int
    live: int
    captured: int
    returned: int
    refunded: int
    applied: int
    credited: int
    owed: int
    lines: list[LineShape]
    terms: dict[str, Any]
    due_at: str
    opened_at: str | None
    created_at: str
    updated_at: str


class FundingInstrumentShape(TypedDict):
    """A card or bank account; never its number."""

    guid: str
    company_guid: str
    customer_guid: str
    external_id: str | None
    uri: str
    kind: str
    label: str
    can_debit: bool
    can_credit: bool
    expires: str | None
    state: str
    reason: str | None
    created_at: str
    updated_at: str


class EventShape(TypedDict):
    """A fact, and where it stands in its chain; docs/audit.md tells how to check the hash."""

    guid: str
    kind: str
    meaning: str
    at: str
    actor: str
    company_guid: str
    trail_guid: str
    subject: str
    sequence: int
    feed_guid: str | None
    transaction_guid: str | None
    amount: int
    moved: int | None
    currency: str
    body: dict[str, Any]
    hash: str
    previous_hash: str


class UsageShape(TypedDict):
    """How much of a metric was used, and when."""

    guid: str
    scheduler_guid: str
    metric: str
    quantity: str
    at: str
    external_id: str
    created_at: str
