"""Lines: what is written on them, what is believed that comes back, and when they end."""

import pytest

from processors.lines import MOST_ANSWER_BYTES, Lines, Unreadable
from processors.tests.wire_server import Say

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def lines():
    made = Lines(connect_timeout_seconds=2.0, read_timeout_seconds=5.0)
    yield made
    made.hang_up()


def call(lines, server, *, method="GET", path="/", headers=None, body=None):
    place, _ = lines.place_of(server.url)
    line = lines.take(place)
    try:
        return line.call(method, path, headers=headers or {}, body=body), line
    finally:
        lines.give_back(line)


def test_a_request_is_its_lines_and_its_body(lines, server):
    server.script.append(Say(OK))

    call(lines, server, method="POST", path="/debits", headers={"A": "b"}, body=b"{}")

    assert server.requests == [
        f"POST /debits HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nA: b\r\n"
        "Content-Length: 2\r\n\r\n{}".encode()
    ]


def test_a_line_is_used_again(lines, server):
    server.script.extend([Say(OK), Say(OK)])

    assert call(lines, server)[1] is call(lines, server)[1]


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), b"{}"),
        (OK.replace(b"1.1", b"1.0"), b"{}"),
        (OK + OK, b"{}"),  # The second was not asked for.
        (b"HTTP/1.1 200 OK\r\n\r\n{}", b"{}"),  # It lasts until the line ends.
    ],
)
def test_a_line_that_ends_or_says_too_much_is_not_used_again(lines, server, said, body):
    server.script.extend([Say(said, close=True), Say(OK)])

    response, line = call(lines, server)

    assert (body, "", False) == (response.body, response.complaint, line.stays_open)
    assert call(lines, server)[1] is not line


def test_what_only_announces_an_answer_is_passed_over(lines, server):
    server.script.append(Say(b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + OK))

    response, line = call(lines, server)

    assert (200, {"content-length": "2"}, b"{}") == response[:3]
    assert line.stays_open


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        OK[:20],
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
    ],
)
def test_what_is_no_answer_is_unreadable(lines, server, said):
    server.script.append(Say(said, close=True))

    with pytest.raises(OSError) as caught:  # noqa: PT011  # A reset is one as well.
        call(lines, server)

    assert isinstance(caught.value, Unreadable | ConnectionError)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (OK[:-1], "it ends before its end"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
            "it ends before its end",
        ),
        (
            f"HTTP/1.1 200 OK\r\nContent-Length: {MOST_ANSWER_BYTES + 1}\r\n\r\n".encode()
            + b" " * (MOST_ANSWER_BYTES + 1),
            f"it is longer than {MOST_ANSWER_BYTES} bytes",
        ),
    ],
)
def test_a_body_that_is_not_whole_is_complained_of(lines, server, said, complaint):
    server.script.append(Say(said, close=True))

    response, line = call(lines, server)

    assert (200, complaint, False) == (response.status, response.complaint, line.stays_open)


@pytest.mark.parametrize(
    "asked",
    [
        {"path": "/a b"},
        {"path": "/a\r\nX: y"},
        {"path": "/caf\u00e9"},
        {"headers": {"Idempotency-Key": "a\r\nX: y"}},
        {"headers": {"Idempotency-Key": "a\nX: y"}},
        {"headers": {"X\r\nY": "z"}},
        {"headers": {"Idempotency-Key": "\u20ac"}},
    ],
)
def test_what_would_be_another_request_is_not_written(lines, server, asked):
    with pytest.raises(ValueError):  # noqa: PT011  # Its words are for people.
        call(lines, server, **asked)

    assert server.requests == []
