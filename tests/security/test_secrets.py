"""Secrets are nowhere but where they must be: not in rows, answers, pages, logs or messages."""

import json
import logging
import secrets
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

import processors
from accounts.models import ApiKey, Company
from accounts.rotate import columns
from accounts.secret import UnreadableSecret
from audit.read_only import ReadOnly
from billy.celery import app
from billy.logs import Json, Line
from billy.tests.processes import told
from conftest import give_instrument, instrument_of, open_company, subscribe, tick
from plans.models import Plan
from processors.base import Account
from processors.memory import Declined, Lost
from schedulers import limits
from tests.hostile.judge import dumped

pytestmark = pytest.mark.django_db

CANARY = "sk_canary_4f1c9a77"


# --- API keys ---------------------------------------------------------------------------------


@pytest.fixture
def issued(marketplace, now):
    return ApiKey.issue(marketplace, now=now)


def test_a_dump_of_the_database_holds_no_key_that_opens_anything(issued, now):
    key, clear = issued

    dump = dumped().decode()

    assert ApiKey.find(clear, now=now) == key
    assert clear not in dump
    assert clear[: len(key.hint) + 1] not in dump
    # What is stored does not open the door by itself.
    assert ApiKey.find(key.fingerprint, now=now) is None


def test_a_key_has_two_hundred_and_fifty_six_bits(marketplace, now):
    keys = {ApiKey.issue(marketplace, now=now)[1] for _ in range(50)}

    assert len(keys) == 50
    assert {len(key) for key in keys} <= {43, 44}


def test_a_revoked_key_opens_nothing_from_then_on(issued, now):
    key, clear = issued
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=now)

    assert ApiKey.find(clear, now=now) is None


def test_a_key_opens_until_the_instant_at_which_it_expires(issued, now):
    key, clear = issued
    ApiKey.objects.filter(pk=key.pk).update(expires_at=now)

    before, at = (ApiKey.find(clear, now=now - timedelta(seconds=wait)) for wait in (1, 0))

    assert (before, at) == (key, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1],
        lambda key: key + "x",
        lambda key: key.swapcase(),
        lambda key: key[::-1],
        lambda key: key[:6],
        lambda key: f" {key}",
        lambda key: f"{key}\0",
        lambda _: "\ud800",
        lambda _: "",
        lambda _: "é" * 43,
    ],
)
def test_a_key_that_is_not_quite_right_opens_nothing(issued, now, change):
    assert ApiKey.find(change(issued[1]), now=now) is None


def test_a_new_pepper_lets_old_keys_in_and_a_removed_one_does_not(issued, now, settings):
    key, clear = issued
    old = settings.BILLY_API_KEY_PEPPERS
    settings.BILLY_API_KEY_PEPPERS = {"new": "p" * 32} | old
    in_rotation = ApiKey.find(clear, now=now)
    settings.BILLY_API_KEY_PEPPERS = {"new": "p" * 32}

    assert (in_rotation, ApiKey.find(clear, now=now)) == (key, None)


def test_a_wrong_key_costs_the_same_work_as_a_right_one(issued, now):
    """One look-up by a keyed hash: no comparison whose time would tell how much was right."""
    counts = []
    for clear in (issued[1], issued[1][:-1] + "x", secrets.token_hex(22)):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            ApiKey.find(clear, now=now)
        counts.append(len(queries))

    assert counts == [1, 1, 1]


# --- A canary through everything that there is -------------------------------------------------


@pytest.fixture
def memory(settings):
    """The processor that the doors load as well."""
    processors.load.cache_clear()
    settings.BILLY_PROCESSOR = "memory"
    yield limits.processor()
    processors.load.cache_clear()


@pytest.fixture
def canary(database, memory, now):
    """A company that has lived a little, and all of its secrets by name."""
    company = Company.create(name="Canary", processor_url="memory:", processor_key=CANARY, now=now)
    company.processor_account = "memory:canary"
    company.save(update_fields=["processor_account"])
    _, clear = ApiKey.issue(company, now=now)
    return company, {"processor": CANARY, "callback": company.callback_key, "API": clear}


def live(company, memory, *, now):
    """Charge, decline, lose an answer, fail at the processor, and be told of it."""
    from accounts.models import Customer

    plan = Plan.create(company=company, amount=100, now=now)
    for answer in (None, Declined, Lost):
        customer = Customer.create(company=company, name="Alice", now=now)
        give_instrument(customer, memory.add_card(), memory=memory, now=now)
        subscribe(plan, customer, now=now, instrument=instrument_of(customer))
        memory.script.extend([answer] if answer else [])
        tick(memory, now=now)
    memory.bad_secrets.add(CANARY)
    tick(memory, now=now + timedelta(days=40))


def every_page(client):
    """Return the HTML of each list and of each row's page in the admin."""
    client.force_login(User.objects.create_superuser("boss"))
    pages = [page for page in admin.site._registry.values() if isinstance(page, ReadOnly)]
    addresses = [page.search_address("") for page in pages] + [
        page.address(row.pk) for page in pages for row in page.model.objects.all()[:20]
    ]
    assert len(addresses) > 40
    return {address: client.get(address).content.decode() for address in addresses}


def test_a_canary_is_in_no_row_page_answer_log_line_or_message(canary, memory, client, caplog, now):
    company, hidden = canary
    caplog.set_level(logging.DEBUG)
    live(company, memory, now=now)
    address = f"/v1/companies/{company.guid}/callbacks/{company.callback_key}"
    bodies = [
        client.post(address, json.dumps({"id": event}), content_type="application/json").content
        for event in ("EVforged", "4111111111111111", "")
    ]
    bodies.append(client.post(address + "x", "{}", content_type="application/json").content)
    client.get(f"/nothing{address}")

    forms = [form.format(each) for form in (Line(), Json()) for each in caplog.records]
    places = every_page(client) | {
        "dump": dumped().decode(),
        "answers": b"".join(bodies).decode(),
        "log": "\n".join(forms),
        "message": json.dumps(app.conf.beat_schedule, default=str),
        "repr": repr(Account(url="memory:", secret=CANARY)) + repr(company.__dict__.keys()),
    }

    assert len(forms) == 8
    assert [
        (name, place)
        for name, secret in hidden.items()
        for place, text in places.items()
        if secret in text
    ] == []


def fail(message):
    raise RuntimeError(message)


def test_a_trace_in_the_log_shows_no_secret_of_its_frames(canary, memory):
    company, _ = canary
    account = Account(url="memory:", secret=company.processor_key)
    try:
        fail(f"failed at {account}")
    except RuntimeError as error:
        made = logging.LogRecord(
            "x",
            logging.ERROR,
            "x",
            1,
            "broken %s",
            (account,),
            (type(error), error, error.__traceback__),
        )

    lines = [Line().format(made), Json().format(made)]

    assert "RuntimeError: failed at Account" in lines[0]
    assert not any(CANARY in line for line in lines)


# --- rotate_secrets -----------------------------------------------------------------------------


@pytest.fixture
def old_and_new(settings):
    """Two keys: what is there was written under the first, which is now the old one."""
    old, new = settings.BILLY_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    return old, new


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT processor_key, callback_key FROM billy_accounts_company ORDER BY id")
        return cursor.fetchall()


def test_every_secret_column_is_known():
    assert columns() == [
        ("billy_accounts_company", "id", "processor_key"),
        ("billy_accounts_company", "id", "callback_key"),
        ("billy_accounts_idempotentrequest", "id", "body"),
        ("billy_webhooks_endpoint", "id", "secret"),
        ("billy_webhooks_endpoint", "id", "former_secret"),
    ]


def test_after_a_rotation_the_old_key_is_not_needed(old_and_new, settings, now):
    old, new = old_and_new
    companies = [open_company(f"{number}", now=now) for number in range(3)]
    settings.BILLY_ENCRYPTION_KEYS = (new, old)

    said = told("rotate_secrets")
    settings.BILLY_ENCRYPTION_KEYS = (new,)

    assert "billy_accounts_company.processor_key: 3 secrets, 3 written anew" in said
    assert "done: all secrets are under the first key" in said
    for company in companies:
        again = Company.objects.get(pk=company.pk)
        assert again.processor_key == company.processor_key
        assert again.callback_key == company.callback_key


def test_a_second_rotation_writes_nothing(old_and_new, settings, now):
    old, new = old_and_new
    open_company("one", now=now)
    settings.BILLY_ENCRYPTION_KEYS = (new, old)
    told("rotate_secrets")
    before = stored()

    said = told("rotate_secrets")

    assert "1 secrets, 0 written anew" in said
    assert stored() == before


def test_a_dry_run_counts_and_writes_nothing(old_and_new, settings, now):
    old, new = old_and_new
    open_company("one", now=now)
    settings.BILLY_ENCRYPTION_KEYS = (new, old)
    before = stored()

    said = told("rotate_secrets", "--dry-run")

    assert "1 secrets, 1 would be written anew" in said
    assert stored() == before


def test_what_no_key_opens_is_counted_and_left_as_it_is(old_and_new, settings, now):
    _, new = old_and_new
    company = open_company("one", now=now)
    settings.BILLY_ENCRYPTION_KEYS = (new,)
    before = stored()

    with pytest.raises(CommandError, match="2 secrets cannot be read"):
        told("rotate_secrets")

    assert stored() == before
    with pytest.raises(UnreadableSecret):
        Company.objects.get(pk=company.pk)
