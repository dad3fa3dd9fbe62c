"""The app of this room."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Labelled so that tables and permissions cannot clash with a host project's."""

    name = "audit"
    label = "billy_audit"
    verbose_name = "Billy: audit trail"
    default_auto_field = "django.db.models.BigAutoField"
