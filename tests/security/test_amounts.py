"""An amount is a whole number and nothing that looks like one, at every door that takes one."""

import pytest

from conftest import instrument_of, send, subscribe
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT, Money
from invoices import one_off, refund
from invoices.models import AuditFeed
from plans.models import Payout, Plan
from schedulers.importing import COLUMNS, read
from schedulers.subscribe import drafted
from tasks.pricing import Line

pytestmark = pytest.mark.django_db

# Some of them would be taken by int(), some by json, some by PostgreSQL.
NO_AMOUNTS: list[object] = [
    *(
        1.0,
        7.5,
        "7",
        " 7 ",
        "1_000",
        "1e3",
        "0x10",
        "١٢",
        "\uff17",
        b"7",
        True,
        False,
        None,
        [],
        {},
    ),
    *(-1, 0, 2**53, 2**63, -(2**63), 10**23, float("inf"), float("nan"), 7j, (7,), "", "NaN"),
]


@pytest.fixture
def doors(goat, alice, memory, now):
    """What takes an amount, by name; None is refused where the door has no default of its own."""
    company = alice.company
    line = Line(description="Hay", amount=Money(100, "USD"))
    identity, held = one_off.invoice(
        alice, lines=[line], instrument=instrument_of(alice), now=now, lease_seconds=120
    )
    send(held, memory, now=now)
    paid = AuditFeed.objects.get(pk=identity)

    def subscription(**terms):
        return subscribe(goat, alice, now=now, **terms)

    def follow_up(name, value):
        rule = {"role": "seller", "customer": alice.guid, "after_days": 1, "share": 10}
        rule |= {"instrument": instrument_of(alice).guid}
        if name == "amount":
            rule.pop("share")
        return subscription(follow_ups=[rule | {name: value}])

    return {
        "a plan's amount": lambda value: Plan.create(amount=value, company=company, now=now),
        "a payout's amount": lambda value: Payout.create(amount=value, company=company, now=now),
        "an amount of money": lambda value: Money(value, "USD"),
        "a follow-up's amount": lambda value: follow_up("amount", value),
        "a follow-up's share": lambda value: follow_up("share", value),
        "a subscription's amount": lambda value: subscription(amount=value),
        "a subscription's end": lambda value: subscription(ends_after=value),
        "a plan's interval": lambda value: Plan.create(
            amount=1, interval=value, company=company, now=now
        ),
        "a refund": lambda value: refund.give_back(paid, amount=value, now=now, lease_seconds=1),
    }


OPTIONAL = {"a subscription's amount", "a subscription's end", "a plan's interval", "a refund"}
MAY_BE_ANYTHING = {"an amount of money": {-1, 0}}


@pytest.mark.parametrize("value", NO_AMOUNTS, ids=ascii)
def test_nothing_but_a_whole_number_within_its_bounds_is_taken(doors, value):
    taken = []
    for name, take in doors.items():
        if (value is None and name in OPTIONAL) or is_one_of(value, MAY_BE_ANYTHING.get(name, ())):
            continue
        try:
            take(value)
        except Invalid:
            continue
        taken.append(name)

    assert taken == []


def is_one_of(value, allowed):
    return type(value) is int and value in allowed


def test_the_bounds_themselves_are_taken(marketplace, now):
    least, most = (
        Plan.create(amount=amount, company=marketplace, now=now) for amount in (1, LARGEST_AMOUNT)
    )

    assert (least.amount, most.amount) == (1, 2**53 - 1)


@pytest.mark.parametrize(
    "text",
    ["1.0", "1_000", "1e3", "0x10", "١٢", "\uff17", "+7", "-1", "0", str(2**63), "9" * 5_000, ""],
)
def test_an_import_takes_plain_digits_only(text):
    row = dict.fromkeys(COLUMNS, "") | {"external_id": "a", "plan": "goat", "amount": text}
    row |= {"started_at": "2026-01-01", "funding_instrument_uri": "/cards/CC1"}

    with pytest.raises(Invalid, match="amount"):
        read(2, row)


def test_a_subscription_s_wrong_instant_is_named_as_the_caller_knows_it(goat, alice, now):
    from datetime import UTC, datetime

    from schedulers.subscribe import Subscription

    wanted = Subscription(
        plan=goat,
        customer=alice,
        instrument=instrument_of(alice),
        started_at=datetime(9999, 12, 31, tzinfo=UTC),
    )

    with pytest.raises(Invalid) as refusal:
        drafted(wanted, now=now)

    assert set(refusal.value.errors) == {"started_at"}


@pytest.mark.parametrize("company", ["CP1", 7, True, object(), {"guid": "CP1"}])
@pytest.mark.parametrize("kind", [Plan, Payout])
def test_a_company_of_a_wrong_type_is_named(database, kind, company, now):
    with pytest.raises(Invalid) as refusal:
        kind.create(amount=1, company=company, now=now)

    assert refusal.value.errors == {"company": "must be a company"}
