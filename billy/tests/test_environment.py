"""What Billy reads from its environment, and what it refuses to start with."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from billy import environment
from billy.places import CHECKOUT

PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "k" * 50,
    "BILLY_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "BILLY_API_KEY_PEPPERS": "first:0123456789abcdef",
    "DATABASE_URL": "postgres://billy:hush@db.example.com/billy",
    "ALLOWED_HOSTS": "billing.example.com",
}


def load_settings(*questions, **environ):
    """Read the settings in a process of their own; return its answers, or its last words."""
    asked = ", ".join(f"settings.{question}" for question in questions)
    script = f"from billy import settings; print(repr([{asked}]))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_a_fresh_checkout_needs_no_variable_and_keeps_debug_off():
    assert load_settings("DEBUG", "LOCAL", "SESSION_COOKIE_SECURE") == "[False, True, False]"


def test_production_reads_all_of_it_and_sends_cookies_over_tls_only():
    found = load_settings("LOCAL", "SESSION_COOKIE_SECURE", "SECURE_SSL_REDIRECT", **PRODUCTION)

    assert found == "[False, True, True]"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY must be set"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must have at least 32 characters"),
        ({"SECRET_KEY": "change-me-" + "x" * 40}, "SECRET_KEY is still the placeholder"),
        ({"DEBUG": "", "SECRET_KEY": "change-me-" + "x" * 40}, "SECRET_KEY is still"),
        ({"BILLY_ENCRYPTION_KEYS": ""}, "BILLY_ENCRYPTION_KEYS must be set"),
        ({"BILLY_ENCRYPTION_KEYS": "nonsense"}, "BILLY_ENCRYPTION_KEYS: key 1"),
        ({"BILLY_API_KEY_PEPPERS": ""}, "BILLY_API_KEY_PEPPERS must be set"),
        ({"BILLY_API_KEY_PEPPERS": "first:short"}, "BILLY_API_KEY_PEPPERS must read"),
        ({"DATABASE_URL": "sqlite:///billy.db"}, "Billy runs on PostgreSQL only"),
        ({"DATABASE_URL": "mysql://u:hush@h/d"}, "Billy runs on PostgreSQL only"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgres://h"}, "DATABASE_URL must end with the name"),
        ({"DEBUG": "1"}, "DEBUG is on and ALLOWED_HOSTS names billing.example.com"),
        ({"BILLY_LEASE_SECONDS": "16"}, "BILLY_LEASE_SECONDS must be from 21 to 3600, not 16"),
        ({"BILLY_BATCH_SIZE": "0"}, "BILLY_BATCH_SIZE must be from 1 to 5000, not 0"),
        ({"BILLY_TICK_SECONDS": "0"}, "BILLY_TICK_SECONDS must be from 0.05"),
        ({"BILLY_TICK_SECONDS": "nan"}, "BILLY_TICK_SECONDS"),
        ({"BILLY_TICK_SECONDS": "soon"}, "BILLY_TICK_SECONDS"),
        ({"BILLY_LOOK_SECONDS": "10,2"}, "BILLY_LOOK_SECONDS must be growing"),
        ({"BILLY_STATEMENT_TIMEOUT_SECONDS": "-1"}, "BILLY_STATEMENT_TIMEOUT_SECONDS"),
        ({"SECRET_KEY_FILE": "/nowhere"}, "SECRET_KEY and SECRET_KEY_FILE are both set"),
    ],
)
def test_what_would_be_unsafe_is_refused_by_name(change, words):
    found = load_settings(**{**PRODUCTION, **change})

    assert words in found
    assert "hush" not in found
    assert "nonsense" not in found or "DATABASE_URL" in change


def test_a_secret_can_come_from_a_file(tmp_path):
    (tmp_path / "key").write_text("f" * 40 + "\n")
    environ = {**PRODUCTION, "SECRET_KEY_FILE": str(tmp_path / "key")}
    del environ["SECRET_KEY"]

    assert load_settings("SECRET_KEY", **environ) == repr(["f" * 40])


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE: No such file"):
        environment.with_files({"SECRET_KEY_FILE": "/nowhere/key"})


def test_a_file_is_read_only_for_the_names_that_we_know():
    given = {"LOG_FILE": "/nowhere"}

    assert environment.with_files(given) == given


def test_local_secrets_are_made_once_and_kept_from_others(tmp_path):
    path = tmp_path / "var" / "secrets.json"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: environment.local_secrets(path), range(8)))

    assert [found[0]] * 8 == found
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert environment.encryption_keys(found[0]["BILLY_ENCRYPTION_KEYS"])
    assert list(environment.peppers(found[0]["BILLY_API_KEY_PEPPERS"])) == ["local"]


def test_given_secrets_win_over_local_ones(tmp_path):
    found = environment.secret_values(
        {"SECRET_KEY": "given"}, strict=False, local=tmp_path / "secrets.json"
    )

    assert found["SECRET_KEY"] == "given"


def test_peppers_keep_their_order_and_must_differ():
    assert list(environment.peppers("b:0123456789abcdef,a:0123456789abcdef")) == ["b", "a"]
    with pytest.raises(ImproperlyConfigured):
        environment.peppers("a:0123456789abcdef,a:fedcba9876543210")


def test_sessions_limit_statements_locks_and_idling():
    found = environment.database("postgres://h/d", statement_timeout_seconds=7)

    limits = found["OPTIONS"]["options"].replace("-c ", "").split()
    assert [
        "statement_timeout=7000",
        "lock_timeout=3000",
        "idle_in_transaction_session_timeout=15000",
    ] == limits


def test_options_of_the_url_are_kept():
    found = environment.database("postgres://h/d?sslmode=require", statement_timeout_seconds=7)

    assert found["OPTIONS"]["sslmode"] == "require"


def test_reading_the_settings_starts_no_database():
    assert "billy.embedded.backend" in load_settings("DATABASES")
    script = (
        "import sys, billy.settings; print('billy.embedded' in sys.modules, "
        "'psycopg2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "False False"
