import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.tests.clients import VISA

DECLINING = "4444444444444448"
CREDITABLE = "4342561111111118"


def test_a_card_is_debited_at_once(client):
    debit = client.debit(1234, description="the goat", meta={"a": 1}).one

    assert ("succeeded", 1234, "USD", "the goat") == (
        debit["status"],
        debit["amount"],
        debit["currency"],
        debit["description"],
    )
    assert {"a": "1"} == debit["meta"]
    assert "BAL*example.com" == debit["appears_on_statement_as"]
    assert 1234 == client.escrow()


def test_amounts_may_be_text_and_bodies_enveloped(client):
    card = client.card()

    debit = client.post(f"{card['href']}/debits", {"debits": [{"amount": "50"}]}).one

    assert 50 == debit["amount"]


def test_a_form_with_brackets_debits_a_whole_card(client):
    form = (
        b"amount=500&source[number]=4111111111111111&source[expiration_month]=12"
        b"&source[expiration_year]=2030&meta[create]=yes"
    )

    answer = client.post(
        "/debits", form, headers={"content-type": "application/x-www-form-urlencoded"}
    )

    assert ({"create": "yes"}, 500) == (answer.one["meta"], answer.one["amount"])


def test_a_declined_card_is_402_and_the_failed_debit_is_kept(client):
    card = client.card(number=DECLINING)

    answer = client.debit(100, card)

    assert (402, "card-declined") == (answer.status, answer.code)
    assert answer.error["description"].startswith("R530: ")
    assert answer.error["additional"]
    failed = answer.body["debits"][0]
    assert ("failed", "card-declined") == (failed["status"], failed["failure_reason_code"])
    assert failed == client.get(failed["href"]).one
    assert 0 == client.escrow()


def test_failed_debits_are_left_out_of_lists_unless_asked_for(client):
    client.debit(100, client.card(number=DECLINING))

    totals = [
        client.get(f"/debits{query}").body["meta"]["total"]
        for query in ("", "?status=failed", "?status[in]=pending,succeeded,failed")
    ]

    assert [0, 1, 1] == totals


def test_an_unverified_bank_account_cannot_be_debited(client):
    account = client.bank_account(verified=False)

    answer = client.debit(100, account)

    assert (409, "funding-source-not-debitable") == (answer.status, answer.code)
    assert "failed" == answer.body["debits"][0]["status"]


@pytest.mark.parametrize(
    ("routing", "number", "status"),
    [
        ("021000021", "9900000000", "pending"),
        ("321174851", "9900000001", "pending"),
        ("021000021", "9900000002", "succeeded"),
        ("321174851", "9900000003", "succeeded"),
        ("021000021", "9900000004", "failed"),
        ("321174851", "9900000005", "failed"),
        ("021000021", "9900000095", "succeeded"),
    ],
)
def test_test_numbers_decide_what_a_bank_does(rich, routing, number, status):
    account = rich.bank_account(routing_number=routing, account_number=number)

    answers = [
        rich.post(f"{account['href']}/{what}", {"amount": 100}) for what in ("debits", "credits")
    ]

    assert [201, 201] == [answer.status for answer in answers]
    assert [status, status] == [answer.one["status"] for answer in answers]


def test_escrow_counts_pending_credits_but_not_pending_debits(rich):
    account = rich.bank_account(routing_number="021000021", account_number="9900000000")
    before = rich.escrow()

    rich.debit(500, account)
    rich.post(f"{account['href']}/credits", {"amount": 70})

    assert before - 70 == rich.escrow()


def test_a_credit_above_escrow_is_refused(client):
    client.debit(1000)
    account = client.bank_account()

    answer = client.post(f"{account['href']}/credits", {"amount": 1001})

    assert (409, "insufficient-funds") == (answer.status, answer.code)


def test_refunds_never_exceed_the_debit(client):
    debit = client.debit(1000).one

    first = client.post(f"{debit['href']}/refunds", {"amount": 400})
    too_much = client.post(f"{debit['href']}/refunds", {"amount": 601})
    rest = client.post(f"{debit['href']}/refunds")
    none_left = client.post(f"{debit['href']}/refunds")

    assert [201, 400, 201, 409] == [each.status for each in (first, too_much, rest, none_left)]
    assert {"amount": "must be <= 600"} == too_much.error["extras"]
    assert 600 == rest.one["amount"]
    assert "debit-already-refunded" == none_left.code
    assert 0 == client.escrow()


def test_reversals_never_exceed_the_credit(rich):
    credit = rich.post(f"{rich.bank_account()['href']}/credits", {"amount": 1000}).one
    before = rich.escrow()

    first = rich.post(f"{credit['href']}/reversals", {"amount": 400})
    too_much = rich.post(f"{credit['href']}/reversals", {"amount": 601})
    rest = rich.post(f"{credit['href']}/reversals")
    none_left = rich.post(f"{credit['href']}/reversals")

    assert [201, 400, 201, 409] == [each.status for each in (first, too_much, rest, none_left)]
    assert "credit-already-reversed" == none_left.code
    assert before + 1000 == rich.escrow()


def test_a_failed_credit_has_only_failed_reversals(rich):
    account = rich.bank_account(routing_number="021000021", account_number="9900000004")
    credit = rich.post(f"{account['href']}/credits", {"amount": 100}).one

    answer = rich.post(f"{credit['href']}/reversals")

    assert 409 == answer.status
    assert "failed" == answer.body["reversals"][0]["status"]


@pytest.mark.parametrize(
    ("card", "amount", "status", "code"),
    [
        ({"number": CREDITABLE, "name": "Ada"}, 250_000, 201, None),
        ({"number": CREDITABLE, "name": "Ada"}, 250_001, 409, "amount-exceeds-limit"),
        ({"number": CREDITABLE}, 100, 400, "name-required-to-credit"),
        ({"name": "Ada"}, 100, 409, "funding-destination-not-creditable"),
    ],
)
def test_cards_are_credited_by_their_own_rules(rich, card, amount, status, code):
    href = rich.card(**card)["href"]

    answer = rich.post(f"{href}/credits", {"amount": amount})

    assert (status, code) == (answer.status, answer.code if status > 201 else None)


def test_a_credit_to_a_card_cannot_be_reversed(rich):
    href = rich.card(number=CREDITABLE, name="Ada")["href"]
    credit = rich.post(f"{href}/credits", {"amount": 5}).one

    answer = rich.post(f"{credit['href']}/reversals")

    assert "cannot-reverse-credits-to-cards" == answer.code


@pytest.mark.parametrize("amount", [0, -1, "x", 1.5, True, [], {}, 10**13])
def test_an_amount_is_a_whole_number_from_one(client, amount):
    answer = client.debit(amount)

    assert (400, "request") == (answer.status, answer.code)
    assert ["amount"] == list(answer.error["extras"])


@pytest.mark.parametrize(
    ("text", "status", "shown"),
    [
        ("goat", 201, "BAL*goat"),
        ("a text that is far too long", 201, "BAL*a text that is far"),
        ("naïve", 400, None),
        ("", 201, "BAL*example.com"),
    ],
)
def test_statements_of_card_debits_are_checked_and_cut(client, text, status, shown):
    answer = client.debit(100, appears_on_statement_as=text)

    assert status == answer.status
    assert shown == (answer.one["appears_on_statement_as"] if status == 201 else None)


def test_statements_of_bank_debits_are_refused_when_too_long(client):
    answer = client.debit(100, client.bank_account(), appears_on_statement_as="x" * 15)

    assert 400 == answer.status


def test_a_customer_is_debited_by_default_source_or_a_lone_instrument(client):
    customer = client.customer()

    none = client.post(f"{customer['href']}/debits", {"amount": 5})
    client.card(customer=customer["href"])
    lone = client.post(f"{customer['href']}/debits", {"amount": 5})
    client.card(customer=customer["id"])
    two = client.post(f"{customer['href']}/debits", {"amount": 5})
    client.put(customer["href"], {"source": client.card()["href"]})
    default = client.post(f"{customer['href']}/debits", {"amount": 5})

    assert [409, 201, 409, 201] == [each.status for each in (none, lone, two, default)]
    assert "no-funding-source" == none.code
    assert customer["id"] == default.one["links"]["customer"]


def test_a_hold_is_captured_once_and_at_most_whole(client):
    card = client.card()
    hold = client.post(f"{card['href']}/card_holds", {"amount": 900}).one

    too_much = client.post(f"{hold['href']}/debits", {"amount": 901})
    captured = client.post(f"{hold['href']}/debits", {"amount": 800})
    again = client.post(f"{hold['href']}/debits")
    void = client.delete(hold["href"])

    assert [400, 201, 409, 409] == [each.status for each in (too_much, captured, again, void)]
    assert "cannot-capture-authorization" == again.code
    assert "cannot-void-authorization" == void.code
    assert hold["id"] == captured.one["links"]["card_hold"]
    assert captured.one["id"] == client.get(hold["href"]).one["links"]["debit"]


def test_a_void_hold_leaves_the_lists_and_cannot_be_captured(client):
    card = client.card()
    hold = client.post(f"{card['href']}/card_holds", {"amount": 900}).one

    voided = client.put(hold["href"], {"is_void": True}).one

    assert voided["voided_at"]
    assert 0 == client.get("/card_holds").body["meta"]["total"]
    assert 409 == client.post(f"{hold['href']}/debits").status
    assert 200 == client.delete(hold["href"]).status


def test_a_hold_expires_after_seven_days(client):
    hold = client.post(f"{client.card()['href']}/card_holds", {"amount": 900}).one
    client.advance(days=7)

    answer = client.post(f"{hold['href']}/debits")

    assert "authorization-expired" == answer.code


def test_a_direct_debit_has_a_hold_that_can_be_read(client):
    debit = client.debit(100).one
    hold = debit["links"]["card_hold"]

    answers = [client.get(f"/{where}/{hold}") for where in ("card_holds", "resources")]

    assert [hold, hold] == [answer.one["id"] for answer in answers]
    assert debit["id"] == answers[0].one["links"]["debit"]
    assert "cannot-void-authorization" == client.delete(f"/card_holds/{hold}").code


def test_an_order_is_a_pocket_of_its_own(client):
    merchant = client.customer(name="Carol")
    account = client.bank_account()
    client.put(account["href"], {"links": {"customer": merchant["href"]}, "customer": None})
    stranger = client.bank_account()
    order = client.post(f"{merchant['href']}/orders", {"description": "a goat"}).one
    debit = client.debit(1000, order=order["href"]).one

    codes = [
        client.post(f"{stranger['href']}/credits", {"amount": 1, "order": order["id"]}).code,
        client.post(f"{account['href']}/credits", {"amount": 1001, "order": order["id"]}).code,
    ]
    client.post(f"{account['href']}/credits", {"amount": 400, "order": order["id"]})
    refund = client.post(f"{debit['href']}/refunds", {"amount": 601})
    shown = client.get(order["href"]).one

    assert ["order", "insufficient-funds"] == codes
    assert "insufficient-funds" == refund.code
    assert ("a goat", 0) == (debit["description"], client.escrow())
    assert (1000, 600) == (shown["amount"], shown["amount_escrowed"])


def test_an_account_is_settled_whole_and_may_owe(client):
    merchant = client.customer()
    bank = client.bank_account(customer=merchant["id"])
    order = client.post(f"{merchant['href']}/orders").one
    client.debit(500, order=order["id"])
    account = client.get(f"{merchant['href']}/accounts").one
    settle = {"funding_instrument": bank["href"]}

    nothing = client.post(f"{account['href']}/settlements", settle)
    credit = client.post(f"{account['href']}/credits", {"amount": 500, "order": order["id"]}).one
    out = client.post(f"{account['href']}/settlements", settle).one
    client.post(f"{credit['href']}/reversals")
    owed = client.get(account["href"]).one["balance"]
    back = client.post(f"{account['href']}/settlements", settle).one

    assert "account-nothing-to-settle" == nothing.code
    assert (500, account["id"]) == (out["amount"], out["links"]["source"])
    assert -500 == owed
    assert (500, account["id"]) == (back["amount"], back["links"]["destination"])
    assert 0 == client.get(account["href"]).one["balance"]
    assert out["id"] == client.get(credit["href"]).one["links"]["settlement"]


MOVES = st.lists(
    st.tuples(st.sampled_from(["debit", "refund", "credit", "reversal"]), st.integers(1, 300)),
    max_size=25,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=MOVES)
def test_escrow_is_what_went_in_less_what_went_out(start, join, moves):
    client = join(start())
    card, bank = client.card(), client.bank_account()
    expected, debit, credit = 0, None, None

    for move, amount in moves:
        if move == "debit":
            debit = client.debit(amount, card).one
            expected += amount
        elif move == "credit":
            answer = client.post(f"{bank['href']}/credits", {"amount": amount})
            if answer.status == 201:
                credit = answer.one
                expected -= amount
        elif move == "refund" and debit:
            answer = client.post(f"{debit['href']}/refunds", {"amount": amount})
            expected -= amount if answer.status == 201 else 0
        elif move == "reversal" and credit:
            answer = client.post(f"{credit['href']}/reversals", {"amount": amount})
            expected += amount if answer.status == 201 else 0

    assert expected == client.escrow() >= 0


def test_a_marketplace_sees_only_its_own(start, join):
    sandbox = start()
    ours, theirs = join(sandbox), join(sandbox)
    card = ours.card()

    answers = [
        theirs.get(card["href"]),
        theirs.post(f"{card['href']}/debits", {"amount": 5}),
        theirs.delete(card["href"]),
        theirs.get(f"/resources/{card['id']}"),
        theirs.get(f"/events/EV20{card['id']}"),
    ]

    assert {404} == {answer.status for answer in answers}
    assert 0 == theirs.get("/cards").body["meta"]["total"]
    assert 400 == theirs.post("/debits", {"amount": 5, "source": card["id"]}).status


def test_a_second_marketplace_is_refused(client):
    assert "marketplace-already-created" == client.post("/marketplaces").code


def test_a_token_is_bare_until_the_first_key_claims_it(client):
    token = client.post("/cards", VISA, secret=None).one

    claimed = client.get(token["href"]).one

    assert {"id", "href", "links"} == set(token)
    assert "xxxxxxxxxxxx1111" == claimed["number"]
    assert 1 == client.get("/cards").body["meta"]["total"]
