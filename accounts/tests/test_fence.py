"""The fence: what was set back or copied sends nothing; what was only restarted goes on."""

import json
import socket
from contextlib import closing
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from accounts import fence
from accounts.models import Company, Installation
from accounts.outside import File, Kept, Redis, highest
from audit.models import AuditEvent, Mark
from conftest import change, open_company
from core.cards import contains_card_number
from core.invalid import Invalid


@pytest.fixture
def file(tmp_path):
    return File(tmp_path / "fence.json")


def look(*stores):
    """Ask the fence a minute after it was last asked."""
    age()
    return fence.look(stores)


def age():
    """Let the minute since the newest mark pass."""
    change("ALTER TABLE billy_audit_mark DISABLE TRIGGER mark_fixed")
    change("UPDATE billy_audit_mark SET at = at - interval '1 minute'")
    change("ALTER TABLE billy_audit_mark ENABLE ALWAYS TRIGGER mark_fixed")


def same_place():
    """Forget on which server the marks were taken: only what they count is left to compare."""
    change("ALTER TABLE billy_audit_mark DISABLE TRIGGER mark_fixed")
    change("UPDATE billy_audit_mark SET system = '', timeline = '', database = ''")
    change("ALTER TABLE billy_audit_mark ENABLE ALWAYS TRIGGER mark_fixed")


def moved(**place):
    """Let the newest mark say that it was taken elsewhere."""
    change("ALTER TABLE billy_audit_mark DISABLE TRIGGER mark_fixed")
    for name, value in place.items():
        change(f"UPDATE billy_audit_mark SET {name} = %s", [value])
    change("ALTER TABLE billy_audit_mark ENABLE ALWAYS TRIGGER mark_fixed")


def numbers():
    return list(Mark.objects.order_by("number").values_list("number", flat=True))


# --- What must not freeze ---------------------------------------------------------------------


def test_nothing_is_fenced_before_there_is_an_installation(database, file):
    assert "" == fence.look([file])
    assert [] == numbers()


def test_a_first_start_takes_the_first_mark_and_keeps_it_outside(marketplace, file):
    assert "" == fence.look([file])

    (number,) = numbers()
    installation = Installation.objects.get()
    assert number == file.read(installation.instance_id).number


def test_a_mark_is_never_taken_for_the_number_of_a_card(marketplace, file):
    fence.look([file])

    known = Mark.objects.get().system
    assert (known[:2], known[2:].isdecimal()) == ("pg", True)
    assert contains_card_number("4242424242424242")
    assert not contains_card_number("pg4242424242424242")


def test_a_mark_that_names_its_server_by_digits_alone_is_of_the_same(marketplace, file):
    fence.look([file])
    moved(system=Mark.objects.get().system[2:])

    assert "" == look(file)


def test_a_start_without_anything_outside_goes_on(marketplace, file, tmp_path):
    fence.look([file])

    assert "" == look(File(tmp_path / "another-machine.json"))
    assert 2 == len(numbers())


def test_many_workers_take_one_mark_a_minute(marketplace, file):
    for _ in range(5):
        fence.look([file])

    assert 1 == len(numbers())


def test_a_new_connection_to_the_same_database_goes_on(marketplace, file):
    fence.look([file])
    connections.close_all()

    assert "" == look(file)


def test_a_clock_that_was_set_back_still_counts_up(marketplace, file):
    fence.look([file])
    change("ALTER TABLE billy_audit_mark DISABLE TRIGGER mark_fixed")
    change("UPDATE billy_audit_mark SET number = number + 86400000")
    change("ALTER TABLE billy_audit_mark ENABLE ALWAYS TRIGGER mark_fixed")

    assert "" == look()

    first, second = numbers()
    assert second == first + 1


def test_old_marks_are_cleared_away_and_what_is_outside_of_that_age_is_good(marketplace, file):
    fence.look([file])
    change("ALTER TABLE billy_audit_mark DISABLE TRIGGER mark_fixed")
    change("UPDATE billy_audit_mark SET at = at - interval '8 days'")
    change("ALTER TABLE billy_audit_mark ENABLE ALWAYS TRIGGER mark_fixed")
    (old,) = numbers()
    fence.look([])  # Another machine, without this file.

    assert old not in numbers()
    assert "" == look(file)


def test_what_the_role_may_not_read_is_not_compared(marketplace, file):
    fence.look([file])
    moved(system="", timeline="")

    assert "" == look(file)


# --- What must freeze -------------------------------------------------------------------------


def test_a_database_that_was_set_back_freezes(marketplace, file, rewind):
    keep, bring_back = rewind
    look(file)
    keep()
    look(file)
    bring_back()
    same_place()

    why = look(file)

    assert "the database was set back" in why
    assert "frozen" == Installation.objects.get().dispatch


def test_a_database_of_before_the_fence_freezes_too(marketplace, file, rewind):
    keep, bring_back = rewind
    keep()
    look(file)
    bring_back()

    assert "it was set back" in look(file)


def test_a_restore_from_a_dump_freezes_even_where_nothing_is_kept_outside(
    marketplace, file, rewind
):
    keep, bring_back = rewind
    look(file)
    keep()
    bring_back()

    assert "the database's number was" in look()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({"system": "pg7000000000000000001"}, "system identifier was pg7000000000000000001"),
        ({"timeline": "00000009"}, "timeline was 00000009"),
        ({"instance_id": str(uuid4())}, "the instance id was"),
    ],
)
def test_another_server_and_another_instance_freeze(marketplace, file, place, told):
    fence.look([file])
    moved(**place)

    assert told in look(file)


def test_two_databases_that_went_on_from_the_same_mark_are_told_apart(marketplace, file):
    fence.look([file])
    instance_id = Installation.objects.get().instance_id
    (number,) = numbers()
    file.path.unlink()
    file.keep(instance_id, Kept(number=number, token=str(uuid4())))

    assert "another history" in look(file)


def test_a_frozen_installation_takes_no_marks_and_goes_on_saying_why(marketplace, file):
    fence.look([file])
    moved(system="1")
    why = look(file)

    assert why == look(file) == fence.reason()
    assert 1 == len(numbers())


def test_what_a_person_would_send_at_once_is_refused_by_name(marketplace):
    change("UPDATE billy_accounts_installation SET dispatch = 'frozen', reason = 'set back'")

    with pytest.raises(Invalid, match="is frozen: set back"):
        fence.check_open()


# --- What opens it again ----------------------------------------------------------------------


def test_a_person_opens_it_again_with_an_event_on_each_trail(marketplace, file, rewind, now):
    other = open_company("Another", now=now)
    keep, bring_back = rewind
    look(file)
    keep()
    look(file)
    bring_back()
    why = look(file)

    was = fence.unfreeze([file], why="all adopted", now=now, actor="ada")

    events = AuditEvent.objects.filter(kind="company.dispatch_opened")
    assert {marketplace.pk, other.pk} == set(events.values_list("trail", flat=True))
    assert {"ada"} == set(events.values_list("actor", flat=True))
    assert (why, {"was": why, "reason": "all adopted"}) == (was, events[0].body)
    assert "" == look(file)


def test_the_new_mark_answers_for_what_other_machines_keep(marketplace, tmp_path, rewind, now):
    here, there = (File(tmp_path / f"{name}.json") for name in ("here", "there"))
    keep, bring_back = rewind
    look(here)
    keep()
    look(there)
    bring_back()
    assert look(there)

    fence.unfreeze([here], why="", now=now, actor="ada")

    assert ["", ""] == [look(here), look(there)]


def test_what_is_set_back_again_freezes_again(marketplace, file, rewind, now):
    keep, bring_back = rewind
    look(file)
    keep()
    moved(system="1")
    look(file)
    fence.unfreeze([file], why="", now=now, actor="ada")
    bring_back()
    same_place()

    assert "the database was set back" in look(file)


def test_what_is_open_cannot_be_opened(marketplace, file, now):
    with pytest.raises(Invalid, match="is open"):
        fence.unfreeze([file], why="", now=now, actor="ada")


def test_a_copy_gets_a_new_instance_only_without_processor_keys(marketplace, file, now):
    fence.look([file])
    before = Installation.objects.get().instance_id

    with pytest.raises(Invalid, match="is set for 1 companies"):
        fence.adopt([file], now=now, actor="ada")

    assert 1 == fence.clear_processor_keys(now=now, actor="ada")
    after = fence.adopt([file], now=now + timedelta(seconds=1), actor="ada")
    assert before != after == Installation.objects.get().instance_id
    assert "" == Company.objects.get().processor_key
    assert "" == look(file)
    told = AuditEvent.objects.filter(actor="ada").order_by("seq").values_list("kind", flat=True)
    assert ["company.changed", "company.dispatch_opened"] == list(told)


@pytest.mark.parametrize("command", ["adopt --new-instance", "unfreeze"])
def test_the_commands_refuse_in_one_line(marketplace, command):
    with pytest.raises(CommandError, match=r"dispatch: is open|processor_key: is set"):
        call_command(*command.split())


# --- Outside ----------------------------------------------------------------------------------


def test_a_file_only_goes_up(file):
    instance_id = uuid4()
    for number in (3, 5, 4):
        file.keep(instance_id, Kept(number=number, token="t"))

    assert 5 == file.read(instance_id).number
    assert file.read(uuid4()) is None


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"%s": 3}', '{"%s": {"number": "5"}}'])
def test_a_file_that_makes_no_sense_knows_nothing(file, text):
    instance_id = uuid4()
    file.path.write_text(text.replace("%s", str(instance_id)))

    assert file.read(instance_id) is None
    file.keep(instance_id, Kept(number=1, token="t"))
    assert {"number": 1, "token": "t"} == json.loads(file.path.read_text())[str(instance_id)]


def test_a_file_that_cannot_be_written_stops_nobody(tmp_path, caplog):
    (tmp_path / "taken").write_text("")
    file = File(tmp_path / "taken" / "fence.json")

    file.keep(uuid4(), Kept(number=1, token="t"))

    assert "cannot be kept" in caplog.text


def test_a_redis_that_is_away_knows_nothing_and_stops_nobody(caplog):
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        store = Redis(f"redis://:hunter2@127.0.0.1:{free.getsockname()[1]}/0")

        store.keep(uuid4(), Kept(number=1, token="t"))

        assert store.read(uuid4()) is None
    assert "cannot be kept in Redis: ConnectionError" in caplog.text
    assert "hunter2" not in caplog.text


def test_of_several_stores_the_highest_mark_counts(tmp_path):
    instance_id = uuid4()
    stores = [File(tmp_path / f"{number}.json") for number in range(3)]
    for number, store in enumerate(stores[:2], start=1):
        store.keep(instance_id, Kept(number=number, token="t"))

    assert 2 == highest(stores, instance_id).number
    assert highest([], instance_id) is None
