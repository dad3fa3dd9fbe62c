"""Every route that the URL resolver knows, and how a harmless request to it looks.

A route without an entry here stops the run: a new door is attacked from its first day.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from typing import Any

from django.urls import URLPattern, get_resolver

PARAMETER = re.compile(r"<(?:\w+:)?(?P<plain>\w+)>|\(\?P<(?P<named>\w+)>[^)]*\)")
JSON = "application/json"
API_QUERIES = (
    *("limit", "offset", "after", "expand", "external_id", "processor_uri", "invoice_guid"),
    *("created_at[gte]", "created_at[lt]", "updated_at[gt]", "transaction_type", "kind"),
)
ADMIN_QUERIES = (
    *("q", "o", "p", "all", "e", "_popup", "_to_field", "_changelist_filters", "company"),
    *(
        "id__exact",
        "pk",
        "pk__in",
        "state",
        "kind",
        "result",
        "created_at__gte",
        "created_at__year",
    ),
    *("received_at__gte", "done_at__isempty", "created_at__range", "company__callback_key__regex"),
    *("user__password__startswith", "created_at__month", "created_at__day", "app_label"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How one route is asked, who may ask, and what else it reads."""

    method: str = "GET"
    needs_staff: bool = False
    keeps_session: bool = True
    """False for a page that is for people who are not logged in, or would log the others out."""
    queries: tuple[str, ...] = ("q", "next")
    has_key: bool = False
    content_type: str = ""
    body: Callable[[Any], bytes] = lambda _world: b""

    @property
    def is_form(self):
        """Say whether it is a page of the admin, whose forms need a token."""
        return self.needs_staff or not self.keeps_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route: its name, its pattern, and its entry."""

    name: str
    pattern: str
    entry: Entry

    @property
    def parameters(self):
        return [found["plain"] or found["named"] for found in PARAMETER.finditer(self.pattern)]

    def path(self, values):
        """Return its path with a value for each parameter."""
        filled = PARAMETER.sub(lambda found: values[found["plain"] or found["named"]], self.pattern)
        return "/" + filled.replace("^", "").replace("/?$", "/").replace("$", "").replace(
            "\\Z", ""
        ).replace("\\.", ".")


class NoEntry(LookupError):
    """A route is not in the table: say how it is asked, so that it can be attacked."""


def _form(world):
    # No password: to check one takes a large part of a second, on purpose.
    return f"csrfmiddlewaretoken={world.csrf}&username=a&action=x&post=yes".encode()


STAFF = Entry(needs_staff=True, queries=ADMIN_QUERIES)
FORM = Entry(
    method="POST",
    needs_staff=True,
    content_type="application/x-www-form-urlencoded",
    body=_form,
)

# By the name of the route, or by its pattern where it has none; the first that fits is taken.
TABLE = {
    "livez": Entry(),
    "readyz": Entry(),
    "^v1/companies/(?P<guid>[[]^/]+)/callbacks/(?P<key>[[]^/]+)/?$": Entry(
        method="POST",
        content_type="application/json",
        body=lambda world: world.event_body(),
    ),
    # A good key reads everything; what it writes would be no attack, so writing is tried without.
    "api-companies": Entry(method="POST", content_type=JSON, body=lambda _: b'{"processor_key":1}'),
    "api-companies/{guid}": Entry(),
    "api-*/cancel": Entry(method="POST", content_type=JSON, body=lambda _: b"{}"),
    "api-*/refund": Entry(method="POST", content_type=JSON, body=lambda _: b'{"amount":1}'),
    "api-*": Entry(has_key=True, queries=API_QUERIES),
    "admin:auth_user_password_change": FORM,
    "admin:index": STAFF,
    "admin:login": Entry(
        method="POST",
        keeps_session=False,
        content_type="application/x-www-form-urlencoded",
        body=_form,
    ),
    "admin:logout": Entry(method="POST", keeps_session=False),
    "admin:password_change": FORM,
    "admin:password_change_done": STAFF,
    "admin:autocomplete": STAFF,
    "admin:jsi18n": STAFF,
    "admin:view_on_site": STAFF,
    "admin:app_list": STAFF,
    "admin:*_changelist": STAFF,
    "admin:*_add": FORM,
    "admin:*_history": STAFF,
    "admin:*_delete": FORM,
    "admin:*_change": STAFF,
    "admin/*/<path:object_id>/": STAFF,
    "admin/(?P<url>.*)$": STAFF,
}


@cache
def every_route(urlconf=None):
    """Return all routes, each with its entry; raises NoEntry."""
    return tuple(
        Route(name=name, pattern=pattern, entry=entry_of(name, pattern))
        for name, pattern in _walk(get_resolver(urlconf), prefix="", namespace="")
    )


def entry_of(name, pattern):
    """Return the entry of a route; raises NoEntry."""
    for key, entry in TABLE.items():
        if fnmatch(name, key) or fnmatch(pattern, key):
            return entry
    raise NoEntry(f"{name or pattern}: {NoEntry.__doc__}")


def _walk(resolver, *, prefix, namespace):
    for each in resolver.url_patterns:
        pattern = prefix + str(each.pattern)
        if isinstance(each, URLPattern):
            name = each.name or pattern
            yield (f"{namespace}:{name}" if each.name and namespace else name), pattern
        else:
            yield from _walk(each, prefix=pattern, namespace=each.namespace or namespace)
