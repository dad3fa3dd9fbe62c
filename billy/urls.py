"""The addresses of the doors."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path

from billy.health import livez, readyz
from webhooks.api import Callback

urlpatterns = [
    path("livez", livez),
    path("readyz", readyz),
    path("admin/", admin.site.urls),
    # With and without a slash at the end: a redirect would turn a POST into a GET.
    path("", include("billy.api.urls")),
    re_path(r"^v1/companies/(?P<guid>[^/]+)/callbacks/(?P<key>[^/]+)/?$", Callback.as_view()),
]

handler400 = "billy.web.errors.bad_request"
handler403 = "billy.web.errors.forbidden"
handler404 = "billy.web.errors.not_found"
handler500 = "billy.web.errors.failed"
