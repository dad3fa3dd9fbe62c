"""What a callback may change: only what the processor itself confirms."""

import json
from dataclasses import replace
from datetime import timedelta
from threading import Event as Flag

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.open import account_of
from audit.models import AuditEvent
from core.invalid import Invalid
from processors.base import Status
from processors.memory import Memory, Pending
from schedulers.limits import Limits
from webhooks import receive
from webhooks.models import Inbound


def tell(shop, event_id, *, key=None, now=None, **more):
    return receive.receive(
        receive.company_at(shop.company.guid, shop.company.callback_key if key is None else key),
        raw=json.dumps({"id": event_id, **more}).encode(),
        processor=shop.memory,
        now=now or shop.now,
        limits=Limits(),
    )


def sweep(shop):
    return receive.sweep(processor=shop.memory, now=shop.now, limits=Limits())


def strange_debit(shop, attempt, *, key):
    """Make a debit in the company's account that Billy did not ask for; returns its uri."""
    (order,) = [each for each in shop.memory.orders if each.key == attempt.key]
    return shop.memory.submit(replace(order, account=account_of(shop.company), key=key)).uri


def test_what_was_pending_has_succeeded_when_the_processor_says_so(shop, standing):
    attempt = shop.sell(Pending)
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)

    code = tell(shop, shop.newest_event(attempt))

    assert code == "ok"
    assert standing(attempt) == ("succeeded", "settled", 100, 0)


def test_what_had_succeeded_is_returned_when_the_bank_brings_it_back(shop, standing):
    attempt = shop.sell()
    before = standing(attempt)
    shop.memory.settle(attempt.processor_uri, Status.FAILED, code="R10")

    code = tell(shop, shop.newest_event(attempt))

    assert code == "ok"
    assert before == ("succeeded", "settled", 100, 0)
    assert standing(attempt) == ("returned", "open", 100, 100)


def test_the_word_of_an_old_event_counts_for_nothing_against_the_object_as_it_stands(
    shop, standing
):
    attempt = shop.sell(Pending)
    created = shop.newest_event(attempt)
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    tell(shop, shop.newest_event(attempt))
    events = AuditEvent.objects.count()

    code = tell(shop, created, type="debit.failed", status="failed")

    assert code == "ok"
    assert standing(attempt) == ("succeeded", "settled", 100, 0)
    assert AuditEvent.objects.count() == events


def test_evidence_that_would_lead_back_from_a_return_changes_nothing(shop, standing):
    attempt = shop.sell()
    shop.memory.settle(attempt.processor_uri, Status.FAILED, code="R10")
    tell(shop, shop.newest_event(attempt))
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    events = AuditEvent.objects.count()

    code = tell(shop, shop.newest_event(attempt))

    assert code == "ok"
    assert standing(attempt) == ("returned", "open", 100, 100)
    assert AuditEvent.objects.count() == events


def test_a_duplicate_is_answered_and_changes_nothing(shop):
    attempt = shop.sell(Pending)
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    event_id = shop.newest_event(attempt)
    tell(shop, event_id)
    events = AuditEvent.objects.count()

    codes = [tell(shop, event_id) for _ in range(3)]

    assert codes == ["ok", "ok", "ok"]
    assert AuditEvent.objects.count() == events
    assert Inbound.objects.count() == 1


def test_a_duplicate_with_another_body_is_told_to_the_operator(shop, caplog):
    event_id = shop.newest_event(shop.sell())
    tell(shop, event_id)

    code = tell(shop, event_id, extra="forged")

    assert code == "ok"
    assert [each.message for each in caplog.records] == [
        f"event {event_id} of {shop.company.guid} came again with another body"
    ]
    assert "forged" not in Inbound.objects.get().raw


def test_a_forged_event_is_refused_and_changes_nothing(shop, standing):
    attempt = shop.sell(Pending)
    events = AuditEvent.objects.count()

    with pytest.raises(Invalid, match="is not an event of this company"):
        tell(shop, "EVforged", type="debit.succeeded", entity={"status": "succeeded"})

    assert standing(attempt) == ("pending", "open", 0, 0)
    assert AuditEvent.objects.count() == events
    assert Inbound.objects.get().result == "unknown"


def test_an_event_of_nothing_ours_is_ignored(shop):
    stranger = strange_debit(shop, shop.sell(), key="made-by-hand")

    code = tell(shop, shop.memory.event_ids(stranger)[-1])

    assert code == "ignore"
    assert Inbound.objects.get().result == "ignore"


def test_another_companys_event_changes_nothing(shop, other_shop, standing):
    attempt = shop.sell(Pending)
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)

    with pytest.raises(Invalid, match="is not an event of this company"):
        tell(other_shop, shop.newest_event(attempt))

    assert standing(attempt) == ("pending", "open", 0, 0)


def test_an_object_that_names_another_companys_attempt_changes_nothing(shop, other_shop, standing):
    attempt = shop.sell(Pending)
    forged = strange_debit(other_shop, attempt, key=attempt.key)

    code = tell(other_shop, other_shop.memory.event_ids(forged)[-1])

    assert code == "ignore"
    assert standing(attempt) == ("pending", "open", 0, 0)


@pytest.mark.parametrize("key", ["", "wrong", "ключ", "\0", "🐐"])
def test_a_wrong_secret_finds_nothing(shop, key):
    with pytest.raises(receive.NoSuchAddress):
        tell(shop, "EV1", key=key)

    assert not Inbound.objects.exists()


def test_another_companys_secret_finds_nothing(shop, other_shop):
    with pytest.raises(receive.NoSuchAddress):
        tell(shop, "EV1", key=other_shop.company.callback_key)


def test_a_processor_out_of_reach_is_asked_again_by_the_sweep(shop, standing):
    attempt = shop.sell(Pending)
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    shop.memory.bad_secrets.add("goats")
    code = tell(shop, shop.newest_event(attempt))
    swept_in_vain = sweep(shop)
    before = standing(attempt)
    shop.memory.bad_secrets.clear()

    swept = sweep(shop)

    assert code == "ok"
    assert (swept_in_vain, before) == (1, ("pending", "open", 0, 0))
    assert (swept, standing(attempt)) == (1, ("succeeded", "settled", 100, 0))
    assert sweep(shop) == 0


def test_nobody_waits_for_a_processor_that_takes_its_time(shop):
    answered = Flag()

    class Slow(Memory):
        def event(self, *, account, event_id):
            answered.wait()
            return super().event(account=account, event_id=event_id)

    try:
        with pytest.raises(receive.TooLate):
            receive._fetched_soon(shop.company, "EV1", Slow(), patience_seconds=0)
    finally:
        answered.set()


def test_a_company_out_of_reach_keeps_no_other_waiting(shop, other_shop, standing):
    attempt = other_shop.sell(Pending)
    shop.memory.bad_secrets |= {"goats", "sheep"}
    for number in range(5):
        tell(shop, f"EV{number}", now=shop.now - timedelta(days=1))
    tell(other_shop, other_shop.newest_event(attempt))
    shop.memory.settle(attempt.processor_uri, Status.SUCCEEDED)
    shop.memory.bad_secrets.remove("sheep")

    looked_at = sweep(shop)

    assert looked_at == receive.FAILURES_TO_LEAVE + 1
    assert standing(attempt) == ("succeeded", "settled", 100, 0)


def test_the_sweep_notes_what_nobody_knows(shop):
    shop.memory.bad_secrets.add("goats")
    tell(shop, "EVforged")
    shop.memory.bad_secrets.clear()

    sweep(shop)

    assert Inbound.objects.get().result == "unknown"


@pytest.mark.parametrize(
    "body",
    [
        {"id": "EV1"},
        {"id": "EV1", "type": "debit.created", "meta": {"deep": [[[]]]}},
        {"events": [{"id": "EV1"}], "links": {}},
        {"events": [{"id": "EV1", "type": "debit.created"}]},
    ],
)
def test_an_event_is_named_bare_or_in_an_envelope(body):
    assert receive.event_of(json.dumps(body).encode()) == "EV1"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("id"), inner),
)


@given(json_values.map(lambda value: json.dumps(value).encode()) | st.binary())
def test_any_body_names_an_event_or_is_invalid(raw):
    try:
        found = receive.event_of(raw)
    except Invalid:
        found = "none"

    assert receive.EVENT_ID.fullmatch(found)
