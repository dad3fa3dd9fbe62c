"""The second wall: the database itself shows a request its own company's rows, and no others."""

import logging

import psycopg2
import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from accounts import wall
from accounts.models import ApiKey, Company, Customer
from audit.models import AuditEvent
from audit.sets import execute, fetch

ALL_TABLES = (
    "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relname LIKE 'billy\\_%%'"
    " AND relnamespace = current_schema()::regnamespace"
)
POLICIES = "SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'own_company'"
READABLE = ALL_TABLES + " AND has_table_privilege('billy_web', oid, 'SELECT')"


@pytest.fixture
def shops(database):
    """Two shops with a customer each."""
    made = [Company.create(name=name) for name in ("The shop", "The other shop")]
    for company in made:
        Customer.create(name=f"Alice of {company.name}", company=company)
    return made


def names(statement):
    return {name for (name,) in fetch(statement, {})}


def test_whoever_names_no_company_sees_nothing(shops):
    tables = names(POLICIES)
    with transaction.atomic():
        execute("SET LOCAL ROLE billy_web")
        seen = {table: fetch(f"SELECT count(*) FROM {table}")[0][0] for table in tables}

    assert seen == dict.fromkeys(tables, 0)
    assert len(tables) > 15
    assert Customer.objects.count() == 2


def test_whoever_names_a_company_sees_its_rows_only(shops):
    with transaction.atomic():
        execute(f"SET LOCAL ROLE billy_web; SET LOCAL billy.tenant = '{shops[0].pk}'")
        companies = fetch("SELECT id FROM billy_accounts_company")
        events = fetch("SELECT DISTINCT company_id FROM billy_audit_auditevent")

    assert companies == events == [(shops[0].pk,)]


def test_every_table_is_behind_the_wall_or_out_of_reach(database):
    """A new table must be given a policy, or not be given to the role at all."""
    open_to_all = names(READABLE) - names(POLICIES)

    assert open_to_all == {"billy_accounts_installation"}
    assert names(ALL_TABLES) - names(READABLE) == {"billy_audit_mark"}


def test_a_query_that_forgets_the_company_is_stopped(shops):
    with wall.within(shops[0].pk):
        (customer,) = Customer.objects.all()
        found = [*AuditEvent.objects.iterator()]

    assert customer.company_id == shops[0].pk
    assert {each.company_id for each in found} == {shops[0].pk}


def test_nothing_is_written_into_another_company(shops):
    mine, other = shops
    (customer,) = Customer.objects.filter(company=other)

    with wall.within(mine.pk):
        changed = Customer.objects.filter(pk=customer.pk).update(name="Mallory")
        with pytest.raises(ProgrammingError, match="row-level security"):
            Customer.create(name="Mallory", company=other)

    assert changed == 0
    assert [*Customer.objects.filter(company=other)] == [customer]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM billy_accounts_customer",
        "UPDATE billy_accounts_installation SET dispatch = 'frozen'",
        "SELECT * FROM auth_user",
        "CREATE TABLE mine (id int)",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_the_role_may_do_what_requests_do_and_no_more(shops, statement):
    with wall.within(shops[0].pk), pytest.raises(ProgrammingError, match="denied"):
        execute(statement)


def test_a_transaction_goes_on_behind_the_wall_after_a_savepoint_failed(shops):
    with wall.within(shops[0].pk), transaction.atomic():
        with pytest.raises(IntegrityError), transaction.atomic():
            execute(
                "INSERT INTO billy_accounts_customer (id, company_id)"
                " VALUES (gen_random_uuid(), %s)",
                [shops[0].pk],
            )
        seen = Customer.objects.count()

    assert seen == 1


def test_nothing_is_left_on_the_connection(shops):
    with wall.within(shops[0].pk):
        [*Customer.objects.all()]
        [*Customer.objects.iterator()]
        with pytest.raises(psycopg2.errors.InvalidCursorName):  # Django closes what never opened.
            [*Customer.objects.extra(where=["nonsense"]).iterator()]

    assert fetch("SELECT current_user = session_user, current_setting('billy.tenant', true)") in (
        [(True, "")],
        [(True, None)],
    )
    assert Customer.objects.count() == 2


def test_a_request_is_behind_the_wall_from_its_key_on(shops, client):
    _, clear = ApiKey.issue(shops[0], now=shops[0].created_at)
    bearer = {"Authorization": f"Bearer {clear}"}
    client.get("/v1/customers", headers=bearer)

    with CaptureQueriesContext(connection) as asked:
        client.get("/v1/customers", headers=bearer)
        b"".join(client.get("/v1/exports/events", headers=bearer).streaming_content)

    texts = [each["sql"] for each in asked.captured_queries]
    behind = [text for text in texts if text.startswith("SET LOCAL ROLE billy_web")]
    assert [text for text in texts if "apikey" in text.lower()] == [
        text for text in texts if text not in behind and "auditevent" not in text.lower()
    ]
    assert len(behind) == 1


def test_a_server_without_the_role_is_told_of(shops, caplog):
    wall.is_there.cache_clear()
    try:
        with transaction.atomic(), caplog.at_level(logging.WARNING):
            execute("CREATE ROLE billy_stranger")
            execute("SET LOCAL ROLE billy_stranger")
            assert not wall.is_there()
            transaction.set_rollback(True)
    finally:
        wall.is_there.cache_clear()

    assert "no role billy_web" in caplog.text


def test_all_models_of_ours_are_in_tables_that_the_wall_knows():
    """The wall goes by the names of tables: all of ours begin alike."""
    from django.apps import apps

    ours = [each for each in apps.get_models() if each.__module__.split(".")[0] in ROOMS]

    assert {each._meta.db_table.partition("_")[0] for each in ours} == {"billy"}
    assert all(issubclass(each, Model) for each in ours)


ROOMS = ("accounts", "audit", "invoices", "plans", "schedulers", "webhooks")
