"""Checkpoints: signed, ordered, their roots recompute, and every way of cheating is found."""

import hashlib
import json
from datetime import timedelta
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from hypothesis import given
from hypothesis import strategies as st

from audit import checkpoints
from audit.chain import Fact, canonical
from audit.checkpoints import merkle, missing, problems, take, told
from audit.models import AuditTrail, Checkpoint, CheckpointHead
from audit.record import begin, heads, record
from conftest import change
from core.ids import uuid7

HOUR = timedelta(hours=1)
TABLES = ("checkpoint", "checkpointhead", "auditevent", "audittrail")


@pytest.fixture
def company(database, now):
    """The trail of a company, with two of its customers'."""
    made = uuid7(now=now)
    customers = ((uuid7(now=now), made, "customer") for _ in range(2))
    begin([(made, made, "company"), *customers], now=now)
    for trail in trails(made):
        happen(trail, now=now)
    return made


def trails(company):
    return list(AuditTrail.objects.filter(company_id=company).order_by("pk"))


def happen(trail, *, now, what="1"):
    """Let something happen on a trail."""
    fact = Fact(
        trail_id=trail.pk,
        company_id=trail.company_id,
        kind="usage.recorded",
        currency="USD",
        dedupe=what,
        body={},
    )
    record([fact], heads=heads([trail.pk]), now=now)


def tamper(statement, *parameters):
    """Change what nobody may, as the owner of the database could."""
    for table in TABLES:
        change(f"ALTER TABLE billy_audit_{table} DISABLE TRIGGER ALL")
    change(statement, parameters)
    for table in TABLES:
        change(f"ALTER TABLE billy_audit_{table} ENABLE TRIGGER ALL")


def test_a_checkpoint_covers_every_trail_once_and_can_be_checked_without_us(company, now):
    (made,) = take(now=now)

    assert (1, 3, b"") == (made.number, made.heads, bytes(made.previous))
    leaves = [
        trail.pk.bytes + trail.head_seq.to_bytes(8, "big") + bytes(trail.head_hash)
        for trail in trails(company)
    ]
    assert tree(leaves) == bytes(made.root)
    said = told(made)
    signature = bytes.fromhex(said.pop("signature"))
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(said.pop("signer")))
    key.verify(signature, canonical(said).encode())
    assert [] == list(problems())


def tree(leaves):
    """The definition of RFC 6962, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + tree(leaves[:half]) + tree(leaves[half:])).digest()


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_the_root_is_that_of_the_standard(leaves):
    assert tree(leaves) == merkle(leaves)


def test_only_what_moved_is_covered_anew_and_chained(company, now):
    take(now=now)
    assert [] == take(now=now + HOUR)
    happen(trails(company)[1], now=now, what="2")

    (second,) = take(now=now + HOUR)

    first = Checkpoint.objects.get(number=1)
    assert (2, 1) == (second.number, second.heads)
    assert hashlib.sha256(checkpoints._content(first)).digest() == bytes(second.previous)
    assert 4 == CheckpointHead.objects.count()
    assert [] == list(problems())


def test_one_is_due_after_an_hour(company, now):
    take(now=now, older_than_seconds=3600)
    happen(trails(company)[0], now=now, what="2")

    assert [] == take(now=now + HOUR / 2, older_than_seconds=3600)
    assert 1 == len(take(now=now + HOUR, older_than_seconds=3600))


def test_companies_are_covered_apart(company, now):
    other = uuid7(now=now)
    begin([(other, other, "company")], now=now)
    happen(AuditTrail.objects.get(pk=other), now=now)

    assert {company: 3, other: 1} == {each.company_id: each.heads for each in take(now=now)}


def test_many_trails_are_covered_in_steps(company, now):
    made = take(now=now, heads_at_once=2)

    assert [(1, 2), (2, 1)] == [(each.number, each.heads) for each in made]
    assert [] == list(problems())


def test_an_old_key_still_counts_and_a_lost_one_is_told(company, now, settings):
    take(now=now)
    old = settings.BILLY_ENCRYPTION_KEYS
    new = Fernet.generate_key().decode()

    settings.BILLY_ENCRYPTION_KEYS = (new, *old)
    assert [] == list(problems())

    settings.BILLY_ENCRYPTION_KEYS = (new,)
    assert ["is signed by no key of BILLY_ENCRYPTION_KEYS"] == [
        each.partition(f"{company} ")[2] for each in problems()
    ]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE billy_audit_checkpoint SET heads = heads + 1 WHERE number = 2", "was changed"),
        ("UPDATE billy_audit_checkpoint SET root = 'x' WHERE number = 2", "was changed"),
        ("UPDATE billy_audit_checkpoint SET at = at - interval '2 days' WHERE number = 2", "older"),
        ("UPDATE billy_audit_checkpoint SET signature = 'x' WHERE number = 2", "was changed"),
        ("DELETE FROM billy_audit_checkpoint WHERE number = 1", "some are missing"),
        ("UPDATE billy_audit_checkpoint SET previous = 'x' WHERE number = 2", "not chained"),
        ("DELETE FROM billy_audit_checkpointhead WHERE seq = 2", "covers 1 heads, and 0"),
        ("UPDATE billy_audit_checkpointhead SET seq = 7 WHERE seq = 2", "says 7"),
        ("UPDATE billy_audit_auditevent SET hash = 'x' WHERE seq = 2", "written anew"),
        ("UPDATE billy_audit_audittrail SET head_seq = 1 WHERE head_seq = 2", "has 1 events"),
        ("DELETE FROM billy_audit_auditevent WHERE seq = 2", "written anew"),
        ("UPDATE billy_audit_audittrail SET company_id = gen_random_uuid()", "is not there"),
    ],
)
def test_every_way_of_cheating_is_found(company, now, statement, problem):
    take(now=now)
    happen(trails(company)[1], now=now, what="2")
    take(now=now + HOUR)
    assert [] == list(problems())

    tamper(statement)

    assert [each for each in problems() if problem in each]


def test_a_history_that_was_written_anew_as_a_whole_is_found_by_what_was_kept(company, now):
    kept = [told(each) for each in take(now=now)]
    tamper("DELETE FROM billy_audit_checkpointhead")
    tamper("DELETE FROM billy_audit_checkpoint")
    assert [] == list(problems())

    assert ["is not in the database: its history was set back"] == [
        each.partition(f"{company} ")[2] for each in missing(kept)
    ]
    happen(trails(company)[0], now=now, what="2")
    take(now=now)
    assert ["is another one in the database: its history was replaced"] == [
        each.partition(f"{company} ")[2] for each in missing(kept)
    ]


@pytest.mark.parametrize("table", ["checkpoint", "checkpointhead"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_database_refuses_to_change_one(company, now, table, verb):
    take(now=now)

    with pytest.raises(DatabaseError, match="checkpoints are append-only"):
        change(verb.format(f"billy_audit_{table}"))


def test_a_mark_of_the_fence_is_not_edited(database):
    with pytest.raises(DatabaseError, match="marks are not edited"):
        change("UPDATE billy_audit_mark SET number = 1")


def test_each_is_written_to_the_log(company, now, caplog):
    caplog.set_level("INFO", logger="audit.checkpoints")

    (made,) = take(now=now)

    assert f"checkpoint {canonical(told(made))}" in caplog.text


def command(*arguments):
    out = StringIO()
    call_command("checkpoint", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_they_are_handed_out_and_compared_with_what_was_kept(company, tmp_path):
    first = command("--json")
    happen(trails(company)[0], now=Checkpoint.objects.get().at, what="2")
    second = command()
    every = command("--json", "--all")
    file = tmp_path / "kept.jsonl"
    file.write_text(every + f"2026-01-01 INFO audit.checkpoints: checkpoint {first}")

    assert [1, 2] == [json.loads(line)["number"] for line in every.splitlines()]
    assert second.endswith("1 checkpoints\n")
    assert "3 checkpoints are as they were kept" in command("--check", str(file))
    tamper("DELETE FROM billy_audit_checkpoint WHERE number = 2")
    with pytest.raises(CommandError, match="problems"):
        command("--check", str(file))


@pytest.mark.parametrize("text", ["nonsense", "{}", '{"number": 1}'])
def test_a_file_that_holds_none_is_named(database, tmp_path, text):
    file = tmp_path / "kept.jsonl"
    file.write_text(text)

    with pytest.raises(CommandError, match="--check: line 1 is no checkpoint"):
        command("--check", str(file))
    with pytest.raises(CommandError, match="--check: No such file"):
        command("--check", str(tmp_path / "none"))
