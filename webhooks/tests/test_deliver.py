"""Apps are told what happened: signed, for three days if need be, and never at our own door."""

import base64
import hashlib
import hmac
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from audit.models import AuditEvent, Outbox
from conftest import give_instrument
from core.invalid import Invalid
from webhooks import deliver, endpoints, signing
from webhooks.models import Delivery, Endpoint
from webhooks.outside import Outside, Unreachable, is_public

pytestmark = pytest.mark.django_db

LOCAL = Outside(is_local=True, total_seconds=2.0)


class Receiver:
    """An app's own server on this machine, which answers as it is told."""

    def __init__(self):
        self.statuses, self.requests, self.headers = [], [], {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # The library's name.
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def endpoint(marketplace, receiver, now):
    return endpoints.make(
        marketplace, {"url": receiver.url}, outside=LOCAL, now=now, actor="a test"
    )


def something_happens(alice, memory, *, now):
    alice.company.refresh_from_db()
    give_instrument(alice, memory.add_card(), memory=memory, now=now)


def test_an_event_is_told_with_a_signature_that_can_be_checked(
    endpoint, alice, memory, receiver, now
):
    something_happens(alice, memory, now=now)

    deliver.run(outside=LOCAL, now=now)

    event = AuditEvent.objects.filter(kind="instrument.added").order_by("-seq").first()
    headers, body = receiver.requests[-1]
    assert headers["webhook-signature"] == by_hand(endpoint.secret, headers, body)
    assert f'"sequence":{event.seq},"timestamp"'.encode() in body
    assert Delivery.objects.get(event_id=event.pk).state == "delivered"
    assert not Outbox.objects.filter(done_at=None).exists()


def by_hand(secret, headers, body):
    """Sign as the specification says, without its library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()


def test_the_vector_of_standard_webhooks_is_signed_alike():
    assert (
        signing.signatures(
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            at=datetime.fromtimestamp(1614265330, UTC),
            body=b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_two_secrets_sign_while_one_is_replaced(endpoint, alice, memory, receiver, now):
    endpoints.renew(endpoint, now=now, actor="a test")
    something_happens(alice, memory, now=now)

    deliver.run(outside=LOCAL, now=now)
    deliver_later = now + timedelta(days=2)
    something_happens(alice, memory, now=deliver_later)
    deliver.run(outside=LOCAL, now=deliver_later)

    counts = [len(headers["webhook-signature"].split()) for headers, _ in receiver.requests]
    assert counts[0] == 2
    assert counts[-1] == 1


def test_what_fails_is_tried_ten_times_in_three_days(endpoint, alice, memory, receiver, now):
    receiver.statuses = [500] * 30
    something_happens(alice, memory, now=now)
    deliver.relay(now=now)
    row = Delivery.objects.order_by("-id").first()
    Delivery.objects.exclude(pk=row.pk).update(state="delivered", next_try_at=None)

    at, waits = now, []
    for _ in range(12):
        deliver.run(outside=LOCAL, now=at)
        row.refresh_from_db()
        if row.next_try_at is None:
            break
        waits.append((row.next_try_at - at).total_seconds())
        at = row.next_try_at

    assert (row.state, row.tries, len(waits)) == ("failed", 10, 9)
    assert timedelta(days=2.5) < at - now < timedelta(days=3.6)
    assert [each["status"] for each in row.attempts] == [500] * 10
    assert deliver.again(row, now=at).state == "waiting"
    receiver.statuses = []
    deliver.run(outside=LOCAL, now=at)
    row.refresh_from_db()
    assert row.state == "delivered"


def test_an_endpoint_that_is_gone_is_told_nothing_more(endpoint, alice, memory, receiver, now):
    receiver.statuses = [410]
    something_happens(alice, memory, now=now)

    deliver.run(outside=LOCAL, now=now)

    endpoint.refresh_from_db()
    alice.company.refresh_from_db()
    assert (endpoint.state, alice.company.listens) == ("disabled", False)


def test_only_the_kinds_that_are_wanted_are_told(marketplace, receiver, alice, memory, now):
    endpoints.make(
        marketplace,
        {"url": receiver.url, "kinds": ["debit.succeeded"]},
        outside=LOCAL,
        now=now,
        actor="a test",
    )
    something_happens(alice, memory, now=now)

    deliver.run(outside=LOCAL, now=now)

    assert receiver.requests == []
    assert not Delivery.objects.exists()


def test_a_redirect_is_not_followed(endpoint, alice, memory, receiver, now):
    receiver.statuses, receiver.headers = [302] * 5, {"Location": receiver.url}
    something_happens(alice, memory, now=now)

    deliver.run(outside=LOCAL, now=now)

    deliveries = Delivery.objects.count()
    assert len(receiver.requests) == deliveries


def test_a_receiver_that_hangs_is_left(now):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()

        with pytest.raises(Unreachable):
            Outside(is_local=True, total_seconds=0.5).post(
                f"http://127.0.0.1:{silent.getsockname()[1]}/", body=b"{}", headers={}
            )

    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com", "ftp://example.com", "https://user@example.com", "https://"),
        *("https://example.com:22", "https://127.0.0.1", "https://2130706433", "https://0x7f.1"),
        *("https://[::1]/", "https://0177.0.0.1", "https://localhost", "https://example.com#a"),
        *("https://bücher.example", "https://example.com.", "https://a b.com", "https://:443"),
        *("//example.com", "example.com", "https://example.com:99999", "https://169.254.169.254"),
        *("https://ex\u3002ample.com", "https://%31%32%37.0.0.1", "https://example.com:0"),
    ],
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(Invalid):
        Outside().checked("url", url)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "fd00:ec2::254", "64:ff9b::7f00:1"),
        *("2002:7f00:1::", "2001:0:7f00:1::", "198.18.0.1", "192.0.2.1", "240.0.0.1"),
        *("fec0::1", "::7f00:1", "3fff::1", "5f00::1", "192.88.99.1", "192.0.0.9", "100::1"),
    ],
)
def test_a_name_that_leads_inside_is_not_followed(address):
    with socket.socket() as inside:
        inside.bind(("127.0.0.1", 0))
        inside.listen()
        inside.settimeout(0.05)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        found = [(family, socket.SOCK_STREAM, 6, "", (address, inside.getsockname()[1]))]

        with pytest.raises(Unreachable, match="not a public one"):
            Outside(resolve=lambda *_: found).post(
                "https://rebinding.example.com/", body=b"{}", headers={}
            )

        with pytest.raises(TimeoutError):
            inside.accept()


def test_a_name_with_one_private_address_is_not_followed_to_the_public_one():
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
        for address in ("93.184.216.34", "10.0.0.1")
    ]

    with pytest.raises(Unreachable, match="not a public one"):
        Outside(resolve=lambda *_: found).post("https://two.example.com/", body=b"", headers={})


def test_a_receiver_that_dribbles_its_answer_is_cut_off():
    ended, began = threading.Event(), time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def dribble():
            with slow.accept()[0] as caller:
                caller.sendall(b"HTTP/1.1 200 OK\r\n")
                while not ended.wait(0.05):
                    try:
                        caller.sendall(b"x: y\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=dribble)
        thread.start()
        with pytest.raises(Unreachable):
            Outside(is_local=True, total_seconds=0.5).post(
                f"http://127.0.0.1:{slow.getsockname()[1]}/", body=b"{}", headers={}
            )
        ended.set()
        thread.join()

    assert time.monotonic() - began < 5


def test_no_proxy_of_the_environment_is_asked(monkeypatch, receiver):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.05)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, address)

        reply = LOCAL.post(receiver.url, body=b"{}", headers={})

        with pytest.raises(TimeoutError):
            proxy.accept()
    assert reply.status == 204


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_the_public_network_may_be_reached(address):
    import ipaddress

    assert is_public(ipaddress.ip_address(address))


def test_secrets_of_endpoints_are_not_kept_in_clear(endpoint, database):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute('SELECT secret FROM "billy_webhooks_endpoint"')
        ((stored,),) = cursor.fetchall()

    assert endpoint.secret.startswith("whsec_")
    assert endpoint.secret not in stored
    assert Endpoint.objects.get().secret == endpoint.secret
