"""The demo's database is its own, and goes when it does."""

from __future__ import annotations

import psycopg2
import pytest
from django.db import connection

from billy.demo.database import PREFIX, NoDatabase, fresh_database


def demo_databases(workshop):
    with psycopg2.connect(workshop.url) as server, server.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{PREFIX}%"])
        found = {name for (name,) in cursor.fetchall()}
    server.close()
    return found


@pytest.mark.django_db
def test_the_fresh_database_is_empty_and_gone_afterwards(workshop):
    before = connection.settings_dict["NAME"]

    with fresh_database() as engine:
        name = connection.settings_dict["NAME"]
        tables = connection.introspection.table_names()
        there = demo_databases(workshop)

    assert engine.startswith("PostgreSQL ")
    assert tables == []
    assert name in there
    assert name not in demo_databases(workshop)
    assert connection.settings_dict["NAME"] == before


@pytest.mark.django_db
def test_the_fresh_database_goes_when_the_story_breaks_off(workshop):
    story = fresh_database()
    story.__enter__()
    name = connection.settings_dict["NAME"]

    broke_off = KeyboardInterrupt()
    story.__exit__(KeyboardInterrupt, broke_off, None)

    assert name not in demo_databases(workshop)


@pytest.mark.django_db
def test_what_a_killed_demo_left_is_cleared_away_by_the_next_one(workshop):
    left = f"{PREFIX}left_by_a_test"
    workshop._do("CREATE DATABASE {}", left)

    with fresh_database():
        there = demo_databases(workshop)

    assert left not in there


def test_a_user_who_may_make_no_database_is_told_what_to_do(database, workshop, monkeypatch):
    role = f"{PREFIX}plain"
    workshop._ask(f"DO 'BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN OTHERS THEN END'; SELECT 1")
    monkeypatch.setitem(connection.settings_dict, "USER", role)

    with pytest.raises(NoDatabase, match="may not: unset DATABASE_URL"):
        fresh_database().__enter__()


def test_a_server_that_cannot_be_reached_is_named(database, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")

    with pytest.raises(NoDatabase, match=r"DATABASE_URL: .*port 1 "):
        fresh_database().__enter__()
