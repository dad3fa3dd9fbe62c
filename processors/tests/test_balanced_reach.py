"""When Balanced cannot be reached: nothing was sent, and that is certain."""

import datetime as dt
import socket
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from processors.base import Account, Misconfigured, NotSent
from processors.tests.wire_server import Babble, WireServer


def test_a_refused_connection_is_not_sent(balanced, order):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(NotSent):
        balanced.submit(replace(order, account=Account(url=url, secret="s")))


def test_a_failed_handshake_is_not_sent(server, balanced, order):
    server.script.append(Babble())
    url = server.url.replace("http:", "https:")

    with pytest.raises(NotSent):
        balanced.submit(replace(order, account=Account(url=url, secret="s")))


def test_a_certificate_that_nobody_vouches_for_is_not_sent(balanced, order, tmp_path):
    with WireServer(certificate=self_signed(tmp_path)) as server, pytest.raises(NotSent):
        balanced.submit(replace(order, account=Account(url=server.url, secret="s")))

    assert server.requests == []


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1", "http://", "http://a..b", "http://[::1"])
def test_a_url_that_is_none_is_a_matter_for_people(balanced, order, url):
    with pytest.raises(Misconfigured):
        balanced.submit(replace(order, account=Account(url=url, secret="s")))


def self_signed(folder):
    """Write a certificate for this machine that nobody vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2090))
        .sign(key, hashes.SHA256())
    )
    path = folder / "self-signed.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
