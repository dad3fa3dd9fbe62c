"""Answers that must not be believed."""

from dataclasses import replace
from json import loads
from random import Random

from sandbox.errors import Refusal
from sandbox.wire import Answer, Json, encode

HTML = b"<html><body><h1>It works!</h1></body></html>"
HUGE_BYTES = 1_100_000
MONEY = ("debits", "credits", "refunds", "reversals", "settlements")


def spoil(answer: Answer, kind: str, *, random: Random) -> Answer:
    """The answer with something wrong about it; `cut` is for the connection to do."""
    if kind == "html":
        return Answer(status=200, body=HTML, content_type="text/html")
    if kind == "huge":
        return replace(answer, body=(answer.body or b"{}") + b" " * HUGE_BYTES)
    if kind == "cut" or answer.body is None:
        return answer
    body = loads(answer.body)
    resource = next((body[name][0] for name in MONEY if body.get(name)), None)
    if resource is None:
        return Answer(status=200, body=HTML, content_type="text/html")
    _alter(resource, kind, random=random)
    return replace(answer, body=encode(body).encode())


def _alter(resource: dict[str, Json], kind: str, *, random: Random) -> None:
    if kind == "amount":
        resource["amount"] += random.choice((-1, 1))
    elif kind == "currency":
        resource["currency"] = "EUR"
    elif kind == "key":
        resource["meta"] = {"billy.key": "another-key"}
    else:
        raise Refusal("request", f"Unknown kind {kind!r}.")
