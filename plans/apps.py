"""The app of this room."""

from django.apps import AppConfig


class PlansConfig(AppConfig):
    """Labelled so that tables and permissions cannot clash with a host project's."""

    name = "plans"
    label = "billy_plans"
    verbose_name = "Billy: plans and payouts"
    default_auto_field = "django.db.models.BigAutoField"
