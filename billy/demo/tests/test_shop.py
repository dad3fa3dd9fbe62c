"""The shop of quickstart is made once, and found again whatever has moved."""

from __future__ import annotations

import stat
from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model

from accounts.models import ApiKey, Company, Customer
from audit.models import AuditEvent
from audit.verify import broken
from billy.demo.children import sandbox
from billy.demo.shop import Note, prepare

pytestmark = pytest.mark.django_db

WEB = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    return tmp_path_factory.mktemp("shop") / "ledger.jsonl"


def run_sandbox(ledger):
    return sandbox("--port", "0", "--ledger", str(ledger), "--ach-delay", "60")


def url_of(running):
    return running.wait_ready().split()[-1]


@pytest.fixture(scope="module")
def bank(ledger):
    with run_sandbox(ledger) as running:
        yield url_of(running)


def test_a_second_start_changes_nothing(bank, now):
    first = prepare(Note(), sandbox_url=bank, web_url=WEB, now=now)

    second = prepare(first, sandbox_url=bank, web_url=WEB, now=now)

    assert first == second
    assert (Company.objects.count(), ApiKey.objects.count(), Customer.objects.count()) == (1, 1, 5)


def test_a_sandbox_that_moved_is_followed_and_the_move_is_recorded(now, tmp_path):
    with run_sandbox(tmp_path / "ledger.jsonl") as running:
        first = prepare(Note(), sandbox_url=url_of(running), web_url=WEB, now=now)
    with run_sandbox(tmp_path / "ledger.jsonl") as running:
        moved_to = url_of(running)

        second = prepare(first, sandbox_url=moved_to, web_url=WEB, now=now)

    company = Company.objects.get()
    changes = AuditEvent.objects.filter(trail=company.pk, kind="company.changed")
    assert (second, company.processor_url) == (first, moved_to)
    assert [event.body for event in changes] == [{"processor_url": moved_to}]
    assert list(broken()) == []


def test_a_sandbox_that_forgot_everything_gets_a_new_company(bank, now, tmp_path):
    first = prepare(Note(), sandbox_url=bank, web_url=WEB, now=now)
    with run_sandbox(tmp_path / "empty.jsonl") as running:
        second = prepare(first, sandbox_url=url_of(running), web_url=WEB, now=now)

    assert second.company != first.company
    assert second.api_key != first.api_key
    assert second.password == first.password


def test_a_database_that_forgot_everything_gets_a_new_company(bank, now):
    stale = Note(password="kept-from-before", company="CP" + "1" * 22, api_key="gone")  # None.

    found = prepare(stale, sandbox_url=bank, web_url=WEB, now=now)

    assert Company.objects.get().guid == found.company
    assert get_user_model().objects.get().check_password("kept-from-before")


def test_a_key_that_was_lost_is_replaced(bank, now):
    first = prepare(Note(), sandbox_url=bank, web_url=WEB, now=now)

    second = prepare(replace(first, api_key=""), sandbox_url=bank, web_url=WEB, now=now)

    assert ApiKey.find(second.api_key, now=now).company == Company.objects.get()


def test_an_admin_who_chose_another_password_keeps_it(bank, now):
    users = get_user_model().objects
    users.create_superuser("admin", password="their own choice")

    note = prepare(Note(), sandbox_url=bank, web_url=WEB, now=now)

    assert note.password == ""
    assert users.get().check_password("their own choice")


def test_a_note_is_kept_for_its_owner_only(tmp_path):
    note = Note(password="p", company="c", api_key="k", web_port=1, sandbox_port=2)
    path = tmp_path / "note.json"

    note.write(path)
    note.write(path)

    assert note == Note.read(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"unknown": 1}'])
def test_a_note_that_cannot_be_understood_is_an_empty_one(tmp_path, text):
    path = tmp_path / "note.json"
    path.write_text(text)

    assert Note() == Note.read(path)
