"""The app of this room."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Labelled so that tables and permissions cannot clash with a host project's."""

    name = "accounts"
    label = "billy_accounts"
    verbose_name = "Billy: accounts"
    default_auto_field = "django.db.models.BigAutoField"
