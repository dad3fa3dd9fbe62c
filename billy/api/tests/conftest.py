"""The cast of the API's tests: a shop with a key, and another one that must never be seen."""

import base64
import json
from dataclasses import dataclass, field

import pytest
from django.test import Client

import processors
from accounts.clock import database_now
from accounts.enroll import enroll
from accounts.models import SCOPES, ApiKey, Company
from billy.api import callers
from schedulers import limits

CARD = "/cards/CC1111111111111111"
ACCOUNT = "/bank_accounts/BA1111111111111111"


@dataclass
class Api:
    """An app that has a key; answers are what Django's own client makes of them."""

    key: str
    company: Company
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method, path, *, body=None, form=None, query=None, **headers):
        said = {"Authorization": f"Bearer {self.key}", **self.headers}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"headers": said, "QUERY_STRING": query or ""}
        if form is not None:
            given |= {"data": form, "content_type": "application/x-www-form-urlencoded"}
        elif body is not None and method not in {"get", "head"}:
            text = body if isinstance(body, (str, bytes)) else json.dumps(body)
            given |= {"data": text, "content_type": "application/json"}
        else:
            given |= {"data": b"", "content_type": "application/json"} if method != "get" else {}
        client = Client(raise_request_exception=False)
        return getattr(client, method)(f"/v1/{path}", **given)

    def get(self, path, query="", **headers):
        return self.call("get", path, query=query, **headers)

    def post(self, path, body=None, **said):
        return self.call("post", path, body=body, **said)

    def put(self, path, body=None, **said):
        return self.call("put", path, body=body, **said)

    def patch(self, path, body=None, **said):
        return self.call("patch", path, body=body, **said)

    def delete(self, path, **said):
        return self.call("delete", path, **said)

    def made(self, path, body, **said):
        """Make a thing and return what is told of it."""
        answer = self.post(path, body, **said)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def scoped(self, *scopes):
        """Return the same app with a key that may do less."""
        _, clear = ApiKey.issue(self.company, scopes=scopes, now=database_now())
        return Api(key=clear, company=self.company)


@pytest.fixture
def memory(database, settings):
    """The processor that the doors find; it takes any uri for a good one."""
    settings.BILLY_PROCESSOR = "memory"
    processors.load.cache_clear()
    callers.buckets.cache_clear()
    yield limits.processor()
    processors.load.cache_clear()
    callers.buckets.cache_clear()


@pytest.fixture
def api(memory):
    """The app of a shop that can charge."""
    return shop("The shop", memory)


@pytest.fixture
def other(memory):
    """The app of another shop."""
    return shop("Another shop", memory)


def shop(name, memory):
    account = memory.open_account(url="http://127.0.0.1")
    company, clear = enroll(name=name, account=account, processor=memory, now=database_now())
    assert ApiKey.objects.get(company=company).scopes == list(SCOPES)
    return Api(key=clear, company=company)


@pytest.fixture
def alice(api):
    """A customer."""
    return api.made("customers", {"name": "Alice"})


@pytest.fixture
def goat(api):
    """A plan of ten dollars a month."""
    return api.made("plans", {"plan_type": "debit", "frequency": "monthly", "amount": 1000})


@pytest.fixture
def subscription(api, alice, goat):
    """Alice on the goat plan, charged."""
    return api.made(
        "subscriptions",
        {
            "customer_guid": alice["guid"],
            "plan_guid": goat["guid"],
            "funding_instrument_uri": CARD,
        },
    )


@pytest.fixture
def invoice(api, alice):
    """An invoice of a dollar that Alice has paid."""
    return api.made(
        "invoices",
        {"customer_guid": alice["guid"], "amount": 100, "funding_instrument_uri": CARD},
    )


def basic(user, password=""):
    """Return the header of HTTP basic."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
