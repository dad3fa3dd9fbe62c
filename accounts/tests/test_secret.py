"""Secrets at rest: clear in Python, closed in the database, open only to who has the key."""

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from accounts.models import ApiKey, Company
from accounts.secret import PREFIX, UnreadableSecret, fingerprints

CANARY = "sk-canary-" + "7" * 11
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def company(now, **given):
    return Company.create(name="The marketplace", processor_key=CANARY, now=now, **given)


def stored(column, pk):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM billy_accounts_company WHERE id = %s", [pk])
        return cursor.fetchone()[0]


def everything():
    """Return each row of each table of ours as PostgreSQL would dump it."""
    with connection.cursor() as cursor:
        names = [
            name
            for name in connection.introspection.table_names(cursor)
            if name.startswith("billy_")
        ]
        rows = []
        for name in names:
            cursor.execute(f'SELECT t::text FROM "{name}" AS t')
            rows += [row[0] for row in cursor.fetchall()]
    return "\n".join(rows)


@pytest.mark.django_db
def test_the_table_holds_ciphertext_and_the_model_the_clear_text(now):
    made = company(now)

    found = Company.objects.get(pk=made.pk)

    assert CANARY == found.processor_key
    assert made.callback_key == found.callback_key
    assert stored("processor_key", made.pk).startswith(PREFIX)
    assert CANARY not in everything()
    assert made.callback_key not in everything()


@pytest.mark.django_db
def test_no_secret_is_no_ciphertext(now):
    made = Company.create(name="No key yet", now=now)

    assert stored("processor_key", made.pk) == ""
    assert Company.objects.get(pk=made.pk).processor_key == ""


@pytest.mark.django_db
def test_keys_rotate_the_first_one_writes_and_all_of_them_read(now, settings):
    settings.BILLY_ENCRYPTION_KEYS = (OLD,)
    made = company(now)
    written_by_old = stored("processor_key", made.pk)

    settings.BILLY_ENCRYPTION_KEYS = (NEW, OLD)
    read = Company.objects.get(pk=made.pk)
    read.save()

    settings.BILLY_ENCRYPTION_KEYS = (NEW,)
    assert CANARY == read.processor_key == Company.objects.get(pk=made.pk).processor_key
    assert written_by_old != stored("processor_key", made.pk)


@pytest.mark.django_db
def test_a_missing_key_is_an_error_that_tells_no_secret(now, settings):
    settings.BILLY_ENCRYPTION_KEYS = (OLD,)
    made = company(now)
    settings.BILLY_ENCRYPTION_KEYS = (NEW,)

    with pytest.raises(UnreadableSecret, match="BILLY_ENCRYPTION_KEYS") as caught:
        Company.objects.get(pk=made.pk)

    assert CANARY not in str(caught.value)


@pytest.mark.django_db
def test_an_api_key_is_shown_once_and_kept_as_a_fingerprint(now):
    made, clear = ApiKey.issue(company(now), now=now)

    assert len(clear) >= 43
    assert clear not in everything()
    assert made.fingerprint in everything()
    assert made == ApiKey.find(clear, now=now)
    assert made.company == ApiKey.find(clear, now=now).company


@pytest.mark.django_db
def test_a_key_that_is_revoked_or_expired_or_wrong_is_none(now):
    made, clear = ApiKey.issue(company(now), now=now)
    other, _ = ApiKey.issue(made.company, scopes=("read",), now=now)

    for change in ({"revoked_at": now}, {"expires_at": now}):
        ApiKey.objects.filter(pk=made.pk).update(
            **{"revoked_at": None, "expires_at": None} | change
        )
        assert ApiKey.find(clear, now=now) is None

    for wrong in ("", clear[:-1], clear + "1", clear.swapcase(), other.fingerprint, "ключ", "\0"):
        assert ApiKey.find(wrong, now=now) is None


@pytest.mark.django_db
def test_a_key_works_under_an_old_pepper_until_that_is_taken_away(now, settings):
    settings.BILLY_API_KEY_PEPPERS = {"old": "a" * 16}
    made, clear = ApiKey.issue(company(now), now=now)

    settings.BILLY_API_KEY_PEPPERS = {"new": "b" * 16, "old": "a" * 16}
    assert made == ApiKey.find(clear, now=now)
    later, later_clear = ApiKey.issue(made.company, now=now)

    settings.BILLY_API_KEY_PEPPERS = {"new": "b" * 16}
    assert ApiKey.find(clear, now=now) is None
    assert later == ApiKey.find(later_clear, now=now)


@pytest.mark.django_db
def test_a_scope_that_does_not_exist_is_refused_and_no_key_is_made(now):
    with pytest.raises(ValueError, match="scopes: must be one of read, write, money, admin"):
        ApiKey.issue(company(now), scopes=("read", "root"), now=now)

    assert not ApiKey.objects.exists()


def test_fingerprints_differ_by_pepper_and_by_key(settings):
    settings.BILLY_API_KEY_PEPPERS = {"one": "a" * 16, "two": "b" * 16}

    found = fingerprints("key") + fingerprints("kez")

    assert len(set(found)) == 4
    assert {len(each) for each in found} == {64}
