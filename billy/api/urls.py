"""The addresses of the API, each with and without a slash at the end.

A redirect would turn a POST into a GET, so none is ever answered.
"""

from __future__ import annotations

from django.urls import re_path

from billy.api import (
    companies,
    customers,
    events,
    exports,
    feeds,
    instruments,
    invoices,
    keys,
    plans,
    root,
    schedulers,
    subscriptions,
    transactions,
    usage,
    webhooks,
)
from billy.api.door import Door

ROUTES: tuple[tuple[str, type[Door]], ...] = (
    ("companies", companies.Companies),
    ("companies/{guid}", companies.OneCompany),
    ("customers", customers.Customers),
    ("customers/{guid}", customers.OneCustomer),
    ("customers/{guid}/subscriptions", subscriptions.CustomerSubscriptions),
    ("customers/{guid}/invoices", invoices.CustomerInvoices),
    ("customers/{guid}/transactions", transactions.CustomerTransactions),
    ("plans", plans.Plans),
    ("plans/{guid}", plans.OnePlan),
    ("plans/{guid}/customers", plans.PlanCustomers),
    ("plans/{guid}/subscriptions", subscriptions.PlanSubscriptions),
    ("plans/{guid}/invoices", invoices.PlanInvoices),
    ("plans/{guid}/transactions", transactions.PlanTransactions),
    ("subscriptions", subscriptions.Subscriptions),
    ("subscriptions/{guid}", subscriptions.OneSubscription),
    ("subscriptions/{guid}/cancel", subscriptions.CancelSubscription),
    ("subscriptions/{guid}/invoices", invoices.SubscriptionInvoices),
    ("subscriptions/{guid}/transactions", transactions.SubscriptionTransactions),
    ("invoices", invoices.Invoices),
    ("invoices/{guid}", invoices.OneInvoice),
    ("invoices/{guid}/refund", invoices.RefundInvoice),
    ("invoices/{guid}/cancel", invoices.CancelInvoice),
    ("invoices/{guid}/transactions", transactions.InvoiceTransactions),
    ("transactions", transactions.Transactions),
    ("transactions/{guid}", transactions.OneTransaction),
    ("payouts", plans.Payouts),
    ("payouts/{guid}", plans.OnePayout),
    ("schedulers", schedulers.Schedulers),
    ("schedulers/{guid}", schedulers.OneScheduler),
    ("schedulers/{guid}/pause", schedulers.Pause),
    ("schedulers/{guid}/resume", schedulers.Resume),
    ("schedulers/{guid}/cancel", schedulers.Cancel),
    ("schedulers/{guid}/funding_instrument", schedulers.ChangeInstrument),
    ("schedulers/{guid}/runs", schedulers.Runs),
    ("schedulers/{guid}/children", schedulers.Children),
    ("schedulers/{guid}/feeds", feeds.SchedulerFeeds),
    ("schedulers/{guid}/events", events.SchedulerEvents),
    ("schedulers/{guid}/usage", usage.SchedulerUsage),
    ("feeds", feeds.Feeds),
    ("feeds/{guid}", feeds.OneFeed),
    ("feeds/{guid}/transactions", feeds.FeedTransactions),
    ("feeds/{guid}/events", events.FeedEvents),
    ("feeds/{guid}/attempts", feeds.FeedAttempts),
    ("feeds/{guid}/refunds", feeds.FeedRefunds),
    ("feeds/{guid}/issue", feeds.IssueFeed),
    ("feeds/{guid}/waive", feeds.WaiveFeed),
    ("feeds/{guid}/void", feeds.VoidFeed),
    ("events", events.Events),
    ("events/{guid}", events.OneEvent),
    ("trails/{guid}", events.OneTrail),
    ("funding_instruments", instruments.FundingInstruments),
    ("funding_instruments/{guid}", instruments.OneFundingInstrument),
    ("customers/{guid}/funding_instruments", instruments.CustomerInstruments),
    ("usage", usage.AllUsage),
    ("api_keys", keys.ApiKeys),
    ("api_keys/{guid}", keys.OneApiKey),
    ("api_keys/{guid}/rotation", keys.RotateApiKey),
    ("webhook_endpoints", webhooks.WebhookEndpoints),
    ("webhook_endpoints/{guid}", webhooks.OneWebhookEndpoint),
    ("webhook_endpoints/{guid}/rotation", webhooks.RenewWebhookSecret),
    ("deliveries", webhooks.Deliveries),
    ("deliveries/{guid}", webhooks.OneDelivery),
    ("deliveries/{guid}/attempts", webhooks.DeliveryAttempts),
    ("exports/events", exports.ExportEvents),
    ("exports/feeds", exports.ExportFeeds),
    ("exports/transactions", exports.ExportTransactions),
)


def pattern(route: str) -> str:
    """Return the regular expression of a route's address."""
    return "^v1/" + route.replace("{guid}", "(?P<guid>[^/]+)").replace(".", r"\.") + "/?$"


urlpatterns = [
    re_path(r"^$", root.Server.as_view(), name="api-root"),
    re_path(r"^v1/openapi\.json/?$", root.Description.as_view(), name="api-description"),
    re_path(r"^v1/docs/?$", root.docs, name="api-docs"),
    re_path(r"^v1/docs/start\.js$", root.docs_script, name="api-docs-script"),
    *(re_path(pattern(route), door.as_view(), name=f"api-{route}") for route, door in ROUTES),
]
