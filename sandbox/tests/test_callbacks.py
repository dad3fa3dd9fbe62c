import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from queue import Queue

import pytest

from sandbox.tests.clients import VISA, Client, login


class Listener:
    """Listens for callbacks; `refuse` is how many it answers with 500 first."""

    def __init__(self):
        self.heard = Queue()
        self.refuse = 0
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = 500 if listener.refuse else 200
                listener.refuse = max(listener.refuse - 1, 0)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                listener.heard.put((self.command, dict(self.headers), json.loads(body)))

            def do_PUT(self):
                self.do_POST()

            def log_message(self, *_):
                """Say nothing."""

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.01])
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hear?me=1"

    def next(self):
        return self.heard.get(timeout=10)

    def types(self, count):
        return [self.next()[2]["events"][0]["type"] for _ in range(count)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def line(served, start):
    """A line to a sandbox that retries callbacks soon, and the headers of a key."""
    line = served(start(callback_retry_seconds=0.01))()
    secret = json.loads(line.call("POST", "/api_keys", {})[2])["api_keys"][0]["secret"]
    auth = {"Authorization": login(secret)}
    line.call("POST", "/marketplaces", {}, **auth)
    return lambda method, path, body=None: json.loads(
        line.call(method, path, body, **auth)[2] or b"null"
    )


def test_events_are_told_in_their_envelope(line, listener):
    line("POST", "/callbacks", {"url": listener.url})
    customer = line("POST", "/customers", {"name": "Ada"})["customers"][0]

    method, headers, body = listener.next()

    assert ("POST", "application/json") == (method, headers["Content-Type"])
    assert "balanced/hooker/1.0" == headers["User-Agent"]
    (event,) = body["events"]
    assert "account.created" == event["type"]
    assert customer == event["entity"]["customers"][0]
    assert event == line("GET", event["href"])["events"][0]


def test_a_debit_tells_of_its_hold_too(line, listener):
    card = line("POST", "/cards", VISA)["cards"][0]
    line("POST", "/callbacks", {"url": listener.url})
    line("POST", f"{card['href']}/debits", {"amount": 5})

    assert {
        "hold.created",
        "hold.captured",
        "hold.updated",
        "debit.created",
        "debit.succeeded",
    } == set(listener.types(5))


def test_a_callback_is_tried_again_until_it_is_heard(line, listener):
    listener.refuse = 2
    line("POST", "/callbacks", {"url": listener.url, "method": "put"})
    line("POST", "/customers", {})

    heard = [listener.next() for _ in range(3)]

    assert ["PUT"] * 3 == [method for method, *_ in heard]
    assert 1 == len({body["events"][0]["id"] for *_, body in heard})


def test_callbacks_may_come_more_than_once_and_before_the_answer(line, listener):
    line("PUT", "/_sandbox/faults", {"callbacks": {"duplicate": 5, "early": 1}})
    line("POST", "/callbacks", {"url": listener.url})

    for _ in range(5):
        line("POST", "/customers", {})

    happened = line("GET", "/_sandbox/faults")["happened"]
    heard = [listener.next()[2]["events"][0]["id"] for _ in range(5)]
    assert 5 == happened["callbacks.early"]
    assert 0 < happened["callbacks.duplicate"] <= 20
    assert len(heard) > 0


def test_nobody_is_told_without_a_callback_or_after_it_is_gone(line, listener):
    made = line("POST", "/callbacks", {"url": listener.url})["callbacks"][0]
    line("DELETE", made["href"])
    line("POST", "/customers", {"name": "Unheard"})
    line("POST", "/callbacks", {"url": listener.url})
    line("POST", "/customers", {"name": "Heard"})

    assert "Heard" == listener.next()[2]["events"][0]["entity"]["customers"][0]["name"]


def test_an_address_that_nobody_listens_at_does_no_harm(line):
    line("POST", "/callbacks", {"url": "http://127.0.0.1:9/"})

    assert "customers" in line("POST", "/customers", {})


def test_callbacks_are_registered_once_for_url_and_method(client):
    bodies = [
        {"url": "http://example.com/a"},
        {"url": "http://example.com/a"},
        {"url": "http://example.com/a", "method": "get"},
        {"url": "http://example.com/b"},
    ]

    answers = [client.post("/callbacks", body) for body in bodies]

    assert [201, 409, 201, 201] == [answer.status for answer in answers]
    assert "duplicate-webhook-url" == answers[1].code
    assert {"id", "href", "url", "method", "revision", "links"} == set(answers[0].one)


@pytest.mark.parametrize("url", [None, "", "x", "ftp://a/", "http://", "http://a:0/", "http://a b"])
def test_a_callback_needs_an_address_of_the_web(client, url):
    assert 400 == client.post("/callbacks", {"url": url}).status


def test_a_restarted_sandbox_still_knows_whom_to_tell(start, join, tmp_path):
    before = start(ledger=tmp_path / "ledger.jsonl")
    client = join(before)
    made = client.post("/callbacks", {"url": "http://example.com/a"}).one
    before.ledger.close()

    after = Client(start(ledger=tmp_path / "ledger.jsonl"), client.secret)

    assert made == after.get("/callbacks").one
    assert 409 == after.post("/callbacks", {"url": "http://example.com/a"}).status
