"""The rooms of the house under the words of a merchant, for the admin's front page and sidebar."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()

# Title and models, in the order in which a merchant asks for them.
GROUPS = (
    ("Billing", ("Scheduler", "AuditFeed", "Transaction")),
    ("Offers", ("Plan", "Payout")),
    ("People", ("Customer", "FundingInstrument", "Company")),
    ("Audit", ("AuditEvent", "AuditTrail", "Checkpoint", "CheckpointHead")),
    ("Reports", ("Usage", "Inbound", "Outbox", "Endpoint", "Delivery")),
    (
        "Installation",
        ("ApiKey", "IdempotentRequest", "NumberSeries", "PayoutDay", "Installation", "Mark"),
    ),
)
OURS = "billy_"


@register.filter
def grouped(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the admin's list of apps with ours in groups, and the others as they were.

    A model that is in no group stays under its app, so nothing is ever hidden.
    """
    ours = {
        model["object_name"]: model
        for app in apps
        if app["app_label"].startswith(OURS)
        for model in app["models"]
    }
    groups = [
        {"name": title, "models": [ours.pop(name) for name in names if name in ours]}
        for title, names in GROUPS
    ]
    rest = [
        app | {"models": [each for each in app["models"] if each in ours.values()]}
        if app["app_label"].startswith(OURS)
        else app
        for app in apps
    ]
    return [group for group in [*groups, *rest] if group["models"]]
