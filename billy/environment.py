"""Read the environment: secrets, the database, numbers within their ranges.

Every mistake is an `ImproperlyConfigured` whose text names the variable and says what is allowed.
"""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import dj_database_url
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from core.locked import locked

POSTGRESQL = "django.db.backends.postgresql"
SECRET_LENGTH = 32  # Characters; below it a key can be guessed, and Django warns.
PEPPER_LENGTH = 16
PLACEHOLDERS: Final = ("change-me", "changeme", "django-insecure", "insecure", "secret")
LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1", "testserver"})


def with_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with each `NAME_FILE` read into `NAME`, as Docker hands secrets over.

    A name that is set both ways is refused: it would be a guess which one is meant.
    """
    known = {name for name in environ if name.endswith("_FILE") and name in FILE_NAMES}
    values = dict(environ)
    for name in known:
        plain = name.removesuffix("_FILE")
        if environ.get(plain):
            raise ImproperlyConfigured(f"{plain} and {name} are both set: set one of them")
        try:
            values[plain] = Path(environ[name]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}: {error.strerror}: {environ[name]}") from error
    return values


FILE_NAMES: Final = frozenset(
    f"{name}_FILE"
    for name in (
        "SECRET_KEY",
        "BILLY_ENCRYPTION_KEYS",
        "BILLY_API_KEY_PEPPERS",
        "DATABASE_URL",
        "REDIS_URL",
        "CELERY_BROKER_URL",
    )
)


def empty_names(environ: Mapping[str, str]) -> list[str]:
    """Return our variables that are set to nothing; they count as not set.

    A compose file hands over `NAME=` for each variable that its own environment lacks.
    """
    return [
        name
        for name, value in environ.items()
        if not value.strip() and (name.startswith("BILLY_") or name in PLAIN_NAMES)
    ]


PLAIN_NAMES: Final = frozenset(
    (
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
        "DEBUG",
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "SECURE_SSL_REDIRECT",
        "DATABASE_URL",
        "REDIS_URL",
        "CELERY_BROKER_URL",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "TIME_ZONE",
    )
)


def secret_values(environ: Mapping[str, str], *, strict: bool, local: Path) -> dict[str, str]:
    """Return SECRET_KEY, BILLY_ENCRYPTION_KEYS and BILLY_API_KEY_PEPPERS as text.

    `strict` is for an installation that others reach: each must be set, and well chosen. Otherwise
    the missing ones come from the file `local`, which is made once and readable by its owner only.
    """
    names = ("SECRET_KEY", "BILLY_ENCRYPTION_KEYS", "BILLY_API_KEY_PEPPERS")
    given = {name: environ[name] for name in names if environ.get(name)}
    if strict:
        for name in names:
            if name not in given:
                raise ImproperlyConfigured(f"{name} must be set with DEBUG off; see .env.example")
        check_secret_key(given["SECRET_KEY"])
    elif len(given) < len(names):
        given = {**local_secrets(local), **given}
    return given


def check_secret_key(value: str) -> None:
    """Refuse a key that is short or that was copied from an example."""
    if value.lower().startswith(PLACEHOLDERS):
        raise ImproperlyConfigured("SECRET_KEY is still the placeholder: make one of your own")
    if len(value) < SECRET_LENGTH:
        raise ImproperlyConfigured(f"SECRET_KEY must have at least {SECRET_LENGTH} characters")


def encryption_keys(text: str) -> tuple[str, ...]:
    """Split and check the Fernet keys; the first one encrypts, all decrypt."""
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    if not keys:
        raise ImproperlyConfigured("BILLY_ENCRYPTION_KEYS must name at least one Fernet key")
    for position, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError as error:
            # The key itself stays out of the message: messages end up in logs.
            raise ImproperlyConfigured(
                f"BILLY_ENCRYPTION_KEYS: key {position} is not 32 bytes in URL-safe base 64"
            ) from error
    return keys


def peppers(text: str) -> dict[str, str]:
    """Read `name:value,name:value`; the first is the one that new keys get."""
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, value = part.partition(":")
        if not name or len(value) < PEPPER_LENGTH or name in found:
            raise ImproperlyConfigured(
                "BILLY_API_KEY_PEPPERS must read name:value,name:value with different names and "
                f"values of at least {PEPPER_LENGTH} characters"
            )
        found[name] = value
    if not found:
        raise ImproperlyConfigured("BILLY_API_KEY_PEPPERS must name at least one pepper")
    return found


def local_secrets(path: Path) -> dict[str, str]:
    """Return the secrets of this checkout, making them the first time. Two at once get the same."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                _write_secrets(path)
            found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
            return found
    except OSError as error:
        raise ImproperlyConfigured(
            f"SECRET_KEY is not set and {path} cannot be used ({error.strerror}): set SECRET_KEY, "
            "BILLY_ENCRYPTION_KEYS and BILLY_API_KEY_PEPPERS"
        ) from error


def _write_secrets(path: Path) -> None:
    made = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "BILLY_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "BILLY_API_KEY_PEPPERS": f"local:{secrets.token_urlsafe(32)}",
    }
    unfinished = path.with_suffix(".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(made, file)
    unfinished.rename(path)


def database_from_url(url: str) -> dict[str, Any]:
    """Return Django's description of a PostgreSQL database.

    Raises `ImproperlyConfigured` for any other engine: others drop row locks and triggers without
    a word, and half of what Billy promises rests on them.
    """
    try:
        found: dict[str, Any] = dict(
            dj_database_url.parse(url, conn_max_age=None, conn_health_checks=True)
        )
    except ValueError as error:
        shown = _without_password(url)
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {shown}") from error
    if found["ENGINE"] != POSTGRESQL:
        raise ImproperlyConfigured(
            f"DATABASE_URL must be postgres://…, Billy runs on PostgreSQL only: "
            f"{_without_password(url)}"
        )
    if not found["NAME"]:
        raise ImproperlyConfigured("DATABASE_URL must end with the name of the database")
    return found


def database(url: str, *, statement_timeout_seconds: int) -> dict[str, Any]:
    """Describe the default database: the one of the URL, or else the embedded one.

    Each session limits itself, so that one stuck worker cannot stop the rest: a statement to the
    given seconds (0 is no limit), waiting for a lock to 3 and idling in a transaction to 15.
    """
    found: dict[str, Any] = (
        database_from_url(url)
        if url
        else {
            "ENGINE": "billy.embedded.backend",
            "NAME": "billy",
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
        }
    )
    options = found.setdefault("OPTIONS", {})
    options.setdefault(
        "options",
        f"-c statement_timeout={statement_timeout_seconds * 1000} "
        "-c lock_timeout=3000 -c idle_in_transaction_session_timeout=15000",
    )
    options.setdefault("application_name", "billy")
    options.setdefault("connect_timeout", 10)
    return found


def seconds_list(name: str, text: str) -> tuple[int, ...]:
    """Read `2,10,60x3`: growing whole seconds, at least one of them; `60x3` is three times 60."""
    try:
        pairs = [part.partition("x") for part in text.split(",")]
        steps = [(int(seconds), int(times or 1)) for seconds, _, times in pairs]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be whole seconds: 2,10,60x3") from error
    seconds = [step for step, _ in steps]
    if min(min(step) for step in steps) < 1 or seconds != sorted(set(seconds)):
        raise ImproperlyConfigured(f"{name} must be growing whole seconds: 2,10,60x3")
    return tuple(step for step, times in steps for _ in range(times))


def check_between(name: str, value: float, *, low: float, high: float) -> None:
    """Refuse a number outside its range."""
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name} must be from {low:g} to {high:g}, not {value:g}")


def check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is not on the list."""
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}")


def check_hosts(hosts: list[str], *, debug: bool) -> None:
    """Refuse DEBUG where others can reach us: its error pages show settings and source."""
    others = [host for host in hosts if host not in LOCAL_HOSTS]
    if debug and others:
        raise ImproperlyConfigured(
            f"DEBUG is on and ALLOWED_HOSTS names {', '.join(others)}: turn DEBUG off"
        )


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{'…@' if user else ''}{host}{parts.path}"
