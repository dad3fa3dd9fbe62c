"""What an outcome does: every verdict in every state of an attempt, without a database."""

from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest

from invoices.attempts import Held
from invoices.settle import Looks, step
from invoices.states import TRANSACTION_MOVES
from tasks.outcome import DEADLINE, Outcome, Verdict

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOOKS = Looks(lost_seconds=(2, 10, 60), pending_seconds=3600)
ID = UUID(int=1)
IN_HAND = ("intent", "unknown", "pending", "succeeded")
KINDS = ("debit", "credit", "refund", "reversal")


def held(**changes):
    values = {
        "transaction_id": ID,
        "company_id": ID,
        "trail_id": ID,
        "feed_id": ID,
        "occurrence": 0,
        "direction": "debit",
        "customer_id": ID,
        "kind": "debit",
        "attempt": 1,
        "step": 0,
        "state": "intent",
        "lease_token": 7,
        "amount": 100,
        "currency": "USD",
        "key": "b1-x",
        "target_uri": "/cards/CC1",
        "statement_text": "",
        "terms": {},
        "instrument_id": ID,
        "instrument_kind": "card",
        "opened_at": NOW,
        "processor_account": "memory:x",
    }
    return Held(**values | changes)


def outcome(verdict, **changes):
    return Outcome(transaction_id=ID, verdict=verdict, **changes)


def after(verdict, *, code="", hard=False, retry_after_seconds=0.0, **changes):
    said = outcome(verdict, code=code, hard=hard, retry_after_seconds=retry_after_seconds)
    return step(held(**changes), said, now=NOW, looks=LOOKS)


@pytest.mark.parametrize("fresh", [True, False])
def test_no_outcome_asks_for_a_move_that_there_is_not(fresh):
    asked = [
        (state, each.state)
        for state, verdict, kind, looks in product(IN_HAND, Verdict, KINDS, (0, 1, 3, 9))
        if fresh is False or state == "intent"
        for each in [after(verdict, state=state, kind=kind, looks=looks, fresh=fresh)]
    ]

    known = {
        (before, then) for before, moves in TRANSACTION_MOVES.items() for then in {*moves, before}
    }
    assert set(asked) - known == set()


def test_the_sums_of_a_feed_change_as_the_attempt_leaves_or_stays_in_hand():
    for state, verdict in product(("intent", "unknown", "pending"), Verdict):
        done = after(verdict, state=state)
        stays = done.state in {"queued", "intent", "unknown", "pending", "parked"}
        again = done.retry_at is not None
        assert done.live == (0 if stays or again else -100)
        assert done.captured == (100 if done.state == "succeeded" else 0)


def test_what_succeeded_is_not_counted_again():
    for verdict in set(Verdict) - {Verdict.DECLINED, Verdict.RETURNED}:
        done = after(verdict, state="succeeded")
        assert (done.state, done.touches_feed, done.fact) == ("succeeded", False, "")


@pytest.mark.parametrize(
    ("verdict", "fresh", "states"),
    [
        (Verdict.SUCCEEDED, True, {"intent": "succeeded"}),
        (Verdict.NOT_SENT, True, {"intent": "queued"}),
        (Verdict.BUSY, True, {"intent": "queued"}),
        (Verdict.MISCONFIGURED, True, {"intent": "queued"}),
        (Verdict.UNKNOWN, True, {"intent": "unknown"}),
        (Verdict.SUCCEEDED, False, dict.fromkeys(("intent", "unknown", "pending"), "succeeded")),
        (Verdict.DECLINED, False, dict.fromkeys(("intent", "unknown", "pending"), "declined")),
        (Verdict.DECLINED, False, {"succeeded": "returned"}),
        (Verdict.PENDING, False, dict.fromkeys(("intent", "unknown", "pending"), "pending")),
        (Verdict.REJECTED, False, {"intent": "rejected", "unknown": "rejected"}),
        (Verdict.REJECTED, False, {"pending": "pending", "succeeded": "succeeded"}),
        (Verdict.CONFLICT, False, {"intent": "parked", "unknown": "parked"}),
        (Verdict.CONFLICT, False, {"pending": "pending", "succeeded": "succeeded"}),
        (Verdict.ABSENT, False, {"intent": "unknown", "pending": "pending"}),
        (Verdict.NOT_SENT, False, {"intent": "unknown", "unknown": "unknown"}),
        (Verdict.BUSY, False, {"unknown": "unknown", "pending": "pending"}),
        (Verdict.MISCONFIGURED, False, {"unknown": "unknown", "pending": "pending"}),
        (Verdict.UNKNOWN, False, {"unknown": "unknown", "pending": "pending"}),
    ],
)
def test_each_verdict_moves_each_state_as_the_protocol_says(verdict, fresh, states):
    found = {state: after(verdict, state=state, fresh=fresh).state for state in states}

    assert found == states


@pytest.mark.parametrize(
    ("verdict", "looks", "state"),
    [
        (Verdict.UNKNOWN, 2, "unknown"),
        (Verdict.UNKNOWN, 3, "parked"),
        (Verdict.ABSENT, 2, "unknown"),
        (Verdict.ABSENT, 3, "parked"),
        (Verdict.NOT_SENT, 99, "unknown"),
        (Verdict.BUSY, 99, "unknown"),
        (Verdict.MISCONFIGURED, 99, "unknown"),
    ],
)
def test_a_person_is_asked_after_the_last_look_that_reached_the_processor(verdict, looks, state):
    assert after(verdict, state="unknown", looks=looks).state == state


@pytest.mark.parametrize(("looks", "seconds"), [(0, 2), (1, 10), (2, 60)])
def test_each_look_waits_longer_than_the_one_before(looks, seconds):
    assert after(Verdict.UNKNOWN, looks=looks).look_in_seconds == seconds


def test_a_processor_that_asks_for_a_pause_gets_it():
    deferred = after(Verdict.BUSY, fresh=True, retry_after_seconds=77.0)
    looked = after(Verdict.BUSY, state="unknown", retry_after_seconds=77.0)

    assert (deferred.due_in_seconds, looked.look_in_seconds) == (77, 77)


def test_what_no_call_was_begun_for_waits_for_nothing():
    unsent = after(Verdict.NOT_SENT, fresh=True, code=DEADLINE)
    unseen = after(Verdict.NOT_SENT, state="unknown", looks=9, code=DEADLINE)

    assert (unsent.state, unsent.due_in_seconds, unsent.fact) == ("queued", 0, "")
    assert (unseen.state, unseen.look_in_seconds, unseen.fact) == ("unknown", 0, "")


@pytest.mark.parametrize("kind", ["refund", "reversal"])
def test_what_is_given_back_is_never_tried_again_by_itself(kind):
    no = after(Verdict.DECLINED, kind=kind, step=None)
    back = after(Verdict.DECLINED, kind=kind, step=None, state="succeeded")

    assert (no.retry_at, no.live, no.refunded, no.touches_feed) == (None, 0, 0, False)
    assert (back.state, back.refunded, back.moved) == (
        "returned",
        -100,
        {"refund": 100, "reversal": -100}[kind],
    )


def test_an_attempt_by_hand_has_no_place_in_the_plan():
    no = after(Verdict.DECLINED, step=None)

    assert (no.retry_at, no.feed_state) == (None, "uncollected")


@pytest.mark.django_db
def test_the_next_attempt_has_another_key_and_asks_for_the_same(database, marketplace):
    first = held(company_id=marketplace.pk)
    second = first.next_attempt()

    assert (second.attempt, second.step, second.amount) == (2, 1, 100)
    assert second.key != first.key
    assert second.transaction_id != first.transaction_id
    assert second.request_hash != first.request_hash
