"""The app that holds the commands and finds the merchants' own tasks."""

from django.apps import AppConfig


class BillyConfig(AppConfig):
    """Imports every installed app's `billing.py` once the models are ready."""

    name = "billy"
    label = "billy_billy"
    verbose_name = "Billy"

    def ready(self) -> None:
        """Find the tasks that merchants wrote, and register our own checks."""
        from django.utils.module_loading import autodiscover_modules

        autodiscover_modules("billing")
