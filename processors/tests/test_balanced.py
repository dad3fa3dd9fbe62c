"""Balanced's resources, against a scripted server: what is looked up, read and made of it."""

import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processors import load
from processors.balanced import Balanced
from processors.balanced_objects import request_of
from processors.base import (
    Account,
    KeyClass,
    Kind,
    Misconfigured,
    NotFound,
    Order,
    Rejected,
    Status,
    Unknown,
)
from processors.tests.wire_server import DEBIT_URI, Reset, debit_item, error, page, say

CARD = {
    "id": "CC0123456789abcdef",
    "number": "xxxxxxxxxxxx1111",
    "brand": "VISA",
    "expiration_month": "07",
    "expiration_year": 2035,
    "can_debit": True,
    "can_credit": False,
    "links": {"customer": "CU0123456789abcdef"},
}
BANK_ACCOUNT = {
    "id": "BA0123456789abcdef",
    "account_number": "xxxxxx0001",
    "bank_name": "",
    "can_debit": False,
    "can_credit": True,
    "links": {"customer": None},
}
OTHERS = {
    Kind.CREDIT: "/bank_accounts/BA0123456789abcdef",
    Kind.REFUND: DEBIT_URI,
    Kind.REVERSAL: "/credits/CR0123456789abcdef",
}


def asked(server, number=0):
    """Return the method, the path and the filters of a request."""
    line = server.requests[number].split(b"\r\n")[0].decode()
    method, target, _ = line.split(" ")
    parts = urlsplit(target)
    return method, parts.path, {name: value[0] for name, value in parse_qs(parts.query).items()}


def numbered(number, **changes):
    return debit_item(id=f"WD{number:016}", **changes)


class TestFind:
    def test_it_asks_for_the_key_in_every_status(self, server, balanced, order):
        server.script.append(say(200, page([])))

        found = balanced.find(order)

        assert found is None
        assert asked(server) == (
            "GET",
            "/debits",
            {
                "meta.billy.key": "b1-key",
                "status[in]": "succeeded,pending,failed",
                "limit": "100",
                "offset": "0",
            },
        )

    @pytest.mark.parametrize("kind", [Kind.REFUND, Kind.REVERSAL])
    def test_what_takes_back_is_sought_at_its_parent(self, server, balanced, order, kind):
        collection = f"{kind}s"
        server.script.append(say(200, {collection: [], "links": {}, "meta": {"total": 0}}))

        balanced.find(replace(order, kind=kind, target_uri=OTHERS[kind]))

        _, path, filters = asked(server)
        assert path == f"{OTHERS[kind]}/{collection}"
        assert "meta.billy.key" not in filters

    def test_it_reads_every_page_however_short(self, server, balanced, order):
        strangers = [numbered(number, meta={}) for number in range(20)]
        server.script.extend(
            [
                say(200, page(strangers[:10], total=21)),
                say(200, page(strangers[10:], total=21)),
                say(200, page([debit_item()], total=21)),
            ]
        )

        receipt = balanced.find(order)

        assert receipt.uri == DEBIT_URI
        assert [asked(server, number)[2]["offset"] for number in range(3)] == ["0", "10", "20"]

    @pytest.mark.parametrize(
        ("statuses", "expected"),
        [
            (["failed", "pending", "succeeded"], Status.SUCCEEDED),
            (["pending", "failed"], Status.PENDING),
            (["failed", "failed"], Status.FAILED),
        ],
    )
    def test_of_several_it_prefers_the_one_that_moved_money(
        self, server, balanced, order, statuses, expected
    ):
        items = [numbered(number, status=status) for number, status in enumerate(statuses)]
        server.script.append(say(200, page(items)))

        assert balanced.find(order).status is expected

    @pytest.mark.parametrize(
        "document",
        [
            page([], total=1),
            {"debits": [], "links": {}},
            {"debits": [], "links": {}, "meta": []},
            {"debits": [], "links": {}, "meta": {"total": "0"}},
            {"links": {}, "meta": {"total": 0}},
            page([debit_item(amount=1)]),
            page([debit_item(status="?")]),
            page([debit_item(currency="EUR")]),
        ],
    )
    def test_a_list_that_cannot_be_right_proves_nothing(self, server, balanced, order, document):
        server.script.append(say(200, document))

        with pytest.raises(Unknown):
            balanced.find(order)

    def test_a_list_without_an_end_ends(self, server, balanced, order):
        endless = page([debit_item(meta={})], total=1_000_000)
        server.script.extend([say(200, endless)] * 200)

        with pytest.raises(Unknown):
            balanced.find(order)

        assert len(server.requests) == 200


class TestRequest:
    @pytest.mark.parametrize(
        "target_uri",
        [
            "/customers/CU0123456789abcdef",
            "/cards/CC1/../../x",
            "http://elsewhere.example/cards/CC1",
            "/cards/CC1?x=y",
            "/cards/CC1\r\nX: y",
            "",
        ],
    )
    def test_a_target_that_is_none_is_rejected_before_anything_is_sent(
        self, server, balanced, order, target_uri
    ):
        with pytest.raises(Rejected):
            balanced.submit(replace(order, target_uri=target_uri))

        assert server.requests == []

    def test_another_currency_is_rejected_before_anything_is_sent(self, server, balanced, order):
        with pytest.raises(Rejected):
            balanced.submit(replace(order, currency="EUR"))

        assert server.requests == []

    @pytest.mark.parametrize(
        "uri",
        ["/v1/marketplaces/TEST-MP1/cards/CC1", "/v1/customers/CU1/cards/CC1", "/v1/cards/CC1/"],
    )
    def test_uris_of_version_one_name_the_same_card(self, order, uri):
        path, _ = request_of(replace(order, target_uri=uri))

        assert path == "/cards/CC1/debits"

    @settings(deadline=None)  # The machine may be busy with other tests.
    @given(st.text(max_size=60))
    @example("Zürich, Größe")
    def test_a_statement_text_is_always_fit_to_be_sent(self, text):
        order = Order(
            account=Account(url="http://127.0.0.1", secret="s"),
            kind=Kind.DEBIT,
            key="b1-key",
            amount=1,
            currency="USD",
            target_uri="/cards/CC1",
            statement_text=text,
        )

        _, body = request_of(order)

        statement = body.get("appears_on_statement_as", "x")
        assert 1 <= len(statement) <= 18
        assert statement.isascii()
        assert statement.isprintable()


class TestInstrument:
    def test_a_card_is_shown_masked(self, server, balanced, account):
        server.script.append(say(200, {"cards": [CARD], "links": {}}))

        card = balanced.instrument(account=account, uri="/cards/CC0123456789abcdef")

        assert (card.label, card.expires) == ("Visa xx1111", "2035-07")
        assert card.customer_uri == "/customers/CU0123456789abcdef"
        assert (card.can_debit, card.can_credit) == (True, False)

    def test_a_bank_account_without_a_name_is_named_for_what_it_is(self, server, balanced, account):
        server.script.append(say(200, {"bank_accounts": [BANK_ACCOUNT], "links": {}}))

        found = balanced.instrument(account=account, uri="/bank_accounts/BA0123456789abcdef")

        assert (found.label, found.expires) == ("Bank account xx0001", "")
        assert found.customer_uri is None

    @pytest.mark.parametrize("answer_of_the_put", [200, 409])
    def test_an_association_that_holds_already_is_success(
        self, server, balanced, account, answer_of_the_put
    ):
        shown = {"cards": [CARD], "links": {}}
        refusal = error(409, "card-already-funding-src")
        script = {200: [say(200, shown)], 409: [say(409, refusal), say(200, shown)]}
        server.script.extend(script[answer_of_the_put])

        balanced.associate(
            account=account,
            instrument_uri="/cards/CC0123456789abcdef",
            customer_uri="/customers/CU0123456789abcdef",
        )

        assert not server.script

    @pytest.mark.parametrize(
        ("script", "kind"),
        [
            ([say(404, error(404, "not-found"))], NotFound),
            ([say(400, error(400, "request"))], Rejected),
            ([say(409, error(409, "x")), say(200, {"cards": [CARD], "links": {}})], Rejected),
            ([say(409, error(409, "x")), Reset()], Unknown),
            ([say(200, {"cards": [CARD], "links": {}})], Unknown),
        ],
    )
    def test_an_association_that_fails_says_how(self, server, balanced, account, script, kind):
        server.script.extend(script)

        with pytest.raises(kind):
            balanced.associate(
                account=account,
                instrument_uri="/cards/CC0123456789abcdef",
                customer_uri="/customers/CU9999999999999999",
            )


class TestCustomer:
    made = say(201, {"customers": [{"id": "CU0123456789abcdef"}], "links": {}})

    def create(self, balanced, account):
        return balanced.create_customer(
            account=account, key="b1-alice", name="Alice", email="", meta={"billy.customer": "1"}
        )

    def test_it_is_made_under_its_key_without_what_is_empty(self, server, balanced, account):
        server.script.append(self.made)

        uri = self.create(balanced, account)

        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        assert uri == "/customers/CU0123456789abcdef"
        assert b"Idempotency-Key: b1-alice\r\n" in head + b"\r\n"
        assert json.loads(body) == {
            "name": "Alice",
            "meta": {"billy.customer": "1", "billy.key": "b1-alice"},
        }

    def test_without_keys_the_oldest_one_there_is_taken(self, server, account):
        listed = [{"id": "CU9999999999999999"}, {"id": "CU0123456789abcdef"}]
        document = {"customers": listed, "links": {}, "meta": {"total": 2}}
        server.script.append(say(200, document))

        uri = self.create(Balanced(keys=False), account)

        assert uri == "/customers/CU0123456789abcdef"

    def test_without_keys_it_is_made_where_there_is_none(self, server, account):
        empty = {"customers": [], "links": {}, "meta": {"total": 0}}
        server.script.extend([say(200, empty), self.made])

        uri = self.create(Balanced(keys=False), account)

        assert uri == "/customers/CU0123456789abcdef"


class TestEvent:
    @staticmethod
    def event(entity, name="EV0123456789abcdef"):
        item = {
            "id": name,
            "type": "debit.succeeded",
            "occurred_at": "2026-01-01T00:00:00.000000Z",
            "entity": entity,
        }
        return say(200, {"events": [item], "links": {}})

    def read(self, balanced, account):
        return balanced.event(account=account, event_id="EV0123456789abcdef")

    def test_its_object_is_read_anew(self, server, balanced, account):
        stale = {"debits": [debit_item(status="pending")], "links": {}}
        server.script.extend([self.event(stale), say(200, {"debits": [debit_item()]})])

        event = self.read(balanced, account)

        assert event.receipt.status is Status.SUCCEEDED
        assert asked(server, 1)[1] == DEBIT_URI

    @pytest.mark.parametrize("entity", [{"customers": [{}], "links": {}}, {}, None, []])
    def test_one_about_no_money_has_no_receipt(self, server, balanced, account, entity):
        server.script.append(self.event(entity))

        assert self.read(balanced, account).receipt is None

    def test_another_one_than_was_asked_for_is_refused(self, server, balanced, account):
        server.script.append(self.event({}, name="EV9999999999999999"))

        with pytest.raises(Unknown):
            self.read(balanced, account)


class TestAccount:
    def test_a_callback_that_is_there_already_is_success(self, server, balanced, account):
        server.script.append(say(409, error(409, "duplicate-webhook-url")))

        balanced.register_callback(account=account, url="https://billy.example/callback")

        assert not server.script

    def test_a_callback_that_is_refused_is_rejected(self, server, balanced, account):
        server.script.append(say(400, error(400, "request")))

        with pytest.raises(Rejected):
            balanced.register_callback(account=account, url="nonsense")

    def test_opening_makes_a_key_and_its_marketplace(self, server, balanced):
        key = {"api_keys": [{"id": "AK1", "secret": "ak-test-new"}], "links": {}}
        server.script.extend([say(201, key), say(201, {"marketplaces": [{}], "links": {}})])

        account = balanced.open_account(url=server.url)

        assert account == Account(url=server.url, secret="ak-test-new")
        assert b"Authorization" not in server.requests[0]
        assert b"Authorization" in server.requests[1]

    def test_a_key_that_comes_without_its_secret_is_no_account(self, server, balanced):
        server.script.append(say(201, {"api_keys": [{"id": "AK1"}], "links": {}}))

        with pytest.raises(Unknown):
            balanced.open_account(url=server.url)

    def test_an_account_is_named_after_its_marketplace(self, server, balanced, account):
        server.script.append(say(200, {"marketplaces": [{"id": "TEST-MP1"}], "links": {}}))

        assert balanced.identify(account=account) == "balanced:TEST-MP1"

    def test_a_key_without_a_marketplace_is_a_matter_for_people(self, server, balanced, account):
        server.script.append(say(200, {"marketplaces": [], "links": {}}))

        with pytest.raises(Misconfigured):
            balanced.identify(account=account)


@pytest.mark.parametrize(
    ("name", "key_class"),
    [("balanced", KeyClass.KEYS), ("balanced-lookup", KeyClass.LOOKUP)],
)
def test_both_kinds_are_loaded_by_name(name, key_class):
    assert load(name).key_class is key_class
