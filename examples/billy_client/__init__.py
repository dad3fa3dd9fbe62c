"""A typed client of Billy's REST API, on the standard library alone: copy this folder.

    shop = Billy("http://127.0.0.1:8000", api_key=API_KEY)
    alice = shop.customers.create(name="Alice")
    for invoice in shop.invoices.list():
        print(invoice["guid"], invoice["status"])

What comes back are plain dictionaries; `shapes.py` says which keys they have, and is written from
the OpenAPI description. Every POST carries an idempotency key, so a lost answer is asked for again
and nothing is done twice.
"""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote, urlencode

from examples.billy_client import shapes

T = TypeVar("T")

TRIES = 4
LONGEST_WAIT_SECONDS = 30.0
AGAIN = frozenset({409, 429, 503})  # With Retry-After: the same request may succeed later.


class BillyError(Exception):
    """A request that was refused; `errors` point at what was wrong."""

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        """Keep the status and the body of the error."""
        super().__init__(told.get("error_message", ""))
        self.status = status
        self.error_class = str(told.get("error_class", ""))
        self.errors: list[dict[str, str]] = list(told.get("errors", []))
        self.request_id = str(told.get("request_id", ""))


class NotFound(BillyError):
    """There is no such thing, or it is another company's."""


class DuplicateExternalID(BillyError):
    """The `external_id` is the name of another thing."""


class Billy:
    """One company's API, by one of its keys."""

    def __init__(self, url: str, *, api_key: str, timeout_seconds: float = 60.0) -> None:
        """Take where Billy is, without `/v1`, and the key."""
        self._root = url.rstrip("/") + "/v1/"
        token = base64.b64encode(f"{api_key}:".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Accept": "application/json"}
        self._timeout_seconds = timeout_seconds
        self.customers: Made[shapes.CustomerShape] = Made(self, "customers")
        self.plans: Made[shapes.PlanShape] = Made(self, "plans")
        self.payouts: Made[shapes.PayoutShape] = Made(self, "payouts")
        self.subscriptions: Made[shapes.SubscriptionShape] = Made(self, "subscriptions")
        self.invoices: Made[shapes.InvoiceShape] = Made(self, "invoices")
        self.schedulers: Made[shapes.SchedulerShape] = Made(self, "schedulers")
        self.funding_instruments: Made[shapes.FundingInstrumentShape] = Made(
            self, "funding_instruments"
        )
        self.transactions: Resource[shapes.TransactionShape] = Resource(self, "transactions")
        self.feeds: Resource[shapes.FeedShape] = Resource(self, "feeds")
        self.events: Resource[shapes.EventShape] = Resource(self, "events")
        self.usage: Resource[shapes.UsageShape] = Resource(self, "usage")

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
    ) -> dict[str, Any]:
        """Ask, and ask again where that may help; returns the answer, raises BillyError."""
        address = self._root + quote(path) + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = dict(self._headers)
        if data is not None:
            headers["Content-Type"] = "application/json"
        if method == "POST":
            headers["Idempotency-Key"] = idempotency_key or uuid.uuid4().hex
        asked = urllib.request.Request(  # noqa: S310  # The address is the caller's own.
            address, data=data, headers=headers, method=method
        )
        for tried in range(1, TRIES + 1):
            try:
                return self._answer(asked)
            except urllib.error.HTTPError as error:
                wait = error.headers.get("Retry-After", "")
                if tried == TRIES or error.code not in AGAIN or not wait.isdigit():
                    raise _refusal(error) from None
                time.sleep(min(float(wait), LONGEST_WAIT_SECONDS))
            except urllib.error.URLError:  # The answer was lost: the key makes it safe to ask.
                if tried == TRIES:
                    raise
                time.sleep(tried)
        raise AssertionError

    def _answer(self, asked: urllib.request.Request) -> dict[str, Any]:
        with urllib.request.urlopen(asked, timeout=self._timeout_seconds) as answer:  # noqa: S310  # The same.
            return cast("dict[str, Any]", json.load(answer))


class Resource(Generic[T]):
    """Things that can be shown and listed."""

    def __init__(self, client: Billy, path: str) -> None:
        """Take the client, and what the things are called in addresses."""
        self._client, self._path = client, path

    def get(self, guid: str, **query: str) -> T:
        """Return one; raises NotFound."""
        return cast("T", self._client.request("GET", f"{self._path}/{guid}", query=query))

    def list(self, **query: str) -> Iterator[T]:
        """Yield all that the filters let through, newest first, page by page."""
        asked: dict[str, str] = {"limit": "100", **query}
        while True:
            page = self._client.request("GET", self._path, query=asked)
            yield from cast("list[T]", page["items"])
            if page["next"] is None:
                return
            asked["after"] = page["next"]

    def put(self, guid: str, what: str, **body: Any) -> T:
        """Do something with one, such as `pause` a scheduler, and return it."""
        path = f"{self._path}/{guid}/{what}"
        return cast("T", self._client.request("PUT", path, body=body))

    def post(self, guid: str, what: str, *, idempotency_key: str = "", **body: Any) -> T:
        """Make something of one, such as the `refunds` of a feed, and return what is told."""
        path = f"{self._path}/{guid}/{what}"
        return cast(
            "T", self._client.request("POST", path, body=body, idempotency_key=idempotency_key)
        )


class Made(Resource[T]):
    """Things that can also be made."""

    def create(self, *, idempotency_key: str = "", **body: Any) -> T:
        """Make one; raises BillyError that names every bad field."""
        return cast(
            "T",
            self._client.request("POST", self._path, body=body, idempotency_key=idempotency_key),
        )


def _refusal(error: urllib.error.HTTPError) -> BillyError:
    try:
        told = json.load(error)
    except ValueError:
        told = {"error_message": str(error)}
    kinds = {404: NotFound, 409: DuplicateExternalID}
    return kinds.get(error.code, BillyError)(error.code, told)
