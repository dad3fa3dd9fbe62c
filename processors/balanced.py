"""Balanced, version 1.1 of its API, with or without the idempotency keys that our sandbox adds.

Each method is one resource of that API and one request, but for look-ups, which read every page.
The wire and the meaning of refusals are in `balanced_wire`, the reading of objects in
`balanced_objects`.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlencode

from processors.balanced_objects import (
    COLLECTIONS,
    INSTRUMENTS,
    KINDS,
    Item,
    answer_to,
    instrument_of,
    item_of,
    items_of,
    receipt_of,
    request_of,
    resource,
    uri_of,
)
from processors.balanced_wire import Answer, Wire, document_of, refusal
from processors.base import (
    KEY_META,
    Account,
    Event,
    Instrument,
    KeyClass,
    Kind,
    Misconfigured,
    NotFound,
    Order,
    ProcessorError,
    Receipt,
    Rejected,
    Status,
    Unknown,
    most_telling,
)
from processors.declines import is_hard

logger = logging.getLogger(__name__)

PAGE_SIZE = 100  # The most that Balanced is known to give at once; it may give fewer.
MOST_PAGES = 200  # No order has this many objects; a list without an end must end here.
MOST_PAGES_OF_ALL = 100_000  # Ten million objects of one kind: more than any one account has.

# Lists leave failed objects out unless a status is asked for. Without this, a decline looks absent.
EVERY_STATUS = ",".join(Status)


class Balanced:
    """Balanced over HTTP, for any number of accounts and threads. Implements `Processor`.

    With `keys` every order carries an `Idempotency-Key`, which our sandbox keeps for ever: class K.
    Without, it is the historic service, which can only be searched (class L).
    """

    name = "balanced"
    key_life_seconds: int | None = None

    def __init__(
        self,
        *,
        keys: bool = True,
        connect_timeout_seconds: float = 3.0,
        read_timeout_seconds: float = 15.0,
    ) -> None:
        """Open nothing yet. The time-outs are those of `Wire`."""
        self.key_class = KeyClass.KEYS if keys else KeyClass.LOOKUP
        self._wire = Wire(
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
        )

    def submit(self, order: Order) -> Receipt:
        """Do what the order says; see `Processor.submit` for what each answer becomes."""
        path, body = request_of(order)
        answer = self._wire.exchange(
            account=order.account,
            method="POST",
            path=path,
            body=body,
            key=self._key(order.key),
        )
        if answer.status in {HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.CONFLICT} and answer.error:
            return self._refused(order, answer)
        document = document_of(answer)
        return answer_to(order, item_of(document, collection=COLLECTIONS[order.kind]))

    def find(self, order: Order) -> Receipt | None:
        """Look for an order's object among those of its kind, the failed ones included.

        A refund or reversal is sought at its parent, whose list is short, since Balanced cannot
        search reversals by meta. Raises Unknown where an object under the key is not what was
        ordered, and where a list ends before its own total.
        """
        collection = COLLECTIONS[order.kind]
        path, _ = request_of(order)
        filters = {"status[in]": EVERY_STATUS}
        if order.kind in {Kind.DEBIT, Kind.CREDIT}:
            path, filters[f"meta.{KEY_META}"] = f"/{collection}", order.key
        found = [
            item
            for item in self._listed(account=order.account, path=path, filters=filters)
            if receipt_of(item, kind=order.kind).key == order.key
        ]
        if len(found) > 1:
            logger.error("Balanced holds %d %s under the key %s", len(found), collection, order.key)
        return most_telling(answer_to(order, item) for item in found)

    def fetch(self, *, account: Account, uri: str) -> Receipt:
        """Read a money object again. Raises NotFound, and for a uri of something else too."""
        try:
            collection, name = resource(uri, within=tuple(KINDS))
        except Rejected as error:
            raise NotFound(error.reason, error.code) from error
        document = self._get(account=account, path=f"/{collection}/{name}")
        item = _the_one(document, collection=collection, name=name)
        return receipt_of(item, kind=KINDS[collection])

    def listed(
        self, *, account: Account, kind: Kind, since: datetime | None = None
    ) -> Iterator[Receipt]:
        """Yield every object of a kind, the failed ones included, newest first."""
        collection = COLLECTIONS[kind]
        filters = {"status[in]": EVERY_STATUS}
        if since is not None:
            instant = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
            filters["created_at[>=]"] = instant
        items = self._listed(
            account=account, path=f"/{collection}", filters=filters, most=MOST_PAGES_OF_ALL
        )
        for item in items:
            yield receipt_of(item, kind=kind)

    def instrument(self, *, account: Account, uri: str) -> Instrument:
        """Read a card or bank account. Raises NotFound, and Rejected for any other uri."""
        collection, name = resource(uri, within=tuple(INSTRUMENTS))
        document = self._get(account=account, path=f"/{collection}/{name}")
        item = _the_one(document, collection=collection, name=name)
        return instrument_of(item, collection=collection)

    def create_customer(
        self, *, account: Account, key: str, name: str, email: str, meta: Mapping[str, str]
    ) -> str:
        """Make a customer once and return its uri.

        Without keys it is looked for first. Two threads may then still make two, which moves no
        money; the older one is found ever after.
        """
        if self.key_class is KeyClass.LOOKUP:
            filters = {f"meta.{KEY_META}": key}
            listed = [*self._listed(account=account, path="/customers", filters=filters)]
            if listed:
                return uri_of(listed[-1], collection="customers")
        body = {"name": name, "email": email, "meta": {**meta, KEY_META: key}}
        document = document_of(
            self._wire.exchange(
                account=account,
                method="POST",
                path="/customers",
                body={field: value for field, value in body.items() if value},
                key=self._key(key),
            )
        )
        return uri_of(item_of(document, collection="customers"), collection="customers")

    def customer(self, *, account: Account, uri: str) -> str:
        """Look a customer up; returns its uri. Raises NotFound, and Rejected for any other uri."""
        _, name = resource(uri, within=("customers",))
        document = self._get(account=account, path=f"/customers/{name}")
        return uri_of(_the_one(document, collection="customers", name=name), collection="customers")

    def associate(self, *, account: Account, instrument_uri: str, customer_uri: str) -> None:
        """Give an instrument to a customer.

        It carries no key: writing the same owner again changes nothing, and an instrument that has
        an owner keeps it. Raises NotFound for either, and Rejected when it belongs to another.
        """
        collection, name = resource(instrument_uri, within=tuple(INSTRUMENTS))
        _, customer = resource(customer_uri, within=("customers",))
        owner = f"/customers/{customer}"
        path = f"/{collection}/{name}"
        answer = self._wire.exchange(
            account=account, method="PUT", path=path, body={"customer": owner}
        )
        if answer.status == HTTPStatus.CONFLICT:
            if self.instrument(account=account, uri=path).customer_uri != owner:
                raise refusal(answer, reading=False)
            return
        if answer.status == HTTPStatus.NOT_FOUND:
            raise refusal(answer, reading=True)
        item = _the_one(document_of(answer), collection=collection, name=name)
        if instrument_of(item, collection=collection).customer_uri != owner:
            message = "the answer does not show the new owner"
            raise Unknown(message)

    def event(self, *, account: Account, event_id: str) -> Event:
        """Read an event, and anew the money object that it is about. Raises NotFound."""
        if not (event_id.isascii() and event_id.isalnum()):
            message = "this is no id of an event"
            raise NotFound(message)
        document = self._get(account=account, path=f"/events/{event_id}")
        item = _the_one(document, collection="events", name=event_id)
        uri = _entity_uri(item)
        return Event(
            id=event_id,
            type=str(item.get("type", "")),
            occurred_at=str(item.get("occurred_at", "")),
            receipt=self.fetch(account=account, uri=uri) if uri else None,
        )

    def register_callback(self, *, account: Account, url: str) -> None:
        """Ask to be told of events at `url`; that it was asked before is success."""
        answer = self._wire.exchange(
            account=account, method="POST", path="/callbacks", body={"url": url, "method": "post"}
        )
        if not (answer.status == HTTPStatus.CONFLICT and answer.code == "duplicate-webhook-url"):
            document_of(answer)

    def open_account(self, *, url: str) -> Account:
        """Make an API key and its marketplace at a test server, which asks nobody's leave."""
        stranger = Account(url=url, secret="")
        document = document_of(
            self._wire.exchange(account=stranger, method="POST", path="/api_keys", body={})
        )
        secret = item_of(document, collection="api_keys").get("secret")
        if not isinstance(secret, str) or not secret:
            message = "the new API key came without its secret"
            raise Unknown(message)
        account = replace(stranger, secret=secret)
        document_of(
            self._wire.exchange(account=account, method="POST", path="/marketplaces", body={})
        )
        return account

    def identify(self, *, account: Account) -> str:
        """Name the marketplace of a key. Raises Misconfigured for a bad key, or one without any."""
        document = self._get(account=account, path="/marketplaces")
        found = items_of(document, collection="marketplaces")
        if not found or not isinstance(found[0].get("id"), str):
            message = "this API key has no marketplace"
            raise Misconfigured(message)
        return f"balanced:{found[0]['id']}"

    def _key(self, key: str) -> str:
        """Return the key to send in the header; none where the processor keeps none."""
        return key if self.key_class is KeyClass.KEYS else ""

    def _refused(self, order: Order, answer: Answer) -> Receipt:
        """Return the failed object that a refusal left behind, or raise what the refusal means."""
        collection = COLLECTIONS[order.kind]
        if (answer.document or {}).get(collection):
            item = item_of(answer.document or {}, collection=collection)
            return _declined(answer_to(order, item), answer)
        if answer.status == HTTPStatus.PAYMENT_REQUIRED:
            receipt = self._found_after(order)
            if receipt is not None:
                return _declined(receipt, answer)
        raise refusal(answer, reading=False)

    def _found_after(self, order: Order) -> Receipt | None:
        """Look for what a refusal speaks of; a look-up that fails leaves the outcome unknown."""
        try:
            return self.find(order)
        except ProcessorError as error:
            # The order was sent: that the look-up was not must not pass for the order's own fate.
            message = f"declined, and then the look-up failed: {error.reason}"
            raise Unknown(message, error.code) from error

    def _get(self, *, account: Account, path: str) -> Item:
        answer = self._wire.exchange(account=account, method="GET", path=path)
        return document_of(answer, reading=True)

    def _page(self, *, account: Account, path: str) -> Item:
        try:
            return self._get(account=account, path=path)
        except NotFound as error:
            # An empty list is an answer; a list that is not there proves nothing absent.
            raise Unknown(error.reason, error.code) from error

    def _listed(
        self, *, account: Account, path: str, filters: Mapping[str, str], most: int = MOST_PAGES
    ) -> Iterator[Item]:
        """Yield every item of a list, page by page, newest first.

        Pages are counted here, by what came, rather than by the links in the answers. Raises
        Unknown where the list does not keep to its own total.
        """
        collection = path.rpartition("/")[2]
        seen: set[str] = set()
        offset = 0
        for _ in range(most):
            query = urlencode({**filters, "limit": PAGE_SIZE, "offset": offset})
            document = self._page(account=account, path=f"{path}?{query}")
            items = items_of(document, collection=collection)
            total = (document.get("meta") or {}).get("total")
            # Something new may push an item to the next page, so it may be met twice.
            for item in items:
                uri = uri_of(item, collection=collection)
                if uri not in seen:
                    seen.add(uri)
                    yield item
            offset += len(items)
            if type(total) is not int or (not items and offset < total):
                break
            if offset >= total:
                return
        message = f"the list of {collection} does not end where it says"
        raise Unknown(message)


def _declined(receipt: Receipt, answer: Answer) -> Receipt:
    """Complete a failed receipt with the words of the refusal it came with."""
    if receipt.status is not Status.FAILED:
        message = f"a refusal came with an object that is {receipt.status}"
        raise Unknown(message)
    code, reason = receipt.code or answer.code, receipt.reason or answer.reason
    return replace(
        receipt, code=code, reason=reason, hard=receipt.hard or is_hard(code=code, reason=reason)
    )


def _entity_uri(item: Item) -> str:
    """Return the uri of the money object that an event is about; empty where it is about none."""
    entity = item.get("entity")
    if isinstance(entity, dict):
        for collection in KINDS:
            if entity.get(collection):
                return uri_of(item_of(entity, collection=collection), collection=collection)
    return ""


def _the_one(document: Item, *, collection: str, name: str) -> Item:
    """Return the one item of a document. Raises Unknown where it is not the one asked for."""
    item = item_of(document, collection=collection)
    if uri_of(item, collection=collection) != f"/{collection}/{name}":
        message = f"the answer is about other {collection}"
        raise Unknown(message)
    return item


def without_keys(
    *, connect_timeout_seconds: float = 3.0, read_timeout_seconds: float = 15.0
) -> Balanced:
    """Make the historic service, which knows no idempotency keys."""
    return Balanced(
        keys=False,
        connect_timeout_seconds=connect_timeout_seconds,
        read_timeout_seconds=read_timeout_seconds,
    )
