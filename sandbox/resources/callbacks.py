"""Callbacks: addresses that are told of events."""

from urllib.parse import urlsplit

from sandbox import fields
from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal, invalid
from sandbox.records import Callback
from sandbox.resources.common import deleter, lister, reader

METHODS = ("post", "put", "get")
REVISIONS = ("1.0", "1.1")


def create(call: Call) -> Reply:
    """Register an address. Raises Refusal `duplicate-webhook-url` for the same url and method."""
    (url,) = fields.needed_texts(call.body, "url")
    method = (fields.text(call.body, "method") or "post").lower()
    revision = fields.text(call.body, "revision") or "1.1"
    if method not in METHODS:
        raise invalid("method", f"must be one of {', '.join(METHODS)}")
    if revision not in REVISIONS:
        raise invalid("revision", f"must be one of {', '.join(REVISIONS)}")
    _check(url)
    marketplace = call.marketplace.id
    for other in call.store.callbacks.get(marketplace, []):
        if (other.url, other.method) == (url, method):
            raise Refusal("duplicate-webhook-url")
    made = call.work.make(Callback, url=url, method=method, revision=revision)
    return Reply(status=201, record=made)


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise invalid("url", "must be an address of the web")


ROUTES: Routes = {
    "callbacks": {"POST": create, "GET": lister(Callback)},
    "callbacks/:": {"GET": reader(Callback), "DELETE": deleter(Callback)},
}
