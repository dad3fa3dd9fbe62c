"""Whether a process says rightly that it lives, and that it could serve."""

import socket
from contextlib import closing

import pytest
from django.db import connections

from billy import health
from conftest import change


def ready(client):
    answer = client.get("/readyz")
    return answer.status_code, answer.json()


def test_a_living_process_says_so_without_asking_anybody(client):
    answer = client.get("/livez")  # This test has no database: asking one would fail it.

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_process_with_all_it_needs_is_ready(client, database):
    checks = dict.fromkeys(("database", "migrations", "broker", "dispatch"), "ok")
    assert ready(client) == (200, {"status": "ok", "checks": checks})


def test_a_frozen_dispatch_makes_it_unready_and_says_why(client, marketplace):
    change("UPDATE billy_accounts_installation SET dispatch = 'frozen', reason = 'set back'")

    status, body = ready(client)

    assert (503, "frozen: set back") == (status, body["checks"]["dispatch"])


def test_a_migration_to_apply_makes_it_unready(client, database):
    change("DELETE FROM django_migrations WHERE app = 'billy_webhooks'")

    status, body = ready(client)

    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"]["migrations"].endswith("migrations to apply")
    assert body["checks"]["database"] == "ok"


def test_a_lost_database_makes_it_unready_and_breaks_nothing(client, database):
    connections["default"].close()
    connections.settings["default"]["NAME"] = "billy_is_not_here"
    del connections["default"]

    status, body = ready(client)

    assert status == 503
    assert body["checks"] == {
        "database": "OperationalError",
        "migrations": "OperationalError",
        "broker": "ok",
        "dispatch": "OperationalError",
    }


def test_a_lost_broker_makes_it_unready_and_tells_no_password(client, database, settings):
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        settings.CELERY_BROKER_URL = f"redis://:hunter2@127.0.0.1:{free.getsockname()[1]}/0"

        answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == "ConnectionError"
    assert b"hunter2" not in answer.content


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_is_only_read(client, path):
    assert client.post(path).status_code == 405


def test_whatever_a_check_raises_is_told_by_its_name_only():
    def broken():
        raise ValueError("postgresql://billy:hunter2@db")

    assert health._told(broken) == "ValueError"
