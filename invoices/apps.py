"""The app of this room."""

from django.apps import AppConfig


class InvoicesConfig(AppConfig):
    """Labelled so that tables and permissions cannot clash with a host project's."""

    name = "invoices"
    label = "billy_invoices"
    verbose_name = "Billy: invoices"
    default_auto_field = "django.db.models.BigAutoField"
