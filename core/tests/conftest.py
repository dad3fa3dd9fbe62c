"""Properties are given all the time they need: a slow machine is no defect."""

from hypothesis import settings

settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")
