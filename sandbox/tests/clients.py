"""Clients of the tests: one calls the server in this process, one goes over a socket."""

import base64
import json
import socket
from urllib.parse import urlsplit

from sandbox.wire import Request

VISA = {
    "number": "4111 1111 1111 1111",
    "expiration_month": "12",
    "expiration_year": "2035",
    "cvv": "123",
}
ORDINARY_BANK = {"name": "Bob", "account_number": "112233a", "routing_number": "121042882"}


def login(secret):
    return "Basic " + base64.b64encode(f"{secret}:".encode()).decode()


class Answered:
    """An answer that has been read."""

    def __init__(self, *, status, body, headers, raw):
        self.status = status
        self.body = body
        self.headers = headers
        self.raw = raw

    @property
    def one(self):
        """The only resource of an envelope."""
        ((only,),) = [
            value for name, value in self.body.items() if name not in {"links", "meta", "errors"}
        ]
        return only

    @property
    def error(self):
        (only,) = self.body["errors"]
        return only

    @property
    def code(self):
        return self.error["category_code"]


class Client:
    """Calls a sandbox that was built in this process, without the wire."""

    def __init__(self, sandbox, secret=None):
        self.sandbox = sandbox
        self.secret = secret

    def call(self, method, target, body=None, *, key=None, secret=..., headers=None):
        parts = urlsplit(target)
        all_headers = {"content-type": "application/json", **(headers or {})}
        secret = self.secret if secret is ... else secret
        if secret is not None:
            all_headers["authorization"] = login(secret)
        if key is not None:
            all_headers["idempotency-key"] = key
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        delivery = self.sandbox.conductor.serve(
            Request(
                method=method,
                path=parts.path,
                query=parts.query,
                headers=all_headers,
                body=b"" if body is None else data,
            )
        )
        answer = delivery.answer
        if answer is None:
            return None
        return Answered(
            status=answer.status,
            body=None if answer.body is None else json.loads(answer.body),
            headers=dict(answer.headers),
            raw=answer.body,
        )

    def get(self, target, **more):
        return self.call("GET", target, **more)

    def post(self, target, body=None, **more):
        return self.call("POST", target, {} if body is None else body, **more)

    def put(self, target, body=None, **more):
        return self.call("PUT", target, {} if body is None else body, **more)

    def patch(self, target, body, **more):
        return self.call("PATCH", target, body, **more)

    def delete(self, target, **more):
        return self.call("DELETE", target, **more)

    def card(self, **more):
        return self.post("/cards", {**VISA, **more}).one

    def bank_account(self, *, verified=True, **more):
        account = self.post("/bank_accounts", {**ORDINARY_BANK, **more}).one
        if verified:
            check = self.post(f"{account['href']}/verifications").one
            self.put(check["href"], {"amount_1": 1, "amount_2": 1})
        return account

    def customer(self, **more):
        return self.post("/customers", more).one

    def debit(self, amount=1000, source=None, **more):
        source = source or self.card()
        return self.post(f"{source['href']}/debits", {"amount": amount, **more})

    def escrow(self):
        return self.get("/marketplaces").one["in_escrow"]

    def at(self, now):
        return self.put("/_sandbox/clock", {"now": now}, secret=None)

    def advance(self, **units):
        seconds = units.get("days", 0) * 86400 + units.get("seconds", 0)
        return self.put("/_sandbox/clock", {"advance_seconds": seconds}, secret=None)


class Line:
    """A raw connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, path, body=b"", **headers):
        lines = [f"{method} {path} HTTP/1.1", "Host: sandbox", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def read(self, *, has_body=True):
        """Status, headers and body of one answer; None once the other side has closed."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in rest)
        length = int(headers.get("content-length", 0)) if has_body else 0
        while len(self.buffer) < length:
            if not self._more():
                return None
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(first.split(" ")[1]), headers, body

    def call(self, method, path, body=None, **headers):
        self.request(method, path, b"" if body is None else json.dumps(body).encode(), **headers)
        return self.read()

    def close(self):
        self.socket.close()

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)
