"""Installs the hooks when Django is set up, in every process of a run."""

import os

from django.apps import AppConfig


class BuildConfig(AppConfig):
    """Does nothing without BILLY_CHAOS_FOLDER; fails loudly where a hook finds nothing to hold."""

    name = "tests.chaos.build"
    label = "billy_chaos"

    def ready(self):
        if not os.environ.get("BILLY_CHAOS_FOLDER"):
            return
        from tests.chaos.build import hooks, mutants

        hooks.install()
        mutants.install(os.environ.get("BILLY_MUTANT", ""))
