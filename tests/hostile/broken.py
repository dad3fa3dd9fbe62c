"""A Billy with defects, each at an address of its own: the judge must find every one of them."""

import os
import sys

from django.conf import settings
from django.http import HttpResponse
from django.urls import include, path

from billy.wsgi import application  # Gunicorn takes it from here.

__all__ = ["application"]


def raises(_request):
    raise RuntimeError("defect")


def tells_a_secret(_request):
    from accounts.models import Company

    return HttpResponse(Company.objects.get(name="Attacked").callback_key)


def tells_of_others(_request):
    from accounts.models import Customer

    return HttpResponse("\n".join(Customer.objects.values_list("name", flat=True)))


def dies(_request):
    os._exit(1)


def writes_a_line(_request):
    sys.stderr.write("a line that is not ours\n")
    return HttpResponse()


def logs_a_secret(_request):
    sys.stderr.write(settings.SECRET_KEY + "\n")
    return HttpResponse()


def keeps_a_card(_request):
    from django.contrib.auth.models import User

    from tests.hostile.values import CARD

    User.objects.create_user(f"card {CARD}")
    return HttpResponse()


def changes_a_row(_request):
    from accounts.models import Customer

    Customer.objects.filter(name__startswith="Bob").update(email="changed@example.com")
    return HttpResponse()


DEFECTS = {
    view.__name__: view
    for view in (
        raises,
        tells_a_secret,
        tells_of_others,
        dies,
        writes_a_line,
        logs_a_secret,
        keeps_a_card,
        changes_a_row,
    )
}
urlpatterns = [
    *(path(name, view, name=name) for name, view in DEFECTS.items()),
    path("", include("billy.urls")),
]
# Read at each request, so that it holds in the web process, and is not undone by the tests.
settings.ROOT_URLCONF = __name__
