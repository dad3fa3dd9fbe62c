import http.client
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.tests.clients import VISA, login

ENDPOINTS = ["/debits", "/cards", "/customers", "/credits", "/bank_accounts", "/callbacks", "/"]


@pytest.fixture
def line(served, start):
    return served(start())()


@pytest.fixture
def auth(line):
    _, _, body = line.call("POST", "/api_keys", {})
    secret = json.loads(body)["api_keys"][0]["secret"]
    line.call("POST", "/marketplaces", {}, Authorization=login(secret))
    return {"Authorization": login(secret)}


def test_every_answer_is_json_by_exactly_this_name(line, auth):
    wanted = [
        ("GET", "/debits", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/debits", 405),
        ("POST", "/debits", 400),
    ]

    answers = [line.call(method, path, {}, **auth) for method, path, _ in wanted]

    assert [status for *_, status in wanted] == [status for status, *_ in answers]
    assert {"application/json"} == {headers["content-type"] for _, headers, _ in answers}


def test_an_answer_without_a_body_has_no_content_type(line, auth):
    _, _, body = line.call("POST", "/cards", VISA, **auth)
    href = json.loads(body)["cards"][0]["href"]

    line.request("DELETE", href, **auth)
    status, headers, _ = line.read(has_body=False)

    assert 204 == status
    assert {} == headers


def test_requests_sent_at_once_are_answered_in_order(line, auth):
    for number in range(40):
        line.request("GET", f"/debits?offset={number}", **auth)

    offsets = [json.loads(line.read()[2])["meta"]["offset"] for _ in range(40)]

    assert list(range(40)) == offsets


def test_a_request_may_come_in_pieces(line, auth):
    head = f"GET /debits HTTP/1.1\r\nHost: x\r\nAuthorization: {auth['Authorization']}\r\n\r\n"

    for byte in head.encode():
        line.send(bytes([byte]))

    assert 200 == line.read()[0]


def test_a_body_may_come_in_chunks(line, auth):
    body = json.dumps(VISA).encode()
    head = (
        f"POST /cards HTTP/1.1\r\nHost: x\r\nAuthorization: {auth['Authorization']}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    line.send(head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    assert 201 == line.read()[0]


def test_a_client_that_asks_is_told_to_continue(line):
    line.request("POST", "/api_keys", b"{}", Expect="100-continue")

    assert (100, 201) == (line.read()[0], line.read()[0])


def test_a_client_that_wants_to_close_is_closed(line):
    line.request("POST", "/api_keys", b"{}", Connection="close")

    status, headers, _ = line.read()

    assert (201, "close") == (status, headers["connection"])
    assert line.read() is None


def test_head_is_get_without_a_body(line, auth):
    line.request("HEAD", "/debits", **auth)

    status, headers, _ = line.read(has_body=False)

    assert 200 == status
    assert "application/json" == headers["content-type"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n", 400),
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"POST /cards HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /cards HTTP/1.1\r\nContent-Length: 9\r\nContent-Length: 10\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 413),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 413),
        (b"POST /api_keys HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_100_000, 413),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_and_ends_the_connection(line, data, status):
    line.send(data)

    answered, headers, body = line.read()

    assert (status, "application/json") == (answered, headers["content-type"])
    assert status == json.loads(body)["errors"][0]["status_code"]
    assert line.read() is None


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"3", b'"text"', b"\xff\xfe", b"[" * 5000, b'{"debits": [3]}', b"1" * 5000],
)
def test_a_body_that_is_no_object_is_a_bad_request(client, body):
    assert 400 == client.post("/debits", body).status


def test_the_root_needs_a_key_and_is_there(client):
    assert 401 == client.get("/", secret=None).status
    assert 200 == client.get("/").status


@pytest.mark.parametrize("path", ["/debits/", "/debits", "//debits//", "/v1/debits/"])
def test_trailing_slashes_and_old_prefixes_do_not_matter(client, path):
    assert 200 == client.get(path).status


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!", "Bearer abc", "Basic " + "A" * 4000, "Basic /w=="]
)
def test_only_a_known_key_may_enter(client, header):
    answer = client.get("/debits", secret=None, headers={"authorization": header})

    assert (401, "authentication-required") == (answer.status, answer.code)
    assert "extras" not in answer.error


def test_any_password_will_do(client):
    header = login(client.secret + ":None").replace("Og==", "")

    assert 200 == client.get("/debits", secret=None, headers={"authorization": header}).status


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.text(alphabet=st.characters(categories=["Cs"]), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
names = st.sampled_from(
    [
        *("amount", "meta", "description", "source", "destination", "order", "customer", "links"),
        *("appears_on_statement_as", "number", "expiration_month", "expiration_year", "cvv"),
        *("name", "account_number", "routing_number", "email", "address", "dob_month", "url"),
        *("debits", "cards", "customers"),
    ]
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    path=st.sampled_from(ENDPOINTS) | st.text(max_size=20).map(lambda text: "/" + text),
    body=st.dictionaries(names, json_values, max_size=6) | json_values,
    query=st.lists(
        st.tuples(
            st.sampled_from(["limit", "offset", "sort", "amount[>]", "created_at[in]"]),
            st.text(max_size=8),
        ),
        max_size=3,
    ),
)
def test_no_request_breaks_the_server(client, method, path, body, query):
    target = path.replace("?", "").replace("#", "") or "/"
    target = "/" + target.lstrip("/") if target.startswith("//") else target
    data = json.dumps(body).encode()
    words = "&".join(f"{name}={value}" for name, value in query).replace("#", "")

    answer = client.call(method, f"{target}?{words}", data)

    assert answer.status < 500
    assert answer.body is None or isinstance(answer.body, dict)


def test_a_common_client_gets_along(served, start):
    connect = served(start())
    connection = http.client.HTTPConnection("127.0.0.1", connect.port, timeout=10)

    connection.request("POST", "/api_keys", "{}", {"Content-Type": "application/json"})
    answer = connection.getresponse()

    assert 201 == answer.status
    assert "ak-test-" in answer.read().decode()
    connection.close()
