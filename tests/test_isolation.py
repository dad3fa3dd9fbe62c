"""Each test that asks for it has a database of its own; no test reaches another machine."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from django.db import connection, transaction

from billy.places import CHECKOUT
from tests.database import OutsideReached, refuse_unless_local, watch_sockets
from tests.isolation import digest_of_source, owner_of, source_files


def write_a_row():
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS seen (number int)")
        cursor.execute("INSERT INTO seen VALUES (1)")
        cursor.execute("SELECT count(*) FROM seen")
        return cursor.fetchone()[0]


@pytest.mark.django_db
@pytest.mark.parametrize("_number", range(3))
def test_what_one_test_commits_no_other_sees(_number):
    assert write_a_row() == 1


@pytest.mark.parametrize("fixture", ["db", "transactional_db", "database"])
def test_every_way_to_ask_for_the_database_gives_one_of_its_own(fixture, request):
    request.getfixturevalue(fixture)

    assert write_a_row() == 1


def test_threads_of_a_test_share_its_database_over_connections_of_their_own(database):
    found = []

    def work():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database(), pg_backend_pid()")
            found.append(cursor.fetchone())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {database.name} == {name for name, _ in found}
    assert len({backend for _, backend in found}) == 3


def test_child_processes_are_given_the_tests_database(database):
    script = (
        "import django; django.setup(); from django.db import connection as c;"
        "k = c.cursor(); k.execute('SELECT current_database()'); print(k.fetchone()[0])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "billy.settings"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == database.name


def test_the_database_is_migrated_and_empty(database):
    with closing(psycopg2.connect(database.url)) as direct, direct.cursor() as cursor:
        cursor.execute("SELECT count(*) > 0 FROM django_migrations")
        migrated = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM auth_user")
        people = cursor.fetchone()[0]

    assert (migrated, people) == (True, 0)


def test_a_database_goes_even_while_somebody_is_still_connected(database, workshop):
    with closing(psycopg2.connect(database.url)):
        workshop.drop(database)

    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        psycopg2.connect(database.url)


def test_a_test_that_did_not_ask_may_not_touch_the_database():
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        connection.ensure_connection()


def test_the_template_follows_the_source():
    found = {path.relative_to(CHECKOUT).parts[0] for path in source_files(CHECKOUT)}

    assert {"audit", "invoices", "billy"} <= found
    assert not {".venv", "var", "tests"} & found
    assert digest_of_source() == digest_of_source()


def test_another_source_file_is_another_template(tmp_path):
    (tmp_path / "tests").mkdir()
    for name in ("b.py", "a.sql", "c.txt", "tests/d.py"):
        Path(tmp_path / name).write_text("")

    found = [path.name for path in source_files(tmp_path)]

    assert found == ["a.sql", "b.py"]


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("billy_test_0123abcd_17", "billy_test_0123abcd"),
        ("billy_template_0123", "billy_template_0123"),
        ("billy_template_0123_unfinished", "billy_template_0123_unfinished"),
    ],
)
def test_every_database_has_the_lock_that_its_maker_holds(name, owner):
    assert owner_of(name) == owner


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "", None, b"127.0.0.1", "0.0.0.0"]
)
def test_this_machine_may_be_talked_to(host):
    assert refuse_unless_local(host) is None


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::1", "example.com", b"example.com"])
def test_no_other_machine_may_be_talked_to(host):
    with pytest.raises(OutsideReached, match="only talk to this machine"):
        refuse_unless_local(host)


def test_the_guard_is_in_place_for_connections_and_for_names():
    with closing(socket.socket()) as outside:
        with pytest.raises(OutsideReached):
            outside.connect(("192.0.2.7", 80))
        with pytest.raises(OutsideReached):
            socket.getaddrinfo("example.com", 80)


def test_unix_sockets_are_let_be():
    assert watch_sockets("socket.connect", (None, "/tmp/socket")) is None
