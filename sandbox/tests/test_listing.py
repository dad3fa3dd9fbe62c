import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

AMOUNTS = [10, 20, 30, 20, 50]


@pytest.fixture
def debits(client):
    """Five debits, a day apart; oldest first."""
    card = client.card()
    made = []
    for number, amount in enumerate(AMOUNTS):
        meta = {"n": str(number), "billy.transaction_guid": f"TX{number % 2}"}
        made.append(client.debit(amount, card, meta=meta).one)
        client.advance(days=1)
    return made


def found(client, query, path="/debits", name="debits"):
    return [each["id"] for each in client.get(f"{path}?{query}").body[name]]


def test_lists_are_newest_first(client, debits):
    assert [each["id"] for each in reversed(debits)] == found(client, "")


def test_an_empty_list_has_its_array_and_no_links(client):
    body = client.get("/credits").body

    assert ([], {}) == (body["credits"], body["links"])
    assert (0, None, None) == tuple(body["meta"][name] for name in ("total", "next", "previous"))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("amount=20", [3, 1]),
        ("amount[>]=20", [4, 2]),
        ("amount[>=]=20", [4, 3, 2, 1]),
        ("amount[<]=20", [0]),
        ("amount[<=]=20", [3, 1, 0]),
        ("amount[!=]=20", [4, 2, 0]),
        ("amount[in]=10,50", [4, 0]),
        ("amount[!in]=10,50", [3, 2, 1]),
        ("amount[>]=10&amount[<]=30", [3, 1]),
        ("created_at[>]=2026-01-03T12:00:00Z", [4, 3]),
        ("created_at[<=]=2026-01-02T13:00:00%2B01:00", [1, 0]),
        ("meta.n=3", [3]),
        ("meta.billy.transaction_guid=TX1", [3, 1]),
        ("meta.billy.transaction_guid=TX1&amount=20&meta.n=3", [3]),
        ("meta.absent=1", []),
        ("meta[contains]=n", [4, 3, 2, 1, 0]),
        ("meta[!contains]=n", []),
        ("status=succeeded", [4, 3, 2, 1, 0]),
        ("status=pending", []),
        ("status[!=]=succeeded", []),
        ("sort=amount,asc&sort=created_at,desc", [0, 3, 1, 2, 4]),
        ("sort=amount,desc", [4, 2, 3, 1, 0]),
        ("sort=unknown,desc", [4, 3, 2, 1, 0]),
        ("unknown=5", [4, 3, 2, 1, 0]),
        ("transaction_number[startswith]=W", [4, 3, 2, 1, 0]),
        ("transaction_number[ilike]=%25w%25", [4, 3, 2, 1, 0]),
    ],
)
def test_filters_and_sorts(client, debits, query, numbers):
    assert [debits[number]["id"] for number in numbers] == found(client, query)


@pytest.mark.parametrize(
    "query", ["limit=x", "offset=-1", "amount[??]=5", "created_at[>]=soon", "limit=" + "9" * 40]
)
def test_a_question_that_makes_no_sense_is_refused(client, query):
    assert 400 == client.get(f"/debits?{query}").status


def test_a_limit_is_at_most_a_hundred(client):
    assert 100 == client.get("/debits?limit=5000").body["meta"]["limit"]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(limit=st.integers(1, 12), query=st.sampled_from(["", "meta.half=0&", "sort=amount,asc&"]))
def test_pages_tile_the_list(pages, limit, query):
    client, whole = pages
    expected = [each for each in found(client, f"{query}limit=100") if each in whole or query]

    seen, address = [], f"/debits?{query}limit={limit}"
    while address is not None:
        body = client.get(address).body
        seen += [each["id"] for each in body["debits"]]
        address = body["meta"]["next"]

    assert expected == seen
    assert len(seen) == body["meta"]["total"]


@pytest.fixture
def pages(client):
    card = client.card()
    made = [client.debit(1 + n % 7, card, meta={"half": str(n % 2)}).one["id"] for n in range(23)]
    return client, made


def test_a_return_moves_a_debit_out_of_lists(client):
    account = client.bank_account()
    debits = [client.debit(5, account, meta={"k": str(number)}).one for number in range(3)]
    found(client, "meta.k=1")  # So that the index exists when the debit changes.
    client.post("/_sandbox/settle", {"uri": debits[1]["href"], "status": "failed"}, secret=None)

    assert [debits[2]["id"], debits[0]["id"]] == found(client, "")
    assert [debits[1]["id"]] == found(client, "status=failed")
    assert [] == found(client, "meta.k=1")
    assert [debits[1]["id"]] == found(client, "meta.k=1&status=failed")
    assert 3 == len(found(client, "status[in]=pending,succeeded,failed"))
    assert 2 == len(found(client, "", path=f"{account['href']}/debits"))


def test_a_changed_meta_is_found_by_its_new_value_only(client, debits):
    found(client, "meta.n=1")
    client.put(debits[1]["href"], {"meta": {"n": "9"}})

    assert [] == found(client, "meta.n=1")
    assert [debits[1]["id"]] == found(client, "meta.n=9")


def test_events_are_listed_newest_first_and_can_be_filtered(client):
    client.debit(5)

    types = [each["type"] for each in client.get("/events").body["events"]]
    filtered = client.get("/events?type=debit.succeeded").body["events"]
    several = client.get("/events?type[in]=debit.created,card.created").body["meta"]["total"]

    assert [
        *("debit.succeeded", "debit.created", "hold.updated", "hold.captured", "hold.created"),
        *("card.created", "account.created"),
    ] == types
    assert ["debit.succeeded"] == [each["type"] for each in filtered]
    assert 2 == several


def test_every_event_can_be_read_again_under_its_id(client):
    client.debit(5)
    client.post(f"{client.card()['href']}/card_holds", {"amount": 4})
    client.bank_account()
    events = client.get("/events?limit=100").body["events"]

    again = [client.get(event["href"]).one for event in events]

    assert events == again
    assert 200 == client.get(f"{events[0]['href']}/callbacks").status


@pytest.mark.parametrize("id_", ["EV", "EV00", "EV99WDX", "EVxxWD", "EV00CCNOTHING", "XX"])
def test_an_event_that_never_was_is_not_found(client, id_):
    assert 404 == client.get(f"/events/{id_}").status
