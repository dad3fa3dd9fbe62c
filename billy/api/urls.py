"""The addresses of the API, each with and without a slash at the end.

A redirect would turn a POST into a GET, so none is ever answered.
"""

from __future__ import annotations

from django.urls import re_path

from billy.api import companies, customers, invoices, plans, root, subscriptions, transactions
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
)


def pattern(route: str) -> str:
    """Return the regular expression of a route's address."""
    return "^v1/" + route.replace("{guid}", "(?P<guid>[^/]+)").replace(".", r"\.") + "/?$"


urlpatterns = [
    re_path(r"^$", root.Server.as_view(), name="api-root"),
    re_path(r"^v1/openapi\.json$", root.Description.as_view(), name="api-description"),
    re_path(r"^v1/docs/?$", root.docs, name="api-docs"),
    re_path(r"^v1/docs/start\.js$", root.docs_script, name="api-docs-script"),
    *(re_path(pattern(route), door.as_view(), name=f"api-{route}") for route, door in ROUTES),
]
