import pytest

from sandbox import magic
from sandbox.tests.clients import ORDINARY_BANK, VISA


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({}, 201, None),
        ({"number": "4111-1111-1111-1111", "expiration_month": "07"}, 201, None),
        ({"number": 4111111111111111}, 201, None),
        ({"number": "4111111111111112"}, 409, "card-not-validated"),
        ({"number": "4222222222222220"}, 402, "card-declined"),
        ({"number": None}, 400, "request"),
        ({"expiration_month": 13}, 400, "request"),
        ({"expiration_year": 2025, "expiration_month": 12}, 400, "request"),
        ({"expiration_year": 2026, "expiration_month": 1}, 201, None),
        ({"cvv": "12"}, 400, "request"),
    ],
)
def test_cards_are_checked(client, change, status, code):
    answer = client.post("/cards", {**VISA, **change})

    assert (status, code) == (answer.status, answer.code if status > 201 else None)


def test_all_missing_fields_are_named(client):
    assert {"number", "expiration_month", "expiration_year"} == set(
        client.post("/cards", {}).error["extras"]
    )
    assert {"name", "account_number", "routing_number"} == set(
        client.post("/bank_accounts", {}).error["extras"]
    )


@pytest.mark.parametrize(
    ("number", "brand", "masked"),
    [
        ("4111111111111111", "Visa", "xxxxxxxxxxxx1111"),
        ("5105105105105100", "MasterCard", "xxxxxxxxxxxx5100"),
        ("341111111111111", "American Express", "xxxxxxxxxxx1111"),
        ("6500000000000002", "Discover", "xxxxxxxxxxxx0002"),
    ],
)
def test_a_card_shows_its_brand_and_four_digits(client, number, brand, masked):
    card = client.card(number=number)

    assert (brand, masked, "xxx") == (card["brand"], card["number"], card["cvv"])


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"number": "5112000200000002", "cvv": "200"}, "cvv_match", "no"),
        ({"number": "4457000300000007", "cvv": "901"}, "cvv_match", "unsupported"),
        ({}, "cvv_match", "yes"),
        ({"cvv": None}, "cvv_match", None),
        ({"address": {"postal_code": "94301"}}, "avs_postal_match", "yes"),
        ({"address": {"postal_code": "90210"}}, "avs_postal_match", "no"),
        ({"address": {"postal_code": "90211"}}, "avs_postal_match", "unsupported"),
        ({}, "avs_postal_match", None),
        ({"address": {"line1": "965 Mission St"}}, "avs_street_match", "yes"),
        ({"address": {"line1": "21 Jump St"}}, "avs_street_match", "no"),
    ],
)
def test_checks_of_code_and_address_follow_the_test_numbers(client, change, field, value):
    assert value == client.card(**change)[field]


def test_equal_cards_have_equal_fingerprints(client):
    first, same, other = client.card(), client.card(), client.card(expiration_year=2036)

    assert first["fingerprint"] == same["fingerprint"] != other["fingerprint"]


def test_only_creditable_cards_link_to_credits(client):
    links = [
        client.post("/cards", {**VISA, "number": number}).body["links"]
        for number in (VISA["number"], "4342561111111118")
    ]

    assert [False, True] == ["cards.credits" in each for each in links]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 201),
        ({"type": "savings"}, 201),
        ({"account_type": "current"}, 400),
        ({"routing_number": "121042883"}, 400),
        ({"routing_number": "12104288"}, 400),
        ({"routing_number": "100000007"}, 400),
        ({"routing_number": "111111118"}, 400),
        ({"account_number": "12 34"}, 400),
        ({"name": None}, 400),
    ],
)
def test_bank_accounts_are_checked(client, change, status):
    assert status == client.post("/bank_accounts", {**ORDINARY_BANK, **change}).status


def test_a_verification_ends_after_three_wrong_answers(client):
    account = client.bank_account(verified=False)
    path = f"{account['href']}/verifications"
    check = client.post(path).one
    wrong = {"amount_1": 1, "amount_2": 2}

    second = client.post(path)
    answers = [client.put(check["href"], wrong) for _ in range(4)]
    shown = client.get(check["href"]).one
    fresh = client.post(path)
    right = client.put(fresh.one["href"], {"amount_1": "1", "amount_2": 1})

    assert "bank-account-authentication-already-exists" == second.code
    assert ["bank-account-authentication-failed"] * 3 == [each.code for each in answers[:3]]
    assert "bank-account-authentication-not-pending" == answers[3].code
    assert ("failed", 3, 0) == (
        shown["verification_status"],
        shown["attempts"],
        shown["attempts_remaining"],
    )
    assert (201, "succeeded") == (fresh.status, right.one["verification_status"])
    assert client.get(account["href"]).one["can_debit"]
    assert fresh.one["id"] == client.get(account["href"]).one["links"]["bank_account_verification"]


def test_an_instrument_joins_one_customer_for_good(client):
    ada, bob = client.customer(), client.customer()
    card = client.card()

    answers = [
        client.put(card["href"], {"links": {"customer": ada["href"]}, "customer": None}),
        client.put(card["href"], {"customer": ada["id"]}),
        client.put(card["href"], {"customer": bob["href"]}),
    ]

    assert [200, 200, 409] == [answer.status for answer in answers]
    assert "card-already-funding-src" == answers[2].code
    assert ada["id"] == client.get(card["href"]).one["links"]["customer"]
    assert card["id"] == client.get(f"{ada['href']}/cards").one["id"]


def test_a_deleted_card_can_be_read_but_not_debited(client):
    card = client.card()

    gone = client.delete(card["href"])

    assert (204, None) == (gone.status, gone.body)
    assert not client.get(card["href"]).one["can_debit"]
    assert 0 == client.get("/cards").body["meta"]["total"]
    assert 409 == client.debit(5, card).status
    assert 204 == client.delete(card["href"]).status


def test_a_customer_without_transactions_can_be_deleted(client):
    idle, busy = client.customer(), client.customer()
    client.debit(5, client.card(customer=busy["id"]))

    answers = [client.delete(each["href"]) for each in (idle, busy)]

    assert [204, 409] == [answer.status for answer in answers]
    assert [404, 200] == [client.get(each["href"]).status for each in (idle, busy)]


def test_a_customer_is_underwritten_once_enough_is_known(client):
    customer = client.customer(name="Henry Ford", dob_year="1963", dob_month="07", email="h@f.co")

    before = customer["merchant_status"]
    after = client.put(customer["href"], {"address": {"postal_code": "48120"}}).one

    assert ("no-match", "underwritten") == (before, after["merchant_status"])
    assert (7, 1963, "h@f.co") == (after["dob_month"], after["dob_year"], after["email"])
    assert 400 == client.put(customer["href"], {"email": "nonsense"}).status


def test_a_source_given_with_a_customer_becomes_the_customers(client):
    card = client.card()

    customer = client.customer(source=card["href"])

    assert card["id"] == customer["links"]["source"]
    assert customer["id"] == client.get(card["href"]).one["links"]["customer"]


@pytest.mark.parametrize(
    ("operations", "status", "meta"),
    [
        ([{"op": "add", "path": "/cards/0/meta/b", "value": "2"}], 200, {"a": "1", "b": "2"}),
        ([{"op": "replace", "path": "/cards/0/meta/a", "value": 3}], 200, {"a": "3"}),
        ([{"op": "remove", "path": "/cards/0/meta/a"}], 200, {}),
        (
            [{"op": "move", "from": "/cards/0/meta/a", "path": "/cards/0/meta/c"}],
            200,
            {"c": "1"},
        ),
        (
            [
                {"op": "replace", "path": "/cards/0/meta/a", "value": "9"},
                {"op": "test", "path": "/cards/0/meta/a", "value": "8"},
            ],
            409,
            {"a": "1"},
        ),
        ([{"op": "dance", "path": "/cards/0/meta/a"}], 400, {"a": "1"}),
        ([{"op": "add", "path": "/cards/0/number", "value": "1"}], 400, {"a": "1"}),
        ([{"op": "add", "path": None}], 400, {"a": "1"}),
        ([3], 400, {"a": "1"}),
        ({}, 400, {"a": "1"}),
    ],
)
def test_patches_are_applied_whole_or_not_at_all(client, operations, status, meta):
    card = client.card(meta={"a": "1"})

    answer = client.patch(card["href"], operations)

    assert status == answer.status
    assert meta == client.get(card["href"]).one["meta"]


def test_a_patch_links_a_card_to_a_customer_as_source(client):
    card, customer = client.card(), client.customer()

    client.patch(
        card["href"],
        [{"op": "replace", "path": "/cards/0/links/customer", "value": customer["id"]}],
    )
    client.patch(
        customer["href"],
        [{"op": "replace", "path": "/customers/0/links/source", "value": card["id"]}],
    )

    assert card["id"] == client.get(customer["href"]).one["links"]["source"]


@pytest.mark.parametrize("meta", [[], "x", {"a": {}}, {"a": []}, {"a": None}, {"a": "x" * 256}])
def test_meta_is_one_level_of_short_texts(client, meta):
    expected = 400 if meta else 201  # An empty one of any kind is none.

    assert expected == client.post("/customers", {"meta": meta}).status


def test_old_paths_lead_to_the_same(client):
    mp = client.get("/marketplaces").one["id"]
    customer = client.customer()
    card = client.card(customer=f"/v1/marketplaces/{mp}/accounts/{customer['id']}")

    addresses = [
        f"/v1/customers/{customer['id']}/cards/{card['id']}",
        f"/v1/marketplaces/{mp}/cards/{card['id']}",
        f"/v1/marketplaces/{mp}/accounts/{customer['id']}/cards/{card['id']}",
        f"/v1/cards/{card['id']}",
    ]

    assert [card["id"]] * 4 == [client.get(address).one["id"] for address in addresses]
    assert (
        customer["id"] == client.get(f"/v1/marketplaces/{mp}/accounts/{customer['id']}").one["id"]
    )
    debit = client.post("/debits", {"amount": 5, "source": addresses[0]}).one
    assert card["id"] == debit["links"]["source"]


@pytest.mark.parametrize("digits", ["4111111111111111", "5105105105105100", "79927398713"])
def test_exactly_one_check_digit_is_right(digits):
    right = [last for last in "0123456789" if magic.passes_luhn(digits[:-1] + last)]

    assert [digits[-1]] == right


def test_api_keys_show_their_secret_once(client):
    made = client.post("/api_keys").one

    read = client.get(made["href"]).one
    listed = client.get("/api_keys").body["api_keys"]
    client.delete(made["href"])

    assert made["secret"].startswith("ak-test-")
    assert "secret" not in read
    assert [client.secret] == [each["secret"] for each in listed if "secret" in each]
    assert 401 == client.get("/debits", secret=made["secret"]).status


def test_a_key_without_a_marketplace_may_only_make_one(client):
    secret = client.post("/api_keys", secret=None).one["secret"]

    assert 403 == client.get("/debits", secret=secret).status
    assert 201 == client.post("/marketplaces", secret=secret).status
    assert 200 == client.get("/debits", secret=secret).status


def test_the_marketplace_can_be_renamed(client):
    own = client.get("/marketplaces").one

    client.put(own["href"], {"name": "Goats", "domain_url": "goats.example"})

    assert "Goats" == client.get("/marketplaces").one["name"]
    assert "BAL*goats.example" == client.debit(5).one["appears_on_statement_as"]
