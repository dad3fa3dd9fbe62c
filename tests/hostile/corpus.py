"""The requests: each class at every route, and as many again made by chance from a seed."""

import json
import random
from dataclasses import dataclass, replace
from itertools import cycle, islice
from urllib.parse import quote, quote_from_bytes

from tests.hostile import framing
from tests.hostile.routes import every_route
from tests.hostile.values import (
    BODIES,
    CONTENT_TYPES,
    HEADERS,
    METHODS,
    MULTIPART,
    TEXTS,
)

ALL_TEXTS = [(name, text) for name, texts in TEXTS.items() for text in texts]
ALL_BODIES = [(name, body) for name, bodies in BODIES.items() for body in bodies]
# A card's number beside other digits is none; it is sent by itself.
JOINED = [text for name, text in ALL_TEXTS if name != "number of a card"]
PUBLIC_SHARE = 0.25
LONGEST_TARGET = 3_900  # Beyond it the server itself refuses; that is a class of its own.


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One request: its class, its route, and all bytes of it."""

    kind: str
    route: str
    raw: bytes
    is_staff: bool = False
    may_close: bool = False
    """No answer is needed where what was sent is no HTTP."""


class Maker:
    """Builds requests to the routes of one world."""

    def __init__(self, world, *, urlconf=None):
        self.world = world
        self.routes = every_route(urlconf)

    def shot(self, kind, route, parts):
        """Return a request that is harmless but for the parts that are given."""
        if "raw" in parts:
            return Shot(kind=kind, route=route.name, raw=parts["raw"], may_close=True)
        entry = route.entry
        cookie = self.world.cookie if entry.keeps_session else self.world.visitor
        headers = {
            b"Host": b"127.0.0.1",
            b"Connection": b"close",
            **({b"Content-Type": entry.content_type.encode()} if entry.content_type else {}),
            **({b"Cookie": cookie} if entry.is_form else {}),
            **({b"Authorization": self.world.authorization} if entry.has_key else {}),
            # Without it a form would be refused before anything reads what was sent.
            **({b"X-CSRFToken": self.world.csrf.encode()} if entry.is_form else {}),
            **dict(parts.get("headers", ())),
        }
        target = parts.get("target", route.path(self.world.values(route)).encode())
        if parts.get("query"):
            target += b"?" + parts["query"]
        body = parts.get("body", entry.body(self.world))
        method = parts.get("method", entry.method.encode())
        return Shot(
            kind=kind,
            route=route.name,
            raw=framing.request(method, target, list(headers.items()), body),
            is_staff=headers.get(b"Cookie") == self.world.cookie,
            may_close=parts.get("may_close", False) or len(body) > framing.BUFFERED,
        )

    def listed(self):
        """Yield every class at every route, as what `shot` makes a request of."""
        for makes in (self._paths, self._queries, self._headers, self._methods, self._bodies):
            for route in self.routes:
                yield from makes(route)
        for route in self.routes:
            yield from self._framed(route)
        yield from self.forged()

    def _paths(self, route):
        for name in route.parameters:
            for kind, text in ALL_TEXTS:
                values = self.world.values(route) | {name: escaped(text)}
                target = route.path(values).encode()[:LONGEST_TARGET]
                yield kind, route, {"target": target}
        if not route.parameters:
            yield "traversal", route, {"target": b"/" + b"../" * 9 + b"etc/passwd"}
            yield "over-long", route, {"target": b"/" + b"a" * 9_000}

    def _queries(self, route):
        texts = cycle(ALL_TEXTS)
        for name in route.entry.queries:
            for kind, text in islice(texts, len(ALL_TEXTS) if route.entry.needs_staff else 9):
                query = f"{name}={escaped(text)}".encode()[: LONGEST_TARGET - 300]
                yield kind, route, {"query": query}
            twice = f"{name}=1&{name}=a&{name}=&{name}[]=1".encode()
            yield "repeated parameter", route, {"query": twice}
        for kind, text in ALL_TEXTS[:40]:
            query = f"{escaped(text)}=1".encode()[: LONGEST_TARGET - 300]
            yield kind, route, {"query": query}

    def _headers(self, route):
        for header in HEADERS:
            yield "header", route, {"headers": [header], "may_close": True}

    def _methods(self, route):
        for method in METHODS:
            yield "method", route, {"method": method, "may_close": True}

    def _bodies(self, route):
        for kind, body in ALL_BODIES:
            yield kind, route, {"method": b"POST", "body": body}
        for content_type in CONTENT_TYPES:
            # A body that no route can use, whatever it is taken for: none at all makes a customer.
            parts = {"headers": [(b"Content-Type", content_type)], "may_close": True}
            yield "content type", route, {"method": b"POST", "body": b"[]"} | parts
        for body in MULTIPART:
            headers = [(b"Content-Type", b"multipart/form-data; boundary=b")]
            yield "multipart", route, {"method": b"POST", "headers": headers, "body": body}

    def _framed(self, route):
        target = route.path(self.world.values(route)).encode()
        authorization = self.world.authorization if route.entry.has_key else b""
        for raw in framing.broken(target, authorization=authorization):
            yield "framing", route, {"raw": raw}

    def forged(self):
        """Yield callbacks that claim what is not so, and keys that open nothing."""
        route = next((each for each in self.routes if "callbacks" in each.pattern), None)
        if route is None:
            return
        for guid, key in self.world.addresses():
            target = route.path({"guid": escaped(guid), "key": escaped(key)}).encode()
            for body in self.world.claims():
                yield "forged callback", route, {"target": target, "body": body}
        for _ in range(20):
            yield "replayed callback", route, {}

    def generated(self, seed):
        """Yield requests made by chance, for ever; the same for the same seed."""
        chance = random.Random(seed)
        while True:
            # Anybody may call the callbacks' address; most other routes want a member of the staff.
            public = [each for each in self.routes if not each.entry.is_form]
            route = chance.choice(public if chance.random() < PUBLIC_SHARE else self.routes)
            yield self._by_chance(chance, route)

    def _by_chance(self, chance, route):
        parts = {"may_close": False}
        if route.parameters and chance.random() < 0.5:
            values = {name: escaped(text_of(chance)) for name in route.parameters}
            parts["target"] = route.path(self.world.values(route) | values).encode()
            parts["target"] = parts["target"][:LONGEST_TARGET]
        if chance.random() < 0.6:
            parts["query"] = query_of(chance, route.entry.queries)
        if chance.random() < 0.3:
            parts["headers"] = [chance.choice(HEADERS) for _ in range(chance.randint(1, 4))]
            parts["may_close"] = True
        if chance.random() < 0.4:
            parts |= {"method": b"POST", "body": body_of(chance)}
        if chance.random() < 0.1:
            parts |= {"method": chance.choice(METHODS), "may_close": True}
        shot = self.shot("generated", route, parts)
        if chance.random() < 0.15:
            return flipped(chance, shot)
        return shot


def escaped(text):
    """Return text as an address may hold it, whatever it is."""
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


def text_of(chance):
    """Return a piece of one hostile text, or several of them joined."""
    pieces = [chance.choice(JOINED) for _ in range(chance.randint(1, 3))]
    joined = "".join(pieces)
    return joined[: chance.randint(1, 400)]


def query_of(chance, names):
    """Return a query of some of the names that a route reads, and of some others."""
    known = [*names, "id__in", "created_at__lt", "company_id", "trail__id", "\0", "a" * 99]
    pairs = [
        f"{quote(chance.choice(known), safe='')}={escaped(text_of(chance))}"
        for _ in range(chance.randint(1, 5))
    ]
    return "&".join(pairs).encode()[:3_000]


def body_of(chance):
    """Return a body: one of the list, JSON of any shape, or bytes."""
    kind = chance.randint(0, 3)
    if kind == 0:
        return chance.choice(ALL_BODIES)[1]
    if kind == 1:
        return chance.randbytes(chance.randint(0, 300))
    value = json_of(chance, depth=0)
    if kind == 2:
        value = {"id": value, "events": json_of(chance, depth=0)}
    return json.dumps(value).encode()


def json_of(chance, *, depth):
    """Return a JSON value of any shape."""
    kind = chance.randint(0, 4 if depth > 3 else 6)
    if kind == 5:
        return [json_of(chance, depth=depth + 1) for _ in range(chance.randint(0, 4))]
    if kind == 6:
        names = ["id", "events", "type", "entity", text_of(chance)]
        return {chance.choice(names): json_of(chance, depth=depth + 1) for _ in range(3)}
    plain = (None, chance.random() < 0.5, chance.randint(-(2**70), 2**70), chance.random())
    return plain[kind] if kind < 4 else text_of(chance)


def flipped(chance, shot):
    """Return a request of which a few bytes are others, or gone, or there twice."""
    raw = bytearray(shot.raw)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(raw))
        raw[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        if not raw:
            raw = bytearray(b"\r\n")
    return replace(shot, raw=bytes(raw), may_close=True)
