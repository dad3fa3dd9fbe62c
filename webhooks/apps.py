"""The app of this room."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Labelled so that tables and permissions cannot clash with a host project's."""

    name = "webhooks"
    label = "billy_webhooks"
    verbose_name = "Billy: webhooks"
    default_auto_field = "django.db.models.BigAutoField"
