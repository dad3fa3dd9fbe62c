"""The app of this room."""

from django.apps import AppConfig


class SchedulersConfig(AppConfig):
    """Labelled so that tables and permissions cannot clash with a host project's."""

    name = "schedulers"
    label = "billy_schedulers"
    verbose_name = "Billy: schedulers"
    default_auto_field = "django.db.models.BigAutoField"
