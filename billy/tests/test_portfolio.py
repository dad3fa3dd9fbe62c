"""A portfolio is imported over HTTP and billed to the cent, however often it is cut off."""

import csv
import json
import random
from collections import Counter
from datetime import datetime

import pytest

from accounts.models import Customer, FundingInstrument
from billy.tests.processes import Child, Teller, command, wait_for
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from schedulers.importing import COLUMNS
from schedulers.models import Scheduler

AS_OF = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
KILL_AT = (1, 60_000, 200_000)  # Bytes that the ledger has grown by when an import is killed.
PEOPLE = 300


class Portfolio:
    """Some hundred subscribers, made by arithmetic: cards, verified bank accounts, and neither."""

    def __init__(self, teller, *, people=PEOPLE):
        self.rows, self.owed = [], {}
        for n in range(people):
            uri = (teller.card, teller.bank_account, str)[n * 7 % 3]()
            months, cents = 1 + n * 5 % 6, 1825 + n * 37 % 10_000
            year, month = divmod(AS_OF.year * 12 + AS_OF.month - 1 - months, 12)
            name = f"sub-{n:04}"
            self.owed[name] = (uri, cents * months, months)
            self.rows.append(
                {
                    "external_id": name,
                    "name": f"Subscriber {n}",
                    "direction": "debit",
                    "currency": "USD",
                    "frequency": "monthly",
                    "time_zone": "UTC",
                    "catch_up": "each",
                    "plan": ("monthly", "one-year", "two-year")[n % 3],
                    "amount": str(cents),
                    "started_at": f"{year:04}-{month + 1:02}-01T00:00:00Z",
                    "ends_after": str(months),
                    "funding_instrument_uri": uri,
                }
            )

    def write(self, path):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        return path


@pytest.fixture
def portfolio(database, sandbox, tmp_path):
    made = json.loads(command("bootstrap", "--json", "--processor-url", sandbox.url).stdout)
    teller = Teller(sandbox.url, made["processor_key"])
    built = Portfolio(teller)
    built.path = built.write(tmp_path / "portfolio.csv")
    teller.close()
    return built


@pytest.mark.django_db
def test_a_portfolio_is_imported_over_http_and_billed_to_the_cent(portfolio, sandbox):
    imported = command("import_subscriptions", portfolio.path)
    billed = command("tick", "--until-idle", "--now", AS_OF.isoformat())

    assert imported.stdout.splitlines()[-1] == f"{PEOPLE} imported, 0 there already, 0 refused"
    assert billed.returncode == 0, billed.stderr
    charged = {uri: cents for uri, cents, _ in portfolio.owed.values() if uri}
    by_source = sandbox.sums("debit", by="source")
    assert charged == {f"{PATHS[source[:2]]}{source}": cents for source, cents in by_source.items()}
    by_kind = Counter()
    for uri, cents, _ in portfolio.owed.values():
        by_kind[uri[:3]] += cents
    assert by_kind["/ca"] == sum(n for source, n in by_source.items() if source[:2] == "CC")
    assert by_kind["/ba"] == sum(n for source, n in by_source.items() if source[:2] == "BA")
    remote = dict(
        Customer.objects.exclude(processor_uri="").values_list("processor_uri", "external_id")
    )
    assert {name: cents for name, (uri, cents, _) in portfolio.owed.items() if uri} == {
        remote[f"/customers/{customer}"]: cents
        for customer, cents in sandbox.sums("debit", by="customer").items()
    }
    assert sum(months for _, _, months in portfolio.owed.values()) == AuditFeed.objects.count()
    assert {"ended"} == set(Scheduler.objects.values_list("state", flat=True))
    open_feeds = AuditFeed.objects.filter(state="open")
    assert by_kind[""] == sum(open_feeds.values_list("total", flat=True))
    assert {"succeeded"} == set(Transaction.objects.values_list("state", flat=True))

    again = command("tick", "--until-idle", "--now", AS_OF.isoformat())

    assert again.stdout.startswith("0 invoices opened")
    assert by_source == sandbox.sums("debit", by="source")


PATHS = {"CC": "/cards/", "BA": "/bank_accounts/"}


@pytest.mark.django_db
def test_an_import_that_is_killed_at_any_moment_doubles_nothing(portfolio, sandbox):
    chance, before = random.Random(5), sandbox.ledger.stat().st_size
    for enough in KILL_AT:
        bound = before + enough + chance.randrange(10_000)
        with Child("manage.py", "import_subscriptions", portfolio.path) as child:
            wait_for(child, lambda: sandbox.ledger.stat().st_size >= bound)  # noqa: B023  # Now.
            child.process.kill()

    finished = command("import_subscriptions", portfolio.path)

    assert finished.returncode == 0, finished.stderr
    with_instrument = [name for name, (uri, _, _) in portfolio.owed.items() if uri]
    assert (PEOPLE, PEOPLE, len(with_instrument), 3) == (
        Customer.objects.count(),
        Scheduler.objects.count(),
        FundingInstrument.objects.count(),
        Plan.objects.count(),
    )
    remote = sandbox.objects("customer")
    ours = Customer.objects.exclude(processor_uri="").values_list("processor_uri", flat=True)
    named = [each["meta"]["billy.customer_guid"] for each in remote.values() if each["meta"]]
    assert len(with_instrument) == len(named) == len(set(named))
    assert set(ours) == {f"/customers/{pk}" for pk, each in remote.items() if each["meta"]}
    owners = Counter(
        each["object"]["links"]["customer"]
        for kind in ("card", "bank_account")
        for each in sandbox.objects(kind).values()
    )
    assert {1} == set(owners.values())
    assert None not in owners
